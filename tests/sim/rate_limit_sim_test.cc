// A limit of the rate on lines in virtual time: that it is kept exactly, with
// every controller, paced or not, and that no controller goes astray by it.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "net/base/time.h"
#include "tests/sim/line.h"
#include "tests/sim/link.h"
#include "tests/sim/simulator.h"
#include "transfer/connection/connection.h"

namespace p2pcp::sim {
namespace {

constexpr std::uint64_t kEndless = std::uint64_t{1} << 40;
constexpr std::uint64_t kSeed = 11;

LineOptions OptionsOf(std::uint64_t rate, Duration rtt, double loss = 0) {
  LineOptions options;
  options.seed = kSeed;
  options.forward.rate = rate;
  options.forward.delay = options.backward.delay = rtt / 2;
  options.forward.queue_bytes = 1 << 20;
  options.forward.loss = loss;
  return options;
}

class RateLimits : public ::testing::TestWithParam<Congestion> {
 protected:
  // What a flow puts onto the wire, in any second of many: the least and most.
  struct Range {
    double least = 1e18;
    double most = 0;
  };
  static Range Seconds(Line& line, int seconds) {
    Range range;
    const auto bytes = [&] {
      return static_cast<double>(line.forward().stats().bytes);
    };
    // In steps of 50 ms, as far as 20 of them back.
    std::vector<double> seen = {bytes()};
    for (int i = 0; i < 20 * seconds; ++i) {
      line.simulator().RunFor(50ms);
      seen.push_back(bytes());
      if (seen.size() <= 20) continue;
      const double second = seen.back() - seen[seen.size() - 21];
      range.least = std::min(range.least, second);
      range.most = std::max(range.most, second);
    }
    return range;
  }
};

TEST_P(RateLimits, AreKeptInEverySecond) {
  struct Case {
    std::uint64_t limit;
    Duration rtt;
  };
  // The short round trip is not paced by itself.
  for (const Case& test : {Case{1'000'000, 50ms}, Case{5'000'000, 20ms},
                           Case{30'000'000, 150us}, Case{150'000, 200ms}}) {
    Line line(OptionsOf(125'000'000, test.rtt));
    line.AddFlow({.congestion = GetParam(),
                  .bytes = kEndless,
                  .rate_limit = test.limit});
    line.simulator().RunFor(5s);
    const Range range = Seconds(line, 8);
    const auto limit = static_cast<double>(test.limit);
    EXPECT_GE(range.least, 0.98 * limit) << test.limit;
    EXPECT_LE(range.most, 1.02 * limit) << test.limit;
  }
}

TEST_P(RateLimits, CountWhatIsSentAgain) {
  Line line(OptionsOf(125'000'000, 20ms, 0.02));
  constexpr std::uint64_t kLimit = 500'000;
  line.AddFlow(
      {.congestion = GetParam(), .bytes = kEndless, .rate_limit = kLimit});
  line.simulator().RunFor(20s);
  const ConnectionStats& stats = line.stats(0);
  EXPECT_GT(stats.data_bytes_retransmitted, 0u);
  // Header, tag, UDP and IPv4.
  const double wire =
      static_cast<double>(stats.bytes_sent + 56 * stats.packets_sent);
  EXPECT_LE(wire, 20.2 * kLimit);
}

TEST_P(RateLimits, SmallOnesDoNotStall) {
  for (std::uint64_t limit : {1'500u, 10'240u}) {
    for (double loss : {0., 0.1}) {
      Line line(OptionsOf(1'250'000, 50ms, loss));
      line.AddFlow(
          {.congestion = GetParam(), .bytes = 30 * limit, .rate_limit = limit});
      EXPECT_TRUE(line.RunUntilFinished(0, loss > 0 ? 60s : 35s)) << limit;
      EXPECT_LE(
          static_cast<double>(line.forward().stats().bytes),
          1.05 * static_cast<double>(limit) *
                  std::chrono::duration<double>(line.simulator().elapsed())
                      .count() +
              6'000)
          << limit;
    }
  }
}

// A line slightly faster than the limit, with a short queue.
TEST_P(RateLimits, NothingGrowsWithoutBound) {
  LineOptions options = OptionsOf(1'300'000, 50ms);
  options.forward.queue_bytes = 32'000;
  Line line(options);
  constexpr std::uint64_t kLimit = 1'250'000;
  line.AddFlow(
      {.congestion = GetParam(), .bytes = kEndless, .rate_limit = kLimit});
  for (int i = 0; i < 60; ++i) {
    line.simulator().RunFor(1s);
    const ConnectionStats& stats = line.stats(0);
    EXPECT_EQ(stats.packets_lost, 0u) << i;
    // Four times the product of limit and round trip.
    EXPECT_LE(stats.congestion_window, 250'000u) << i;
    // Startup's gain is 2.77.
    EXPECT_LE(stats.pacing_rate, 4 * kLimit) << i;
  }
  EXPECT_LE(line.mean_queue(), Duration(5ms));
}

INSTANTIATE_TEST_SUITE_P(Controllers, RateLimits,
                         testing::Values(Congestion::kCubic, Congestion::kBbr,
                                         Congestion::kScavenger),
                         [](const auto& info) {
                           switch (info.param) {
                             case Congestion::kCubic:
                               return "cubic";
                             case Congestion::kBbr:
                               return "bbr";
                             case Congestion::kScavenger:
                               return "scavenger";
                           }
                           return "";
                         });

}  // namespace
}  // namespace p2pcp::sim
