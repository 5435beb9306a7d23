#include "transfer/recovery/cubic.h"

#include <gtest/gtest.h>

#include <cmath>

#include "net/base/packet_number.h"

namespace p2pcp {
namespace {

constexpr std::size_t kPacket = 1'000;
constexpr Duration kRtt = 100ms;

class CubicTest : public ::testing::Test {
 protected:
  // One round trip in which a whole window is acknowledged.
  void Round(bool limited = true) {
    const std::uint64_t window = cubic_.window();
    const TimePoint sent = now_;
    now_ += kRtt;
    for (int i = 0; i < 4; ++i) {
      number_ += window / kPacket / 4 + 1;
      cubic_.OnAck({.now = now_,
                    .acked_bytes = window / 4,
                    .largest_acked = PacketNumber(number_),
                    .largest_acked_sent_time = sent,
                    .next_number = PacketNumber(number_ + window / kPacket),
                    .smoothed_rtt = kRtt,
                    .rtt_sample = kRtt,
                    .bytes_in_flight = window,
                    .delivered_bytes = 0,
                    .resolved_below = PacketNumber(number_ + 1),
                    .window_limited = limited});
    }
  }
  void Lose(std::uint64_t packets = 1, bool persistent = false) {
    now_ += 1ms;
    cubic_.OnLoss({.now = now_,
                   .lost_bytes = packets * kPacket,
                   .lost_packets = packets,
                   .largest_lost_sent_time = now_ - 1us,
                   .bytes_in_flight = cubic_.window(),
                   .persistent_congestion = persistent});
    lost_sent_ = now_ - 1us;
    now_ += 1ms;
  }
  void Spurious(std::uint64_t packets) {
    cubic_.OnSpurious({.now = now_,
                       .packets = packets,
                       .bytes = packets * kPacket,
                       .largest_sent_time = lost_sent_,
                       .smallest_sent_time = lost_sent_});
  }
  double Packets() const {
    return static_cast<double>(cubic_.window()) / kPacket;
  }

