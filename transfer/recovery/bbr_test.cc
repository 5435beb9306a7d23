#include "transfer/recovery/bbr.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/time.h"

namespace p2pcp {
namespace {

constexpr std::uint64_t kPacket = 1000;

// A greedy sender over one bottleneck: each packet's fate comes back one round
// trip after it left the queue.
class Path {
 public:
  struct Options {
    double rate = 1e6;  // Bytes per second.
    Duration rtt = 50ms;
    std::uint64_t queue = 50;  // Packets.
    double loss = 0;
    std::uint64_t first_count = 0;
  };

  explicit Path(const Options& options)
      : options_(options), bbr_(kPacket, options.first_count) {}

  void RunFor(Duration time) {
    const TimePoint end = now_ + time;
    while (now_ < end) {
      TimePoint next = end;
      const bool open = in_flight_ + kPacket <= bbr_.window();
      if (open) next = std::min(next, std::max(now_, next_send_));
      if (!flying_.empty()) next = std::min(next, flying_.front().back);
      now_ = std::max(now_, next);
      if (now_ >= end) return;
      if (!flying_.empty() && flying_.front().back <= now_) {
        Return();
      } else if (open && next_send_ <= now_) {
        Send();
      }
    }
  }

  // Loses the packets that are sent while it holds.
  std::function<bool(std::uint64_t number)> drop;
  Options& options() { return options_; }
  Bbr& bbr() { return bbr_; }
  Duration queueing() const { return std::max(Duration(0), free_ - now_); }
  std::uint64_t delivered() const { return delivered_; }
  TimePoint now() const { return now_; }
  std::uint64_t number() const { return number_; }
  // Every window after an ACK.
  const std::vector<std::uint64_t>& windows() const { return windows_; }

 private:
  struct Flying {
    std::uint64_t number;
    TimePoint sent;
    TimePoint back;
    bool lost;
  };

  void Send() {
    const std::uint64_t number = number_++;
    in_flight_ += kPacket;
    bbr_.OnPacketSent({.now = now_,
                       .number = PacketNumber(number),
                       .size = kPacket,
                       .bytes_in_flight = in_flight_});
    const auto takes = Seconds(kPacket / options_.rate);
    bool lost = (drop && drop(number)) || random_.NextDouble() < options_.loss;
    if (!lost) {
      if (queueing() > takes * static_cast<std::int64_t>(options_.queue)) {
        lost = true;
      } else {
        free_ = std::max(free_, now_) + takes;
      }
    }
    flying_.push_back(
        {number, now_, std::max(free_, now_) + options_.rtt, lost});
    next_send_ =
        std::max(next_send_, now_ - 2ms) +
        Seconds(kPacket / static_cast<double>(bbr_.pacing_rate(options_.rtt)));
  }

  void Return() {
    const Flying packet = flying_.front();
    flying_.pop_front();
    in_flight_ -= kPacket;
    if (packet.lost) {
      bbr_.OnPacketLost(
          {.number = PacketNumber(packet.number), .size = kPacket});
      bbr_.OnLoss({.now = now_,
                   .lost_bytes = kPacket,
                   .lost_packets = 1,
                   .largest_lost_sent_time = packet.sent,
                   .bytes_in_flight = in_flight_,
                   .persistent_congestion = false});
      return;
    }
    delivered_ += kPacket;
    bbr_.OnAck({.now = now_,
                .acked_bytes = kPacket,
                .largest_acked = PacketNumber(packet.number),
                .largest_acked_sent_time = packet.sent,
                .next_number = PacketNumber(number_),
                .smoothed_rtt = options_.rtt,
                .rtt_sample = now_ - packet.sent,
                .bytes_in_flight = in_flight_,
                .delivered_bytes = delivered_,
                .resolved_below = PacketNumber(packet.number + 1),
                .window_limited = in_flight_ + 2 * kPacket > bbr_.window()});
    windows_.push_back(bbr_.window());
  }

  static Duration Seconds(double seconds) {
    return Duration(static_cast<std::int64_t>(seconds * 1e9));
  }

