#include "transfer/recovery/rtt_estimator.h"

#include <gtest/gtest.h>

namespace p2pcp {
namespace {

// RFC 9002 section 5.3.
TEST(RttEstimator, FirstSampleSetsEverything) {
  RttEstimator rtt(333ms);
  EXPECT_FALSE(rtt.has_sample());
  EXPECT_EQ(rtt.smoothed_rtt(), Duration(333ms));
  // 333 + 4 * 166.5 + 10 ms.
  EXPECT_EQ(rtt.ProbeTimeout(), Duration(1009ms));
  rtt.OnSample(40ms, 9ms);
  EXPECT_TRUE(rtt.has_sample());
  EXPECT_EQ(rtt.smoothed_rtt(), Duration(40ms));
  EXPECT_EQ(rtt.rttvar(), Duration(20ms));
  EXPECT_EQ(rtt.min_rtt(), Duration(40ms));
  EXPECT_EQ(rtt.ProbeTimeout(), Duration(130ms));
}

TEST(RttEstimator, LaterSamplesAreSmoothed) {
  RttEstimator rtt(333ms);
  rtt.OnSample(40ms, 0ms);
  rtt.OnSample(56ms, 8ms);
  // Adjusted: 48 ms. rttvar = 3/4 * 20 + 1/4 * 8; smoothed = 7/8 * 40 + 48 / 8.
  EXPECT_EQ(rtt.latest_rtt(), Duration(56ms));
  EXPECT_EQ(rtt.adjusted_rtt(), Duration(48ms));
  EXPECT_EQ(rtt.rttvar(), Duration(17ms));
  EXPECT_EQ(rtt.smoothed_rtt(), Duration(41ms));
}

TEST(RttEstimator, AckDelayNeverGoesBelowMinRttNorBeyondItsMaximum) {
  RttEstimator rtt(333ms);
  rtt.OnSample(40ms, 0ms);
  rtt.OnSample(44ms, 8ms);  // Would be 36 ms, less than was ever seen.
  EXPECT_EQ(rtt.adjusted_rtt(), Duration(44ms));
  EXPECT_EQ(rtt.undelayed_rtt(), Duration(40ms));
  rtt.OnSample(100ms, 90ms);
  EXPECT_EQ(rtt.adjusted_rtt(), Duration(90ms));
  EXPECT_EQ(rtt.undelayed_rtt(), Duration(90ms));
}

TEST(RttEstimator, ResetForgetsThePath) {
  RttEstimator rtt(333ms);
  rtt.OnSample(1ms, 0ms);
  rtt.Reset(100ms);
  EXPECT_FALSE(rtt.has_sample());
  rtt.OnSample(300ms, 0ms);
  EXPECT_EQ(rtt.min_rtt(), Duration(300ms));
}

// The timer's granularity keeps a still path from timing out at once.
TEST(RttEstimator, ProbeTimeoutHasAFloor) {
  RttEstimator rtt(333ms);
  for (int i = 0; i < 200; ++i) rtt.OnSample(50us, 0us);
  EXPECT_GE(rtt.ProbeTimeout(), Duration(50us + 1ms + 10ms));
  EXPECT_LT(rtt.ProbeTimeout(), Duration(12ms));
}

}  // namespace
}  // namespace p2pcp