  TimePoint now_{1s};
  TimePoint lost_sent_;
  std::uint64_t number_ = 0;
  Cubic cubic_{kPacket};
};

TEST_F(CubicTest, BeginsWith32PacketsAndDoublesInSlowStart) {
  EXPECT_EQ(cubic_.window(), 32 * kPacket);
  EXPECT_TRUE(cubic_.in_slow_start());
  Round();
  EXPECT_EQ(cubic_.window(), 64 * kPacket);
  Round();
  EXPECT_EQ(cubic_.window(), 128 * kPacket);
  // 2 windows per round trip.
  EXPECT_EQ(cubic_.pacing_rate(kRtt), 2 * 128 * kPacket * 10);
}

// RFC 9438 section 4.6.
TEST_F(CubicTest, ALossTakesThreeTenthsOncePerRoundTrip) {
  Round();
  Lose();
  EXPECT_EQ(cubic_.window(), 44'800u);
  EXPECT_FALSE(cubic_.in_slow_start());
  // More losses of what was sent before belong to the same event.
  cubic_.OnLoss({.now = now_,
                 .lost_bytes = 5 * kPacket,
                 .lost_packets = 5,
                 .largest_lost_sent_time = lost_sent_,
                 .bytes_in_flight = 0,
                 .persistent_congestion = false});
  EXPECT_EQ(cubic_.window(), 44'800u);
  Lose();
  EXPECT_NEAR(Packets(), 31.36, 0.001);
}

// RFC 9438 section 4.2: the curve is back at W_max after K seconds.
TEST_F(CubicTest, FollowsTheCurveBackToItsPlateau) {
  for (int i = 0; i < 5; ++i) Round();
  const double w_max = Packets();
  Lose();
  const double k = std::cbrt(w_max * 0.3 / 0.4);
  const TimePoint start = now_;
  while (now_ < start + std::chrono::duration_cast<Duration>(
                            std::chrono::duration<double>(k))) {
    Round();
  }
  EXPECT_NEAR(Packets(), w_max, w_max * 0.02);
  // Flat there, then faster and faster.
  const double at_plateau = Packets();
  for (int i = 0; i < 10; ++i) Round();
  const double later = Packets();
  for (int i = 0; i < 10; ++i) Round();
  EXPECT_GT(Packets() - later, later - at_plateau);
}

// RFC 9438 section 4.3: on short or slow paths not slower than Reno.
TEST_F(CubicTest, NeverGrowsSlowerThanReno) {
  while (cubic_.window() > 10 * kPacket) Lose();
  const double begin = Packets();
  for (int i = 0; i < 20; ++i) Round();
  EXPECT_GE(Packets(), begin + 20 * 0.5);
}

TEST_F(CubicTest, NeverGoesBelowItsFloor) {
  for (int i = 0; i < 100; ++i) Lose();
  EXPECT_EQ(cubic_.window(), CongestionController::kMinWindowPackets * kPacket);
  Lose(10, true);
  EXPECT_EQ(cubic_.window(), CongestionController::kMinWindowPackets * kPacket);
}

TEST_F(CubicTest, NeverGoesAboveItsCeiling) {
  for (int i = 0; i < 30; ++i) Round();
  EXPECT_EQ(cubic_.window(), CongestionController::kMaxWindowPackets * kPacket);
}

// RFC 9438 section 5.8, RFC 9002 section 7.8.
TEST_F(CubicTest, AnUnusedWindowDoesNotGrow) {
  for (int i = 0; i < 10; ++i) Round(false);
  EXPECT_EQ(cubic_.window(), 32 * kPacket);
  Round();
  Lose();
  Round();
  const std::uint64_t window = cubic_.window();
  for (int i = 0; i < 1000; ++i) Round(false);
  EXPECT_EQ(cubic_.window(), window);
  // Nor does the time without use make it jump afterwards.
  Round();
  EXPECT_LT(cubic_.window(), window * 11 / 10);
}

// RFC 9438 section 4.9.2.
TEST_F(CubicTest, ALossThatWasNoneIsUndone) {
  Round();
  Lose(3);
  EXPECT_FALSE(cubic_.in_slow_start());
  Spurious(2);
  EXPECT_FALSE(cubic_.in_slow_start());  // One is still lost.
  Spurious(1);
  EXPECT_TRUE(cubic_.in_slow_start());
  EXPECT_EQ(cubic_.window(), 64 * kPacket);
  Round();
  EXPECT_EQ(cubic_.window(), 128 * kPacket);
}

TEST_F(CubicTest, OnlyTheLastEventIsUndone) {
  Round();
  Lose();
  const TimePoint first = lost_sent_;
  Lose();
  const std::uint64_t window = cubic_.window();
  cubic_.OnSpurious({.now = now_,
                     .packets = 1,
                     .bytes = kPacket,
                     .largest_sent_time = first,
                     .smallest_sent_time = first});
  EXPECT_EQ(cubic_.window(), window);
}

// RFC 9002 section 7.6.2.
TEST_F(CubicTest, PersistentCongestionBeginsAgainInSlowStart) {
  for (int i = 0; i < 3; ++i) Round();
  Lose(1, true);
  EXPECT_EQ(cubic_.window(), CongestionController::kMinWindowPackets * kPacket);
  EXPECT_TRUE(cubic_.in_slow_start());
  const std::uint64_t ssthresh = cubic_.ssthresh();
  for (int i = 0; i < 10; ++i) Round();
  EXPECT_GE(cubic_.window(), ssthresh);
  EXPECT_FALSE(cubic_.in_slow_start());
}

// The last probes of an outage are declared lost after the rest.
TEST_F(CubicTest, WhatWasSentBeforePersistentCongestionIsNoOtherEvent) {
  for (int i = 0; i < 3; ++i) Round();
  const TimePoint sent = now_;
  Lose(1, true);
  const std::uint64_t ssthresh = cubic_.ssthresh();
  Round();
  const std::uint64_t window = cubic_.window();
  cubic_.OnLoss({.now = now_,
                 .lost_bytes = kPacket,
                 .lost_packets = 1,
                 .largest_lost_sent_time = sent,
                 .bytes_in_flight = cubic_.window(),
                 .persistent_congestion = false});
  EXPECT_EQ(cubic_.window(), window);
  EXPECT_EQ(cubic_.ssthresh(), ssthresh);
}

TEST_F(CubicTest, AnotherPathBeginsAnew) {
  for (int i = 0; i < 3; ++i) Round();
  Lose();
  cubic_.OnPathChange(now_, 500);
  EXPECT_EQ(cubic_.window(), 32u * 500);
  EXPECT_TRUE(cubic_.in_slow_start());
}

}  // namespace
}  // namespace p2pcp