  Options options_;
  Bbr bbr_;
  SeededRandom random_{1};
  TimePoint now_{1s};
  TimePoint next_send_{1s};
  TimePoint free_{1s};
  std::uint64_t number_ = 0;
  std::uint64_t in_flight_ = 0;
  std::uint64_t delivered_ = 0;
  std::deque<Flying> flying_;
  std::vector<std::uint64_t> windows_;
};

TEST(Bbr, StartsWithTheInitialWindowPaced) {
  const Bbr bbr(kPacket);
  EXPECT_EQ(bbr.window(), 32 * kPacket);
  // 2.77 windows a round trip.
  EXPECT_EQ(bbr.pacing_rate(100ms), 886'400u);
  EXPECT_EQ(bbr.bandwidth(100ms), 0u);
}

// Section 5.6.2. A greeting is all that was sent, and acknowledged, in the
// first round trip: that says nothing of the path.
TEST(Bbr, AFirstAckOfLittleDoesNotSlowTheStart) {
  Bbr bbr(kPacket);
  const std::uint64_t initial = bbr.pacing_rate(200ms);
  const TimePoint sent{1s};
  bbr.OnPacketSent({.now = sent,
                    .number = PacketNumber(0),
                    .size = 100,
                    .bytes_in_flight = 100});
  bbr.OnAck({.now = sent + 200ms,
             .acked_bytes = 100,
             .largest_acked = PacketNumber(0),
             .largest_acked_sent_time = sent,
             .next_number = PacketNumber(1),
             .smoothed_rtt = 200ms,
             .rtt_sample = 200ms,
             .bytes_in_flight = 0,
             .delivered_bytes = 100,
             .resolved_below = PacketNumber(1),
             .window_limited = false});
  EXPECT_EQ(bbr.pacing_rate(200ms), initial);
}

// What a window delivers that was sent in a burst, over a round trip and the
// pause before it, is less than the path does.
TEST(Bbr, StartupNearlyDoublesTheWindowEachRoundTripWhileNoQueueShows) {
  Path path({.rate = 125e6, .rtt = 100ms, .queue = 12'500});
  path.RunFor(650ms);
  // 27 times, if it follows the rate's samples alone.
  EXPECT_GE(path.bbr().window(), 36 * 32 * kPacket);
  EXPECT_EQ(path.bbr().state(), Bbr::State::kStartup);
}

// Two packets a round trip say nothing of what the path would take.
TEST(Bbr, TheWindowDoesNotGrowByWhatDoesNotFillIt) {
  Bbr bbr(kPacket);
  TimePoint now{1s};
  std::uint64_t delivered = 0;
  for (std::uint64_t number = 0; number < 2'000; number += 2) {
    for (std::uint64_t i = 0; i < 2; ++i) {
      bbr.OnPacketSent({.now = now,
                        .number = PacketNumber(number + i),
                        .size = kPacket,
                        .bytes_in_flight = (i + 1) * kPacket});
    }
    bbr.OnAppLimited(2 * kPacket);
    now += 50ms;
    delivered += 2 * kPacket;
    bbr.OnAck({.now = now,
               .acked_bytes = 2 * kPacket,
               .largest_acked = PacketNumber(number + 1),
               .largest_acked_sent_time = now - 50ms,
               .next_number = PacketNumber(number + 2),
               .smoothed_rtt = 50ms,
               .rtt_sample = 50ms,
               .bytes_in_flight = 0,
               .delivered_bytes = delivered,
               .resolved_below = PacketNumber(number + 2),
               .window_limited = false});
  }
  EXPECT_LE(bbr.window(), 2 * 32 * kPacket);
}

TEST(Bbr, FindsBandwidthAndRoundTrip) {
  Path path({});
  path.RunFor(2s);
  EXPECT_NEAR(path.bbr().max_bw(), 1e6, 2e4);
  EXPECT_NEAR(static_cast<double>(path.bbr().min_rtt().count()), 51e6, 1e6);
  EXPECT_EQ(path.bbr().state(), Bbr::State::kProbeBwCruise);
}

TEST(Bbr, FillsThePathWithoutAQueue) {
  Path path({.queue = 500});
  path.RunFor(1s);
  const std::uint64_t before = path.delivered();
  Duration queue{0};
  for (int i = 0; i < 1000; ++i) {
    path.RunFor(10ms);
    queue += path.queueing();
  }
  EXPECT_GE(path.delivered() - before, 9'700'000u);
  EXPECT_LE(queue / 1000, Duration(8ms));
}

// Drain sends at half the rate. What arrives of that is not what the path can
// do, so that the loss floor must not be measured at a part of it.
TEST(Bbr, MeasuresTheFirstLossFloorAtThePathsRate) {
  Path path({.rate = 12e6, .queue = 2000, .loss = 0.005});
  while (path.bbr().state() != Bbr::State::kProbeBwDown) path.RunFor(1ms);
  ASSERT_LT(path.now(), TimePoint{} + 2s);
  std::uint64_t slowest = path.bbr().pacing_rate(50ms);
  while (path.bbr().state() == Bbr::State::kProbeBwDown) {
    path.RunFor(1ms);
    slowest = std::min(slowest, path.bbr().pacing_rate(50ms));
  }
  EXPECT_GE(static_cast<double>(slowest), 0.75 * 12e6);
}

// The same where Startup has overfilled a short queue: that much was lost does
// not mean that the path carries no more than Drain's half.
TEST(Bbr, MeasuresTheFirstLossFloorAtThePathsRateInAShortQueue) {
  Path path({.rate = 2.5e6, .rtt = 80ms, .queue = 20});
  while (path.bbr().state() != Bbr::State::kProbeBwDown) path.RunFor(1ms);
  ASSERT_LT(path.now(), TimePoint{} + 3s);
  std::uint64_t slowest = path.bbr().pacing_rate(80ms);
  while (path.bbr().state() == Bbr::State::kProbeBwDown) {
    path.RunFor(1ms);
    slowest = std::min(slowest, path.bbr().pacing_rate(80ms));
  }
  EXPECT_GE(static_cast<double>(slowest), 0.8 * 2.5e6);
}

// Lets 2.5 MB/s pass of a faster path, and bursts as long as a bucket lasts.
class Policer {
 public:
  Policer(Path& path, double bucket) : path_(path), bucket_(bucket) {
    path.drop = [this](std::uint64_t) { return Drop(); };
  }
  std::uint64_t drops() const { return drops_; }

 private:
  bool Drop() {
    const std::chrono::duration<double> passed = path_.now() - filled_;
    filled_ = path_.now();
    tokens_ = std::min(bucket_, tokens_ + passed.count() * 2.5e6);
    if (tokens_ < kPacket) {
      ++drops_;
      return true;
    }
    tokens_ -= kPacket;
    return false;
  }

  Path& path_;
  const double bucket_;
  double tokens_ = bucket_;
  TimePoint filled_{1s};
  std::uint64_t drops_ = 0;
};

// What a policer's bucket let pass is not taken for the path's rate, neither
// after Startup nor after UP: little is lost in between.
TEST(Bbr, APolicersBucketIsForgotten) {
  for (const double bucket : {125e3, 250e3}) {
    Path path({.rate = 12.5e6, .queue = 500});
    const Policer policer(path, bucket);
    std::uint64_t lost = 0;  // In DOWN and CRUISE.
    while (path.now() < TimePoint{} + 20s) {
      const std::uint64_t before = policer.drops();
      const Bbr::State state = path.bbr().state();
      path.RunFor(1ms);
      if (state == Bbr::State::kProbeBwDown ||
          state == Bbr::State::kProbeBwCruise) {
        lost += policer.drops() - before;
      }
    }
    EXPECT_LE(static_cast<double>(lost),
              0.009 * static_cast<double>(path.number()))
        << bucket;
    EXPECT_GE(static_cast<double>(path.delivered()), 0.93 * 19 * 2.5e6);
  }
}

// A policer's bucket shows no queue, and then drops most of what Startup sends:
// more than any path loses by itself, which is not to go on for a round trip.
TEST(Bbr, StartupEndsInTheMiddleOfARoundThatLosesMost) {
  Path path({.rate = 125e6, .queue = 5'000});
  const Policer policer(path, 250e3);
  while (path.bbr().state() == Bbr::State::kStartup &&
         path.now() < TimePoint{} + 5s) {
    path.RunFor(1ms);
  }
  path.RunFor(60ms);  // What was under way.
  // 1,327, if it waits for the round to end.
  EXPECT_LE(policer.drops(), 800u);
}

// What Startup has overfilled the queue with still gets lost when it is over:
// that is no reason to send at less than the rate that it has found.
TEST(Bbr, LossesOfStartupAreAnsweredByItsEnd) {
  for (Duration pause = 100ms; pause <= 500ms; pause += 10ms) {
    Path path({.queue = 50});
    path.RunFor(pause);
    if (path.bbr().state() != Bbr::State::kStartup) break;
    // Which takes a round longer where the sender pauses.
    path.bbr().OnAppLimited(path.bbr().window());
    path.RunFor(2s - pause);
    EXPECT_EQ(path.bbr().bw(), path.bbr().max_bw()) << pause / 1ms;
  }
}

TEST(Bbr, ProbesEveryTwoToThreeSeconds) {
  Path path({});
  path.RunFor(1s);
  int probes = 0;
  bool up = false;
  for (int i = 0; i < 2000; ++i) {
    path.RunFor(10ms);
    const bool is_up = path.bbr().state() == Bbr::State::kProbeBwUp;
    if (is_up && !up) ++probes;
    up = is_up;
  }
  EXPECT_GE(probes, 6);
  EXPECT_LE(probes, 10);
}

TEST(Bbr, FollowsThePathUpAndDown) {
  Path path({});
  path.RunFor(5s);
  path.options().rate = 3e6;
  path.RunFor(10s);
  EXPECT_NEAR(path.bbr().max_bw(), 3e6, 1e5);
  path.options().rate = 5e5;
  path.RunFor(10s);
  EXPECT_NEAR(path.bbr().bw(), 5e5, 5e4);
}

TEST(Bbr, RandomLossIsThePathsOwn) {
  for (double loss : {0.01, 0.05, 0.1}) {
    Path path({.queue = 50, .loss = loss});
    path.RunFor(5s);
    const std::uint64_t before = path.delivered();
    path.RunFor(20s);
    EXPECT_NEAR(path.bbr().loss_floor(), loss, 0.03) << loss;
    // Losses take no room in the bottleneck of this path.
    EXPECT_GE(path.delivered() - before, 18'500'000u) << loss;
  }
}

// What gets lost from the first packets on, while the rate still grows, needs
// no quiet round trips to be told from a full queue.
TEST(Bbr, LossSinceTheFirstPacketIsKnownToBeThePathsOwnAfterStartup) {
  Path path({.rate = 12e6, .rtt = 100ms, .queue = 2000, .loss = 0.1});
  while (path.bbr().state() == Bbr::State::kStartup) path.RunFor(1ms);
  ASSERT_LT(path.now(), TimePoint{} + 4s);
  EXPECT_NEAR(path.bbr().loss_floor(), 0.1, 0.03);
  while (path.bbr().state() != Bbr::State::kProbeBwCruise) path.RunFor(1ms);
  const std::uint64_t before = path.delivered();
  path.RunFor(1s);
  EXPECT_GE(path.delivered() - before, 11'600'000u);
}

TEST(Bbr, LossThatBeganWhileStartupGrewMayBeOurs) {
  Path path({.rate = 12e6, .rtt = 100ms, .queue = 2000});
  path.drop = [](std::uint64_t number) {
    return number > 600 && number % 10 == 0;
  };
  while (path.bbr().state() == Bbr::State::kStartup) path.RunFor(1ms);
  ASSERT_LT(path.now(), TimePoint{} + 4s);
  EXPECT_EQ(path.bbr().loss_floor(), 0);
}

TEST(Bbr, ShallowQueueMakesNoFloor) {
  Path path({.queue = 5});
  for (int i = 0; i < 200; ++i) {
    path.RunFor(100ms);
    EXPECT_LE(path.bbr().loss_floor(), 0.01);
  }
}

TEST(Bbr, OneBurstIsNoSignal) {
  Path path({});
  path.RunFor(1s);
  ASSERT_EQ(path.bbr().state(), Bbr::State::kProbeBwCruise);
  const double bw = path.bbr().bw();
  const std::uint64_t window = path.bbr().window();
  const std::uint64_t first = path.number();
  path.drop = [first](std::uint64_t n) { return n < first + 20; };
  path.RunFor(300ms);
  EXPECT_EQ(path.bbr().bw(), bw);
  EXPECT_GE(path.bbr().window(), window);
}

TEST(Bbr, ScatteredLossAboveTheThresholdIsASignal) {
  Path path({});
  path.RunFor(1s);
  ASSERT_EQ(path.bbr().state(), Bbr::State::kProbeBwCruise);
  const std::uint64_t window = path.bbr().window();
  path.drop = [](std::uint64_t n) { return n % 5 == 0; };
  path.RunFor(300ms);
  EXPECT_LT(path.bbr().window(), window);
}

// What is known of the path comes back with the first answer to what was sent
// since: growing by what is acknowledged would take a second or two more where
// the round trip is long.
TEST(Bbr, PersistentCongestionTakesTheWindowUntilSomethingComesBack) {
  Path path({});
  path.RunFor(1s);
  const double bw = path.bbr().max_bw();
  const std::uint64_t window = path.bbr().window();
  path.bbr().OnLoss({.now = path.now(),
                     .lost_bytes = 10 * kPacket,
                     .lost_packets = 10,
                     .largest_lost_sent_time = path.now(),
                     .bytes_in_flight = 0,
                     .persistent_congestion = true});
  EXPECT_EQ(path.bbr().window(), 4 * kPacket);
  EXPECT_EQ(path.bbr().max_bw(), bw);
  path.RunFor(110ms);  // What was in flight, and then a round trip.
  EXPECT_EQ(path.bbr().max_bw(), bw);
  EXPECT_GE(path.bbr().window(), window);
}

// A path that takes smaller packets than before has dropped the larger ones for
// their size, not for want of room.
TEST(Bbr, WhatLargerPacketsHaveLostIsForgotten) {
  Path path({});
  path.RunFor(3s);
  path.drop = [](std::uint64_t n) { return n % 8 != 0; };
  path.RunFor(500ms);
  path.drop = nullptr;
  path.bbr().OnPacketSizeChange(kPacket / 2);
  const std::uint64_t before = path.delivered();
  path.RunFor(1s);
  EXPECT_GT(path.delivered() - before, 750'000u);
}

TEST(Bbr, AnotherPathIsUnknown) {
  Path path({});
  path.RunFor(1s);
  path.bbr().OnPathChange(path.now(), 500);
  EXPECT_EQ(path.bbr().state(), Bbr::State::kStartup);
  EXPECT_EQ(path.bbr().window(), 32u * 500);
  EXPECT_EQ(path.bbr().max_bw(), 0);
  EXPECT_EQ(path.bbr().min_rtt(), Duration(0));
}

TEST(Bbr, NeverBelowFourPackets) {
  Path path({.rate = 1e5, .loss = 0.6});
  for (int i = 0; i < 300; ++i) {
    path.RunFor(100ms);
    ASSERT_GE(path.bbr().window(), 4 * kPacket);
  }
}

TEST(Bbr, CountersPastTwoToThe32AndTheFortyThirdMakeNoDifference) {
  Path small({.loss = 0.01});
  small.RunFor(20s);
  for (int bits : {32, 43, 63}) {
    Path large(
        {.loss = 0.01, .first_count = (std::uint64_t{1} << bits) - 1'000'000});
    large.RunFor(20s);
    EXPECT_EQ(large.windows(), small.windows()) << bits;
  }
}

}  // namespace
}  // namespace p2pcp
