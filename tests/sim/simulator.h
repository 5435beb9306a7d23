// Virtual time: a queue of packets and timers, taken in order of their time,
// and the one source of randomness of a run. The same seed and the same calls
// give the same run, on every machine.

#ifndef P2PCP_TESTS_SIM_SIMULATOR_H_
#define P2PCP_TESTS_SIM_SIMULATOR_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "net/base/random.h"
#include "net/base/time.h"
#include "tests/sim/packet.h"

namespace p2pcp::sim {

// Why a run came to its end.
enum class Stop {
  kDone,      // What was waited for has happened.
  kIdle,      // Nothing is left that could happen.
  kDeadline,  // The virtual time that was allowed is over.
  kStepCap,   // So many events that something runs wild.
  kStuck,     // Virtual time stands still: something wakes itself for ever.
};
std::string_view ToString(Stop stop);

class Simulator {
 public:
  // Every run starts at 1 s, so a default-constructed TimePoint never occurs.
  static constexpr TimePoint kStart{Duration(std::chrono::seconds(1))};
  // Events at one and the same instant before a run counts as stuck.
  static constexpr std::uint64_t kMaxStepsPerInstant = 200'000;

  enum class TimerId : std::uint64_t {};

  explicit Simulator(std::uint64_t seed);
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  TimePoint now() const { return now_; }
  Duration elapsed() const { return now_ - kStart; }
  Random& random() { return random_; }
  PacketPool& packets() { return packets_; }

  // Hands packet to sink at the given time (at once if that is past).
  void Deliver(TimePoint at, PacketSink& sink, PacketPtr packet);
  // Calls action once at the given time.
  void Schedule(TimePoint at, std::function<void()> action);
  void ScheduleIn(Duration delay, std::function<void()> action) {
    Schedule(now_ + delay, std::move(action));
  }

  // A timer that is set and set again, such as a peer's next deadline; cheap to
  // move. It is not set at first, and not set after it fired.
  TimerId AddTimer(std::function<void()> action);
  void SetTimer(TimerId timer, std::optional<TimePoint> deadline);
  void RemoveTimer(TimerId timer);

  // Takes one event; false if there is none.
  bool Step();
  // Runs until done() holds, which is asked after every event, or a limit is
  // reached. At a deadline now() is that deadline.
  Stop RunUntil(const std::function<bool()>& done, TimePoint deadline);
  // Lets the time pass up to the given point, whatever happens or not.
  Stop RunUntil(TimePoint deadline);
  Stop RunFor(Duration time) { return RunUntil(now_ + time); }

  std::uint64_t steps() const { return steps_; }
  // All events of this simulator together may be no more than this.
  void set_step_cap(std::uint64_t cap) { step_cap_ = cap; }

 private:
  struct Event {
    TimePoint at;
    std::uint64_t order;  // First come, first served within an instant.
    PacketSink* sink;     // Null for a timer.
    Packet* packet;
    TimerId timer;

    friend bool operator<(const Event& a, const Event& b) {
      return a.at != b.at ? a.at > b.at : a.order > b.order;  // Min-heap.
    }
  };
  struct Timer {
    std::function<void()> action;
    std::uint32_t generation = 0;
    bool once = false;
    std::optional<TimePoint> deadline;
    // The earliest event in the queue for this timer; later ones are stale.
    std::optional<TimePoint> pending;
  };

  void Push(TimePoint at, PacketSink* sink, Packet* packet, TimerId timer);
  Timer* Find(TimerId timer);
  void Fire(TimerId id);
  void Arm(TimerId id, Timer& timer);

  TimePoint now_ = kStart;
  std::uint64_t order_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t steps_at_now_ = 0;
  std::uint64_t step_cap_ = 1'000'000'000;
  SeededRandom random_;
  PacketPool packets_;
  std::vector<Event> queue_;  // A heap.
  std::vector<Timer> timers_;
  std::vector<std::uint32_t> free_timers_;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_SIMULATOR_H_
