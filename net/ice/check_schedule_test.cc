#include "net/ice/check_schedule.h"

#include <gtest/gtest.h>

#include <vector>

namespace p2pcp::ice {
namespace {

constexpr TimePoint kStart{1s};

std::vector<Duration> Offsets(CheckSchedule& schedule) {
  std::vector<Duration> offsets;
  while (schedule.next()) {
    offsets.push_back(*schedule.next() - kStart);
    schedule.Advance(*schedule.next());
  }
  return offsets;
}

// 0, 20, 60, 150, 350, 800 ms, then every 2 s: 10 packets.
TEST(CheckSchedule, ChecksTenTimesInTenSeconds) {
  CheckSchedule schedule;
  EXPECT_FALSE(schedule.next().has_value());
  schedule.Start(kStart);
  EXPECT_TRUE(schedule.checking());
  EXPECT_EQ(Offsets(schedule),
            (std::vector<Duration>{0ms, 20ms, 60ms, 150ms, 350ms, 800ms, 2800ms,
                                   4800ms, 6800ms, 8800ms}));
  EXPECT_FALSE(schedule.checking());
  EXPECT_TRUE(schedule.started());
}

TEST(CheckSchedule, ConfirmsThreeTimesAfterProof) {
  CheckSchedule schedule;
  schedule.Start(kStart);
  schedule.Advance(kStart);
  schedule.Confirm(kStart);
  EXPECT_FALSE(schedule.checking());
  EXPECT_EQ(Offsets(schedule), (std::vector<Duration>{20ms, 80ms, 200ms}));
}

TEST(CheckSchedule, CountsFromTheFirstCheckSent) {
  CheckSchedule schedule;
  schedule.Start(kStart);
  schedule.Advance(kStart + 70ms);
  EXPECT_EQ(*schedule.next(), kStart + 90ms);
}

// Whoever slept through a round does not send it in one burst.
TEST(CheckSchedule, KeepsItsDistanceWhenLate) {
  CheckSchedule schedule;
  schedule.Start(kStart);
  schedule.Advance(kStart);
  TimePoint now = kStart + 3600s;
  while (schedule.next()) {
    schedule.Advance(now);
    if (schedule.next()) {
      EXPECT_EQ(*schedule.next(), now + kMinCheckInterval);
      now = *schedule.next();
    }
  }
}

}  // namespace
}  // namespace p2pcp::ice
