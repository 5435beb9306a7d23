#include "net/signaling/mqtt_child.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/sanitizer.h"
#include "net/base/time.h"
#include "net/signaling/broker_url.h"
#include "net/signaling/mqtt_dial.h"
#include "net/signaling/mqtt_link.h"
#include "net/signaling/mqtt_wire.h"

namespace p2pcp::signaling {
namespace {

// Heap, stacks and writable data. The program has 1 MiB before it begins, eight
// dialling threads 2 MiB and eight TLS connections 3 MiB.
constexpr rlim_t kMaxData = 12 * 1024 * 1024;
// How long the last messages may take once the parent has no more to say. The
// parent waits a little longer (mqtt_client.cc).
constexpr Duration kFlushTime = 250ms;
constexpr int kMaxTurnsPerSecond = 1000;
// Suspending stops one clock and not the other.
constexpr Duration kSleepThreshold = 5s;

Duration Read(clockid_t clock) {
  timespec value = {};
  clock_gettime(clock, &value);
  return std::chrono::seconds(value.tv_sec) +
         std::chrono::nanoseconds(value.tv_nsec);
}

TimePoint Now() { return TimePoint(Read(CLOCK_BOOTTIME)); }

void Confine() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Ctrl-C reaches the whole foreground group, but the parent still has its
  // goodbyes to send; it ends us by closing its end.
  // Whoever asks all processes of this name how it stands (SIGUSR1) means it.
  for (const int number :
       {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1}) {
    signal(number, SIG_IGN);
  }
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  // One heap, given back early: threads come and go here.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TRIM_THRESHOLD, 64 * 1024);
  mallopt(M_MMAP_THRESHOLD, 64 * 1024);
  // Sanitizers map more than any limit, and look into their own process.
  if (!kSanitized) {
    prctl(PR_SET_DUMPABLE, 0);
    const rlimit data = {kMaxData, kMaxData};
    setrlimit(RLIMIT_DATA, &data);
  }
}

class Child final : public MqttLink::Owner {
 public:
  explicit Child(int socket) : socket_(socket) {
    wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  }

  void Run() {
    asleep_ = Read(CLOCK_BOOTTIME) - Read(CLOCK_MONOTONIC);
    while (!Finished()) Turn();
    for (auto& link : links_) link->Disconnect();
  }

 private:
  // What the parent has not been told yet about one link; the latest counts.
  struct Report {
    bool pending = false;
    bool up = false;
    std::string reason;
  };

  void OnUp(std::size_t index) override { reports_[index] = {true, true, {}}; }
  void OnDown(std::size_t index, std::string reason) override {
    reports_[index] = {true, false, std::move(reason)};
  }
  void OnMessage(std::string_view topic, ByteSpan payload) override {
    // A parent that does not keep up loses messages, as on any network.
    Send(MqttFrame::Message{topic, payload});
  }

