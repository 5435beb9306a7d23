#include "transfer/recovery/scavenger.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace p2pcp {
namespace {

constexpr std::size_t kPacket = 1'000;

// A path on which rounds come one after the other: each acknowledges a window's
// worth of bytes, as eight packets, and has round trips as told.
class ScavengerTest : public ::testing::Test {
 protected:
  struct RoundOptions {
    Duration rtt = 50ms;
    Duration spread = 0ms;  // Of the round trips, upward.
    std::uint64_t lost = 0;
    bool app_limited = false;
  };

  void Round(const RoundOptions& options) {
    const std::uint64_t bytes = scavenger_.window();
    // All of the next round but a packet has been sent when this one ends.
    const std::uint64_t next_round = next_ + 2 * kAcks;
    if (options.app_limited) scavenger_.OnAppLimited(bytes);
    if (options.lost > 0) {
      scavenger_.OnLoss({.now = now_,
                         .lost_bytes = options.lost * kPacket,
                         .lost_packets = options.lost,
                         .largest_lost_sent_time = sent_,
                         .bytes_in_flight = 0,
                         .persistent_congestion = false});
    }
    for (int i = 0; i < kAcks; ++i) {
      now_ += options.rtt / kAcks;
      const std::uint64_t acked = next_++;
      scavenger_.OnAck(
          {.now = now_,
           .acked_bytes = bytes / kAcks,
           .largest_acked = PacketNumber(acked),
           .largest_acked_sent_time = sent_,
           .next_number = PacketNumber(next_round - 1),
           .smoothed_rtt = options.rtt,
           .rtt_sample = options.rtt,
           .undelayed_rtt_sample =
               options.rtt + (i % 2 == 1 ? options.spread : Duration(0)),
           .bytes_in_flight = bytes,
           .delivered_bytes = 0,
           .resolved_below = PacketNumber(acked),
           .window_limited = !options.app_limited});
    }
    sent_ = now_;
  }
  void Rounds(int count, const RoundOptions& options) {
    for (int i = 0; i < count; ++i) Round(options);
  }
  // Ends startup by a queue, which then is gone.
  void LeaveStartup() {
    Rounds(4, {});
    Rounds(2, {.rtt = 60ms});
    ASSERT_EQ(scavenger_.state(), Scavenger::State::kSteady);
    Rounds(2, {});
  }

