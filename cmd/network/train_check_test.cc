#include "cmd/network/train_check.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "net/base/time.h"

namespace p2pcp::cmd {
namespace {

constexpr Duration kRtt = 40ms;

class TrainCheckTest : public testing::Test {
 protected:
  // Sends for so long; the shares are what gets lost in trains and one by one.
  // Losses are known two round trips later.
  void Run(Duration duration, double in_trains, double one_by_one,
           int packets_per_10_ms = 100) {
    for (const TimePoint end = now_ + duration; now_ < end; now_ += 10ms) {
      sent_ += packets_per_10_ms;
      losses_[step_ % 8] =
          packets_per_10_ms * (check_.one_by_one() ? one_by_one : in_trains);
      ++step_;
      lost_ += losses_[step_ % 8];
      check_.Update(now_, sent_, static_cast<std::uint64_t>(lost_), kRtt);
      singles_ += check_.one_by_one();
    }
  }

  TrainCheck check_;
  TimePoint now_{1s};
  std::uint64_t sent_ = 0;
  double lost_ = 0;
  double losses_[8] = {};
  std::uint64_t step_ = 0;
  int singles_ = 0;  // Steps of 10 ms in which trains were not used.
};

// Kernels that damage the last segment of a train, and say nothing.
TEST_F(TrainCheckTest, TrainsThatLoseWhereSinglePacketsPassAreGivenUp) {
  Run(3s, 0.4, 0.001);
  EXPECT_TRUE(check_.condemned());
  EXPECT_TRUE(check_.one_by_one());
  // For good.
  Run(100s, 0, 0.4);
  EXPECT_TRUE(check_.one_by_one());
}

// The congestion window is down to a few packets then.
TEST_F(TrainCheckTest, TheyAreGivenUpAtASlowRateToo) {
  Run(20s, 0.5, 0, /*packets_per_10_ms=*/2);
  EXPECT_TRUE(check_.condemned());
}

TEST_F(TrainCheckTest, ALossyLineIsNoReasonToGiveThemUp) {
  Run(600s, 0.4, 0.4);
  EXPECT_FALSE(check_.condemned());
  // It is looked at now and then: a few hundred milliseconds a minute.
  EXPECT_LT(singles_, 11 * 50);
}

TEST_F(TrainCheckTest, OrdinaryLossIsNoReasonToLook) {
  Run(600s, 0.29, 0);
  EXPECT_EQ(singles_, 0);
}

// Slow start overshoots once; afterwards nothing gets lost either way.
TEST_F(TrainCheckTest, AnOvershootIsNoReasonToGiveThemUp) {
  for (int i = 0; i < 10; ++i) {
    Run(250ms, 0.5, 0.5);
    Run(5s, 0, 0);
    EXPECT_FALSE(check_.condemned());
    EXPECT_FALSE(check_.one_by_one());
  }
}

TEST_F(TrainCheckTest, LossesThatAreTakenBackDoNoHarm) {
  Run(1s, 0.2, 0.2);
  lost_ = 0;
  Run(10s, 0, 0);
  EXPECT_FALSE(check_.one_by_one());
}

TEST_F(TrainCheckTest, AnotherPathBeginsWithTrains) {
  Run(3s, 0.4, 0);
  ASSERT_TRUE(check_.condemned());
  check_.Reset();
  EXPECT_FALSE(check_.one_by_one());
  Run(3s, 0, 0);
  EXPECT_FALSE(check_.one_by_one());
}

}  // namespace
}  // namespace p2pcp::cmd