  bool Send(const MqttFrame::Any& frame) {
    const Bytes bytes = MqttFrame::Encode(frame);
    return send(socket_, bytes.data(), bytes.size(),
                MSG_DONTWAIT | MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
  }

  bool Finished() {
    if (!closing_at_.has_value()) return false;
    return Now() >= *closing_at_ ||
           std::all_of(links_.begin(), links_.end(),
                       [](const auto& link) { return link->Flushed(); });
  }

  void Turn() {
    const TimePoint before = Now();
    std::vector<pollfd> polled;
    short events = closing_at_.has_value() ? 0 : POLLIN;
    if (HasReports()) events |= POLLOUT;
    polled.push_back({closing_at_.has_value() ? -1 : socket_, events, 0});
    polled.push_back({wake_fd_, POLLIN, 0});
    bool throttled = false;
    for (auto& link : links_) {
      const MqttLink::Interest interest = link->Wanted(before);
      polled.push_back({interest.fd, interest.events, 0});
      // Else a connection that hangs up while throttled would spin.
      if (interest.fd >= 0 && (interest.events & POLLIN) == 0) {
        polled.back().fd = (interest.events != 0) ? interest.fd : -1;
        throttled = true;
      }
    }
    const int timeout = throttled || closing_at_.has_value() ? 10 : 250;
    poll(polled.data(), polled.size(), timeout);

    const TimePoint now = Now();
    Rest(now);
    std::uint64_t ignored = 0;
    while (read(wake_fd_, &ignored, sizeof(ignored)) > 0) {
    }
    NoticeSleep(now);
    for (std::size_t i = 0; i < links_.size(); ++i) {
      if (polled[i + 2].revents != 0) {
        links_[i]->HandleReady(now, polled[i + 2].revents);
      }
    }
    for (auto& link : links_) link->HandleTimer(now);
    if (polled[0].revents != 0) ReadFrames(now);
    SendReports();
  }

  // Nothing here needs a thousand turns a second; a broker that finds a way to
  // wake us for nothing shall not have the processor for it.
  void Rest(TimePoint now) {
    if (now >= second_ + 1s) {
      second_ = now;
      turns_ = 0;
    }
    if (++turns_ > kMaxTurnsPerSecond) poll(nullptr, 0, 1);
  }

  // Connections of before a suspend are dead more often than not, and finding
  // out takes two keepalives.
  void NoticeSleep(TimePoint now) {
    const Duration asleep = Read(CLOCK_BOOTTIME) - Read(CLOCK_MONOTONIC);
    if (asleep - asleep_ > kSleepThreshold) {
      for (auto& link : links_) link->Redial(now);
    }
    asleep_ = asleep;
  }

  void ReadFrames(TimePoint now) {
    // A bounded number for each turn: brokers want attention too.
    for (int i = 0; i < 64; ++i) {
      const ssize_t size =
          recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (size < 0 && errno != ECONNRESET) return;
      if (size <= 0) {
        closing_at_ = now + kFlushTime;
        return;
      }
      const auto frame = MqttFrame::Decode(
          ByteSpan(buffer_).first(static_cast<std::size_t>(size)));
      if (frame.has_value()) HandleFrame(now, *frame);
    }
  }

  void HandleFrame(TimePoint now, const MqttFrame::Any& frame) {
    if (const auto* add = std::get_if<MqttFrame::AddBroker>(&frame)) {
      if (!started_) brokers_.push_back(add->broker);
    } else if (std::get_if<MqttFrame::Start>(&frame) != nullptr) {
      Start(now);
    } else if (const auto* topics = std::get_if<MqttFrame::Topics>(&frame)) {
      topics_ = topics->topics;
      version_ = topics->version;
      for (auto& link : links_) link->SetTopics(now, topics_);
    } else if (const auto* publish = std::get_if<MqttFrame::Publish>(&frame)) {
      for (auto& link : links_) {
        link->Publish(now, publish->topic, publish->payload);
      }
    }
  }

  void Start(TimePoint now) {
    if (started_) return;
    started_ = true;
    MqttDial::InitLibrary(
        std::any_of(brokers_.begin(), brokers_.end(),
                    [](const Broker& broker) { return broker.tls; }));
    reports_.resize(brokers_.size());
    for (std::size_t i = 0; i < brokers_.size(); ++i) {
      links_.push_back(
          std::make_unique<MqttLink>(i, brokers_[i], *this, random_, wake_fd_));
      links_.back()->SetTopics(now, topics_);
      links_.back()->HandleTimer(now);
    }
  }

  bool HasReports() const {
    return std::any_of(reports_.begin(), reports_.end(),
                       [](const Report& report) { return report.pending; });
  }

  void SendReports() {
    for (std::size_t i = 0; i < reports_.size(); ++i) {
      Report& report = reports_[i];
      if (!report.pending) continue;
      const auto broker = static_cast<std::uint8_t>(i);
      const bool sent = report.up
                            ? Send(MqttFrame::Up{broker, version_})
                            : Send(MqttFrame::Down{broker, report.reason});
      if (sent) report.pending = false;
    }
  }

  const int socket_;
  int wake_fd_ = -1;
  SystemRandom random_;
  Bytes buffer_ = Bytes(kMaxMqttFrame);
  bool started_ = false;
  std::vector<Broker> brokers_;
  std::vector<std::string> topics_;
  std::uint32_t version_ = 0;
  std::vector<std::unique_ptr<MqttLink>> links_;
  std::vector<Report> reports_;
  Duration asleep_{};
  TimePoint second_;
  int turns_ = 0;
  // The parent has closed its end; nothing is waited for beyond this.
  std::optional<TimePoint> closing_at_;
};

}  // namespace

int MqttChildMain() {
  int type = 0;
  socklen_t size = sizeof(type);
  if (getsockopt(kMqttChildFd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
      type != SOCK_SEQPACKET) {
    return 2;
  }
  Confine();
  {
    // Never destroyed piece by piece: threads may still be dialling.
    auto* const child = new Child(kMqttChildFd);
    child->Run();
  }
  _exit(0);
}

}  // namespace p2pcp::signaling
