#include "transfer/recovery/bbr_loss_floor.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "net/base/packet_number.h"
#include "net/base/time.h"

namespace p2pcp {
namespace {

constexpr Duration kRtt = 50ms;

class BbrLossFloorTest : public ::testing::Test {
 protected:
  // A window of 200 packets of which so many get lost. Two samples of the round
  // trip: rtt, and so much more.
  void Window(int lost, Duration rtt = kRtt, Duration jitter = 0ms) {
    floor_.BeginWindow(now_, PacketNumber(number_), kRtt);
    const std::uint64_t first = number_;
    for (int i = 0; i < 200; ++i) floor_.OnSent(PacketNumber(number_++));
    now_ += kRtt;
    EXPECT_TRUE(floor_.WindowComplete(now_));
    floor_.EndWindow(PacketNumber(number_));
    for (int i = 0; i < lost; ++i) {
      floor_.OnLost(PacketNumber(first + static_cast<std::uint64_t>(i)));
    }
    floor_.OnAck(now_, PacketNumber(number_ - 1), PacketNumber(number_ - 1),
                 rtt + jitter, kRtt);
    EXPECT_TRUE(floor_.awaits_verdict());
    floor_.OnAck(now_, PacketNumber(number_ - 1), PacketNumber(number_), rtt,
                 kRtt);
    EXPECT_FALSE(floor_.awaits_verdict());
  }

  TimePoint now_{1s};
  std::uint64_t number_ = 0;
  BbrLossFloor floor_;
};

TEST_F(BbrLossFloorTest, IsTheLossOfQuietWindows) {
  Window(20);
  EXPECT_DOUBLE_EQ(floor_.floor(), 0.1);
  Window(16);
  EXPECT_DOUBLE_EQ(floor_.floor(), 0.09);
}

TEST_F(BbrLossFloorTest, AWindowWithAQueueProvesNothing) {
  // 50 ms / 8 more are allowed.
  Window(20, kRtt + kRtt / 8);
  EXPECT_DOUBLE_EQ(floor_.floor(), 0.1);
  floor_ = BbrLossFloor();
  Window(20, kRtt + kRtt / 8 + 1us);
  EXPECT_EQ(floor_.floor(), 0);
}

TEST_F(BbrLossFloorTest, JitterIsNoQueue) {
  Window(20, kRtt + kRtt / 8, 20ms);
  EXPECT_DOUBLE_EQ(floor_.floor(), 0.1);
}

TEST_F(BbrLossFloorTest, OneWindowWithoutLossDisprovesTheOthers) {
  for (int i = 0; i < 3; ++i) Window(20);
  Window(0);
  EXPECT_EQ(floor_.floor(), 0);
}

TEST_F(BbrLossFloorTest, IsBounded) {
  Window(150);
  EXPECT_DOUBLE_EQ(floor_.floor(), BbrLossFloor::kMaxFloor);
}

TEST_F(BbrLossFloorTest, IsForgottenWithoutProof) {
  Window(20);
  now_ += BbrLossFloor::kLifetime;
  floor_.OnAck(now_, PacketNumber(number_), PacketNumber(number_), kRtt, kRtt);
  EXPECT_DOUBLE_EQ(floor_.floor(), 0.1);
  now_ += 1ms;
  floor_.OnAck(now_, PacketNumber(number_), PacketNumber(number_), kRtt, kRtt);
  EXPECT_EQ(floor_.floor(), 0);
}

TEST_F(BbrLossFloorTest, AnAbandonedWindowCountsForNothing) {
  floor_.BeginWindow(now_, PacketNumber(0), kRtt);
  floor_.OnSent(PacketNumber(0));
  floor_.EndWindow(PacketNumber(1));
  floor_.OnLost(PacketNumber(0));
  floor_.Abandon();
  floor_.OnAck(now_, PacketNumber(0), PacketNumber(9), kRtt, kRtt);
  EXPECT_EQ(floor_.floor(), 0);
}

TEST_F(BbrLossFloorTest, AWindowLastsARoundTripAndEnoughPacketsOrTime) {
  floor_.BeginWindow(now_, PacketNumber(0), kRtt);
  for (std::uint64_t i = 0; i < 199; ++i) floor_.OnSent(PacketNumber(i));
  EXPECT_FALSE(floor_.WindowComplete(now_ + kRtt));
  EXPECT_TRUE(floor_.WindowComplete(now_ + BbrLossFloor::kMaxWindowTime));
  floor_.OnSent(PacketNumber(199));
  EXPECT_TRUE(floor_.WindowComplete(now_ + kRtt));
  EXPECT_FALSE(floor_.WindowComplete(now_ + kRtt - 1ms));
}

TEST_F(BbrLossFloorTest, TheThresholdIsTwoPercentAboveAndAllowsForChance) {
  EXPECT_DOUBLE_EQ(floor_.Threshold(100), 0.02);
  Window(20);
  // 2 * sqrt(0.1 * 0.9 * (1/100 + 1/200)) = 0.0735.
  EXPECT_NEAR(floor_.Threshold(100), 0.1935, 0.0001);
}

}  // namespace
}  // namespace p2pcp