  static constexpr int kAcks = 8;
  Scavenger scavenger_{kPacket};
  std::uint64_t next_ = 100;
  TimePoint now_{100s};
  TimePoint sent_{100s};
};

TEST_F(ScavengerTest, BeginsSmallAndDoublesWhileTheQueueIsEmpty) {
  EXPECT_EQ(scavenger_.window(), 10 * kPacket);
  Rounds(5, {});
  EXPECT_GE(scavenger_.window(), 200 * kPacket);
  EXPECT_EQ(scavenger_.state(), Scavenger::State::kStartup);
  const std::uint64_t before = scavenger_.window();
  Round({.rtt = 60ms});
  EXPECT_EQ(scavenger_.state(), Scavenger::State::kSteady);
  EXPECT_LE(scavenger_.window(), before);
}

TEST_F(ScavengerTest, TargetIsASixteenthOfTheRoundTripWithinBounds) {
  Round({.rtt = 800ms});
  EXPECT_EQ(scavenger_.target(), Duration(25ms));
  Round({.rtt = 160ms});
  EXPECT_EQ(scavenger_.target(), Duration(10ms));
  Round({.rtt = 20ms});
  EXPECT_EQ(scavenger_.target(), Duration(4ms));
}

TEST_F(ScavengerTest, YieldsToAQueueThatDoesNotGo) {
  LeaveStartup();
  // Others fill the queue: in two seconds there is next to nothing left.
  Rounds(30, {.rtt = 75ms});
  EXPECT_EQ(scavenger_.window(), 4 * kPacket);
  // Two packets in each round trip.
  EXPECT_LE(scavenger_.pacing_rate(75ms), 2'100u * 1'000 / 75);
}

TEST_F(ScavengerTest, ItsOwnQueueCostsItOneSmallCut) {
  LeaveStartup();
  const std::uint64_t before = scavenger_.window();
  Round({.rtt = 55ms});
  EXPECT_LT(scavenger_.window(), before);
  EXPECT_GE(scavenger_.window(), before * 9 / 10);
}

TEST_F(ScavengerTest, GrowsEverFasterOnceTheOthersAreGone) {
  LeaveStartup();
  Rounds(30, {.rtt = 75ms});
  Rounds(10, {});
  const std::uint64_t after_half_a_second = scavenger_.window();
  EXPECT_LE(after_half_a_second, 50 * kPacket);
  Rounds(30, {});
  EXPECT_GE(scavenger_.window(), 400 * kPacket);
}

TEST_F(ScavengerTest, DoesNotGrowForWantOfData) {
  LeaveStartup();
  Round({.app_limited = true});
  const std::uint64_t before = scavenger_.window();
  // Nor is there a queue of its own to look under.
  for (int i = 0; i < 200; ++i) {
    Round({.app_limited = true});
    ASSERT_EQ(scavenger_.window(), before) << i;
  }
}

TEST_F(ScavengerTest, RandomLossAloneDoesNotStopIt) {
  LeaveStartup();
  Rounds(30, {});
  const std::uint64_t before = scavenger_.window();
  ASSERT_GE(before, 200 * kPacket);
  Rounds(5, {.lost = 2});
  EXPECT_GT(scavenger_.window(), before);
}

TEST_F(ScavengerTest, LossCountsWhereThereIsAQueueOrMuchOfIt) {
  LeaveStartup();
  std::uint64_t before = scavenger_.window();
  Round({.rtt = 53ms, .lost = 1});
  EXPECT_LT(scavenger_.window(), before);
  Rounds(60, {});
  before = scavenger_.window();
  Round({.lost = before / kPacket / 5});
  EXPECT_LE(scavenger_.window(), before * 7 / 10);
}

TEST_F(ScavengerTest, LossThatWasNoneIsUndone) {
  LeaveStartup();
  Rounds(60, {});
  const std::uint64_t before = scavenger_.window();
  const std::uint64_t lost = before / kPacket / 5;
  Round({.lost = lost});
  ASSERT_LT(scavenger_.window(), before);
  scavenger_.OnSpurious({.now = now_,
                         .packets = lost,
                         .bytes = lost * kPacket,
                         .largest_sent_time = now_ - 60ms,
                         .smallest_sent_time = now_ - 100ms});
  EXPECT_GE(scavenger_.window(), before);
}

TEST_F(ScavengerTest, WhatWasGivenToOthersSinceIsNotUndone) {
  LeaveStartup();
  Rounds(60, {});
  const std::uint64_t lost = scavenger_.window() / kPacket / 5;
  Round({.lost = lost});
  const TimePoint cut = now_;
  Rounds(100, {.rtt = 75ms});
  scavenger_.OnSpurious({.now = now_,
                         .packets = lost,
                         .bytes = lost * kPacket,
                         .largest_sent_time = cut - 60ms,
                         .smallest_sent_time = cut - 100ms});
  EXPECT_EQ(scavenger_.window(), 4 * kPacket);
}

TEST_F(ScavengerTest, StepsBackEveryFiveSecondsToSeeTheRoundTrip) {
  LeaveStartup();
  Rounds(30, {});
  int slowdowns = 0;
  int slow_rounds = 0;
  bool slow = false;
  for (int i = 0; i < 1'200; ++i) {  // 64 s.
    // Its own queue, just below the target.
    Round({.rtt = slow ? 50ms : 53ms});
    const bool now = scavenger_.state() == Scavenger::State::kSlowdown;
    if (now && !slow) ++slowdowns;
    if (now) {
      ++slow_rounds;
      EXPECT_EQ(scavenger_.window(), 4 * kPacket);
    } else if (slow) {
      EXPECT_GE(scavenger_.window(), 50 * kPacket);
    }
    slow = now;
  }
  EXPECT_GE(slowdowns, 64 / 7);
  EXPECT_LE(slowdowns, 64 / 3);
  EXPECT_EQ(slow_rounds, 2 * slowdowns);
}

// Base-delay drift: a longer path must not look like a queue for ever.
TEST_F(ScavengerTest, LearnsThatThePathHasBecomeLonger) {
  LeaveStartup();
  Rounds(30, {.rtt = 80ms});
  EXPECT_EQ(scavenger_.window(), 4 * kPacket);
  Rounds(1'600, {.rtt = 80ms});  // 128 s.
  EXPECT_EQ(scavenger_.base_rtt(), Duration(80ms));
  EXPECT_GE(scavenger_.window(), 100 * kPacket);
}

TEST_F(ScavengerTest, JitterRaisesTheTargetOtherTrafficDoesNot) {
  LeaveStartup();
  for (int i = 0; i < 20; ++i) {
    Rounds(6, {});
    Rounds(2, {.spread = 20ms});
  }
  EXPECT_EQ(scavenger_.target(), Duration(4ms));
  Rounds(16, {.spread = 8ms});
  EXPECT_EQ(scavenger_.target(), Duration(12ms));
  Rounds(16, {.spread = 40ms});
  EXPECT_EQ(scavenger_.target(), Duration(25ms));
}

TEST_F(ScavengerTest, PersistentCongestionAndAnotherPathBeginAnew) {
  LeaveStartup();
  Rounds(60, {});
  scavenger_.OnLoss({.now = now_,
                     .lost_bytes = 10 * kPacket,
                     .lost_packets = 10,
                     .largest_lost_sent_time = now_,
                     .bytes_in_flight = 0,
                     .persistent_congestion = true});
  EXPECT_EQ(scavenger_.window(), 4 * kPacket);
  scavenger_.OnPathChange(now_, 2 * kPacket);
  EXPECT_EQ(scavenger_.window(), 20 * kPacket);
  EXPECT_EQ(scavenger_.state(), Scavenger::State::kStartup);
  EXPECT_EQ(scavenger_.base_rtt(), Duration(0));
}

}  // namespace
}  // namespace p2pcp
