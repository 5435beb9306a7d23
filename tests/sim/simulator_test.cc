#include "tests/sim/simulator.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace p2pcp::sim {
namespace {

class Recorder final : public PacketSink {
 public:
  explicit Recorder(Simulator& simulator) : simulator_(simulator) {}
  void Receive(PacketPtr packet) override {
    log.push_back({simulator_.elapsed(), packet->hop_limit});
  }
  std::vector<std::pair<Duration, int>> log;

 private:
  Simulator& simulator_;
};

TEST(Simulator, StartsAtOneSecond) {
  Simulator simulator(1);
  EXPECT_EQ(simulator.now(), TimePoint(1s));
}

TEST(Simulator, TakesEventsInOrderOfTimeAndThenOfArrival) {
  Simulator simulator(1);
  std::string order;
  simulator.ScheduleIn(20ms, [&] { order += 'c'; });
  simulator.ScheduleIn(10ms, [&] { order += 'a'; });
  simulator.ScheduleIn(10ms, [&] { order += 'b'; });
  simulator.Schedule(TimePoint(), [&] { order += '0'; });  // Past: at once.
  EXPECT_EQ(simulator.RunUntil([] { return false; }, TimePoint(9s)),
            Stop::kIdle);
  EXPECT_EQ(order, "0abc");
  EXPECT_EQ(simulator.elapsed(), Duration(20ms));
}

TEST(Simulator, DeliversPacketsAtTheirTimeAndReusesThem) {
  Simulator simulator(1);
  Recorder recorder(simulator);
  for (int i = 0; i < 1000; ++i) {
    PacketPtr packet = simulator.packets().Get();
    packet->hop_limit = i;
    simulator.Deliver(simulator.now() + 1ms, recorder, std::move(packet));
    simulator.RunFor(2ms);
  }
  ASSERT_EQ(recorder.log.size(), 1000u);
  EXPECT_EQ(recorder.log[2], std::make_pair(Duration(2 * 2ms + 1ms), 2));
  EXPECT_EQ(simulator.packets().size(), 1u);
}

TEST(Simulator, StopsAtTheDeadlineWithLaterEventsUntouched) {
  Simulator simulator(1);
  bool fired = false;
  simulator.ScheduleIn(2s, [&] { fired = true; });
  EXPECT_EQ(simulator.RunFor(1s), Stop::kDeadline);
  EXPECT_FALSE(fired);
  EXPECT_EQ(simulator.elapsed(), Duration(1s));
  EXPECT_EQ(simulator.RunFor(1s), Stop::kIdle);
  EXPECT_TRUE(fired);
}

TEST(Simulator, StopsWhenWhatIsWaitedForHasHappened) {
  Simulator simulator(1);
  int count = 0;
  for (int i = 1; i <= 5; ++i) {
    simulator.ScheduleIn(i * 1ms, [&] { ++count; });
  }
  EXPECT_EQ(simulator.RunUntil([&] { return count == 3; }, TimePoint(9s)),
            Stop::kDone);
  EXPECT_EQ(simulator.elapsed(), Duration(3ms));
}

TEST(Simulator, MovedTimerFiresOnceAtItsLastDeadline) {
  Simulator simulator(1);
  std::vector<Duration> fired;
  const Simulator::TimerId timer =
      simulator.AddTimer([&] { fired.push_back(simulator.elapsed()); });
  const TimePoint start = simulator.now();
  simulator.SetTimer(timer, start + 5ms);
  simulator.SetTimer(timer, start + 9ms);  // Later.
  simulator.SetTimer(timer, start + 3ms);  // Earlier than both.
  simulator.RunFor(4ms);
  EXPECT_EQ(fired, std::vector<Duration>{3ms});
  simulator.SetTimer(timer, start + 5ms);  // The instant of a stale event.
  simulator.SetTimer(timer, start + 7ms);
  simulator.RunFor(20ms);
  EXPECT_EQ(fired, (std::vector<Duration>{3ms, 7ms}));
}

TEST(Simulator, UnsetAndRemovedTimersStaySilent) {
  Simulator simulator(1);
  int unset_fired = 0;
  int removed_fired = 0;
  const Simulator::TimerId unset = simulator.AddTimer([&] { ++unset_fired; });
  const Simulator::TimerId removed =
      simulator.AddTimer([&] { ++removed_fired; });
  simulator.SetTimer(unset, simulator.now() + 1ms);
  simulator.SetTimer(unset, std::nullopt);
  simulator.SetTimer(removed, simulator.now() + 1ms);
  simulator.RemoveTimer(removed);
  // Takes the removed one's place, but not its deadline.
  int reused_fired = 0;
  simulator.AddTimer([&] { ++reused_fired; });
  EXPECT_EQ(simulator.RunFor(1s), Stop::kIdle);
  EXPECT_EQ(unset_fired, 0);
  EXPECT_EQ(removed_fired, 0);
  EXPECT_EQ(reused_fired, 0);
}

TEST(Simulator, TimerMayRearmAndRemoveItself) {
  Simulator simulator(1);
  int count = 0;
  Simulator::TimerId timer{};
  timer = simulator.AddTimer([&] {
    simulator.AddTimer([] {});  // Moves the table of timers.
    if (++count == 3) {
      simulator.RemoveTimer(timer);
    } else {
      simulator.SetTimer(timer, simulator.now() + 1ms);
    }
  });
  simulator.SetTimer(timer, simulator.now());
  EXPECT_EQ(simulator.RunFor(1s), Stop::kIdle);
  EXPECT_EQ(count, 3);
}

TEST(Simulator, NoticesARunThatNeverEnds) {
  Simulator simulator(1);
  Simulator::TimerId timer{};
  Duration step = 1ns;
  timer = simulator.AddTimer(
      [&] { simulator.SetTimer(timer, simulator.now() + step); });
  simulator.SetTimer(timer, simulator.now());
  simulator.set_step_cap(1000);
  EXPECT_EQ(simulator.RunFor(1s), Stop::kStepCap);
  step = 0ns;
  simulator.set_step_cap(10'000'000);
  EXPECT_EQ(simulator.RunFor(1s), Stop::kStuck);
}

}  // namespace
}  // namespace p2pcp::sim
