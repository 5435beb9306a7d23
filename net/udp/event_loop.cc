#include "net/udp/event_loop.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <utility>
#include <vector>

#include "net/base/check.h"

namespace p2pcp::udp {
namespace {

// Descriptors dispatched in one turn; what is left comes with the next.
constexpr int kMaxEvents = 64;

// Marks the loop's own timer among the epoll events; no descriptor has it.
constexpr std::uint64_t kTimerTag = ~std::uint64_t{0};

std::uint64_t Tag(int fd, std::uint32_t generation) {
  return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

// The one conversion between TimePoint and the kernel's clock.
timespec ToTimespec(TimePoint time) {
  const auto since_boot = time.time_since_epoch();
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  return {.tv_sec = static_cast<time_t>(seconds.count()),
          .tv_nsec = static_cast<long>((since_boot - seconds).count())};
}

TimePoint FromTimespec(const timespec& time) {
  return TimePoint(std::chrono::seconds(time.tv_sec) +
                   std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

UnixTime WallTime() {
  timespec now;
  P2PCP_CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
  return UnixTime(UnixTime::duration(now.tv_sec));
}

Result<std::unique_ptr<EventLoop>> EventLoop::Create() {
  FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return ErrnoError(ErrorCode::kOther, "epoll", errno);
  // A timerfd and not the timeout of epoll_wait, because the latter runs on
  // CLOCK_MONOTONIC, which stands still in suspend, rounds to milliseconds, and
  // is subject to timer slack.
  FileDescriptor timer(
      timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer.valid()) return ErrnoError(ErrorCode::kOther, "timerfd", errno);
  epoll_event event{};
  // Edge-triggered: it need not be read to fall silent after it has fired.
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = kTimerTag;
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, timer.get(), &event) != 0) {
    return ErrnoError(ErrorCode::kOther, "epoll_ctl", errno);
  }
  return std::unique_ptr<EventLoop>(
      new EventLoop(std::move(epoll), std::move(timer)));
}

TimePoint EventLoop::Now() const {
  timespec now;
  P2PCP_CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
  return FromTimespec(now);
}

void EventLoop::Watch(int fd, std::uint32_t events, FdCallback callback) {
  const std::uint32_t generation = next_generation_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = Tag(fd, generation);
  std::shared_ptr<Watcher>& watcher = watchers_[fd];
  const int operation = watcher ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  P2PCP_CHECK(epoll_ctl(epoll_.get(), operation, fd, &event) == 0);
  watcher = std::make_shared<Watcher>(
      Watcher{generation, events, std::move(callback)});
}

void EventLoop::Unwatch(int fd) {
  if (watchers_.erase(fd) == 0) return;
  P2PCP_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr) == 0);
}

EventLoop::TimerId EventLoop::SetTimer(TimePoint when,
                                       std::function<void()> callback) {
  const TimerId id(when, next_timer_++);
  timers_.emplace(id, std::move(callback));
  return id;
}

void EventLoop::CancelTimer(const TimerId& id) { timers_.erase(id); }

void EventLoop::ArmTimer(TimePoint deadline) {
  if (armed_ == deadline) return;
  itimerspec when{};
  when.it_value = ToTimespec(deadline);
  P2PCP_CHECK(
      timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr) == 0);
  armed_ = deadline;
}

void EventLoop::RunTimers() {
  if (timers_.empty()) return;
  const TimePoint now = Now();
  // Those that are due now: one that a callback sets for the past waits for
  // the next turn, so that no callback can keep the loop here.
  std::vector<TimerId> due;
  for (const auto& [id, callback] : timers_) {
    if (id.first > now) break;
    due.push_back(id);
  }
  for (const TimerId& id : due) {
    const auto found = timers_.find(id);
    if (found == timers_.end()) continue;  // Cancelled by one before it.
    const std::function<void()> callback = std::move(found->second);
    timers_.erase(found);
    callback();
  }
}

void EventLoop::Rest(TimePoint until) {
  const timespec when = ToTimespec(until);
  // A signal handler may end it early, as it ends the other waits.
  clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &when, nullptr);
}

void EventLoop::RunOnce(std::optional<TimePoint> deadline,
                        TimePoint rest_until) {
  if (!timers_.empty()) {
    const TimePoint first = timers_.begin()->first.first;
    deadline = deadline ? std::min(*deadline, first) : first;
  }
  int timeout = -1;
  TimePoint begin = Now();
  if (deadline) rest_until = std::min(rest_until, *deadline);
  if (rest_until > begin) {
    Rest(rest_until);
    const TimePoint end = Now();
    waited_ += end - begin;
    begin = end;
  }
  if (deadline) {
    if (*deadline <= begin) {
      timeout = 0;
    } else {
      ArmTimer(*deadline);
    }
  }

  std::array<epoll_event, kMaxEvents> events;
  int ready;
  while (true) {
    ready = epoll_wait(epoll_.get(), events.data(), kMaxEvents, timeout);
    if (ready != 1 || events[0].data.u64 != kTimerTag) break;
    armed_.reset();
    if (timeout == 0 || (deadline && *deadline <= Now())) break;
    // What fired had been set for an earlier turn; nothing is due yet.
    if (deadline) ArmTimer(*deadline);
  }
  P2PCP_CHECK(ready >= 0 || errno == EINTR);
  if (timeout != 0) waited_ += Now() - begin;

  for (int i = 0; i < ready; ++i) {
    const std::uint64_t tag = events[i].data.u64;
    if (tag == kTimerTag) {
      armed_.reset();
      continue;
    }
    const auto found = watchers_.find(static_cast<int>(tag & 0xffffffff));
    // Unwatched, or another descriptor of the same number, since the wait.
    if (found == watchers_.end() || found->second->generation != tag >> 32) {
      continue;
    }
    const std::shared_ptr<Watcher> watcher = found->second;
    watcher->callback(events[i].events);
  }
  RunTimers();
}

}  // namespace p2pcp::udp
