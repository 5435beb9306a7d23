#include "cmd/network/flood_guard.h"

#include <gtest/gtest.h>

namespace p2pcp::cmd {
namespace {

class FloodGuardTest : public ::testing::Test {
 protected:
  // Garbage at `rate` a second for so long; whether it is a flood at the end.
  bool Pass(Duration duration, std::uint64_t rate) {
    for (Duration passed{}; passed < duration; passed += kStep) {
      now_ += kStep;
      garbage_ += rate * kStep.count() / Duration(1s).count();
      guard_.Update(now_, garbage_);
    }
    return guard_.flooded();
  }

  static constexpr Duration kStep = 50ms;
  TimePoint now_{100s};
  std::uint64_t garbage_ = 0;
  FloodGuard guard_;
};

TEST_F(FloodGuardTest, AFloodIsSeenWithinTwoPeriods) {
  EXPECT_FALSE(Pass(2s, FloodGuard::kFlood / 2));
  EXPECT_TRUE(Pass(2 * FloodGuard::kPeriod, FloodGuard::kFlood * 2));
}

TEST_F(FloodGuardTest, WhatHadComeBeforeTheFirstLookIsNoFlood) {
  garbage_ = 1'000'000;
  EXPECT_FALSE(Pass(2s, 0));
}

TEST_F(FloodGuardTest, AFloodIsOverAfterACalm) {
  EXPECT_TRUE(Pass(1s, FloodGuard::kFlood * 2));
  EXPECT_TRUE(Pass(FloodGuard::kOver - 500ms, 0));
  EXPECT_FALSE(Pass(1s, 0));
}

TEST_F(FloodGuardTest, OneThatPausesIsNotOver) {
  EXPECT_TRUE(Pass(1s, FloodGuard::kFlood * 2));
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(Pass(FloodGuard::kOver - 1s, 0));
    EXPECT_TRUE(Pass(500ms, FloodGuard::kFlood / 2)) << "less, but no calm";
  }
}

}  // namespace
}  // namespace p2pcp::cmd
