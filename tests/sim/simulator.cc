#include "tests/sim/simulator.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::sim {
namespace {

// A TimerId is the index of the timer's slot under the slot's generation.
Simulator::TimerId MakeId(std::size_t index, std::uint32_t generation) {
  return static_cast<Simulator::TimerId>(
      (static_cast<std::uint64_t>(generation) << 32) | index);
}
std::uint32_t IndexOf(Simulator::TimerId id) {
  return static_cast<std::uint32_t>(id);
}
std::uint32_t GenerationOf(Simulator::TimerId id) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(id) >> 32);
}

}  // namespace

std::string_view ToString(Stop stop) {
  switch (stop) {
    case Stop::kDone:
      return "done";
    case Stop::kIdle:
      return "idle: nothing left to happen";
    case Stop::kDeadline:
      return "out of virtual time";
    case Stop::kStepCap:
      return "too many events";
    case Stop::kStuck:
      return "stuck: virtual time stands still";
  }
  return "";
}

Simulator::Simulator(std::uint64_t seed) : random_(seed) {}

void Simulator::Deliver(TimePoint at, PacketSink& sink, PacketPtr packet) {
  P2PCP_CHECK(packet != nullptr);
  Push(at, &sink, packet.release(), TimerId{});
}

void Simulator::Schedule(TimePoint at, std::function<void()> action) {
  const TimerId id = AddTimer(std::move(action));
  timers_[IndexOf(id)].once = true;
  SetTimer(id, at);
}

Simulator::TimerId Simulator::AddTimer(std::function<void()> action) {
  std::uint32_t index;
  if (free_timers_.empty()) {
    index = static_cast<std::uint32_t>(timers_.size());
    timers_.emplace_back();
  } else {
    index = free_timers_.back();
    free_timers_.pop_back();
  }
  Timer& timer = timers_[index];
  timer.action = std::move(action);
  timer.once = false;
  return MakeId(index, timer.generation);
}

void Simulator::SetTimer(TimerId id, std::optional<TimePoint> deadline) {
  Timer* timer = Find(id);
  P2PCP_CHECK(timer != nullptr);
  timer->deadline = deadline;
  Arm(id, *timer);
}

void Simulator::RemoveTimer(TimerId id) {
  Timer* timer = Find(id);
  P2PCP_CHECK(timer != nullptr);
  timer->action = nullptr;
  timer->deadline.reset();
  timer->pending.reset();
  ++timer->generation;
  free_timers_.push_back(IndexOf(id));
}

bool Simulator::Step() {
  if (queue_.empty()) return false;
  std::pop_heap(queue_.begin(), queue_.end());
  const Event event = queue_.back();
  queue_.pop_back();
  if (event.at > now_) {
    now_ = event.at;
    steps_at_now_ = 0;
  }
  ++steps_;
  ++steps_at_now_;
  if (event.sink != nullptr) {
    event.sink->Receive(packets_.Adopt(event.packet));
  } else {
    Fire(event.timer);
  }
  return true;
}

Stop Simulator::RunUntil(const std::function<bool()>& done,
                         TimePoint deadline) {
  for (;;) {
    if (done()) return Stop::kDone;
    if (queue_.empty()) return Stop::kIdle;
    if (queue_.front().at > deadline) {
      now_ = std::max(now_, deadline);
      return Stop::kDeadline;
    }
    if (steps_ >= step_cap_) return Stop::kStepCap;
    if (steps_at_now_ >= kMaxStepsPerInstant) return Stop::kStuck;
    Step();
  }
}

Stop Simulator::RunUntil(TimePoint deadline) {
  const Stop stop = RunUntil([] { return false; }, deadline);
  if (stop == Stop::kIdle) now_ = std::max(now_, deadline);
  return stop;
}

void Simulator::Push(TimePoint at, PacketSink* sink, Packet* packet,
                     TimerId timer) {
  queue_.push_back({std::max(at, now_), order_++, sink, packet, timer});
  std::push_heap(queue_.begin(), queue_.end());
}

Simulator::Timer* Simulator::Find(TimerId id) {
  const std::uint32_t index = IndexOf(id);
  if (index >= timers_.size()) return nullptr;
  Timer& timer = timers_[index];
  return timer.generation == GenerationOf(id) ? &timer : nullptr;
}

void Simulator::Fire(TimerId id) {
  Timer* timer = Find(id);
  // Removed, or moved so that another event stands for it.
  if (timer == nullptr || timer->pending != now_) return;
  timer->pending.reset();
  if (!timer->deadline) return;
  if (*timer->deadline > now_) {
    Arm(id, *timer);
    return;
  }
  timer->deadline.reset();
  if (timer->once) {
    const std::function<void()> action = std::move(timer->action);
    RemoveTimer(id);
    action();
    return;
  }
  // The action may add timers, which moves this one, or remove it: so it runs
  // from here, and goes back only if the timer still stands.
  std::function<void()> action = std::move(timer->action);
  action();
  timer = Find(id);
  if (timer != nullptr) timer->action = std::move(action);
}

void Simulator::Arm(TimerId id, Timer& timer) {
  if (!timer.deadline) return;
  const TimePoint at = std::max(*timer.deadline, now_);
  if (timer.pending && *timer.pending <= at) return;
  timer.pending = at;
  Push(at, nullptr, nullptr, id);
}

}  // namespace p2pcp::sim
