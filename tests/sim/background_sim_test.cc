// The scavenger on lines in virtual time: what it leaves to others, what it
// takes when they are gone, and how two of them share.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>

#include "net/base/time.h"
#include "tests/sim/line.h"
#include "tests/sim/link.h"
#include "tests/sim/simulator.h"
#include "transfer/connection/connection.h"

namespace p2pcp::sim {
namespace {

constexpr std::uint64_t kMbit = 1'000'000 / 8;  // Bytes.
constexpr std::uint64_t kEndless = std::uint64_t{1} << 40;
constexpr Duration kRun = 60s;
// Other ones than those that the constants were chosen with.
constexpr std::uint64_t kFirstSeed = 101;
constexpr int kSeeds = 2;

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

const char* Name(Congestion congestion) {
  switch (congestion) {
    case Congestion::kCubic:
      return "cubic";
    case Congestion::kBbr:
      return "bbr";
    case Congestion::kScavenger:
      return "scavenger";
  }
  return "";
}

struct LineShape {
  std::uint64_t rate = 100;  // Mbit/s.
  Duration rtt = 50ms;
  double queue_bdp = 1;
  double loss = 0;
  Duration jitter = 0ms;
};

LineOptions OptionsOf(const LineShape& shape, std::uint64_t seed) {
  LineOptions options;
  options.seed = seed;
  options.forward.rate = shape.rate * kMbit;
  options.forward.delay = options.backward.delay = shape.rtt / 2;
  options.forward.queue_bytes = static_cast<std::size_t>(
      shape.queue_bdp * static_cast<double>(options.forward.rate) *
      Seconds(shape.rtt));
  options.forward.loss = shape.loss;
  options.forward.jitter = shape.jitter;
  return options;
}

// A flow's goodput in Mbit/s over some time from now.
double Goodput(Line& line, std::size_t flow, Duration time) {
  const std::uint64_t before = line.received(flow);
  line.simulator().RunFor(time);
  return static_cast<double>(line.received(flow) - before) * 8e-6 /
         Seconds(time);
}

// What the other gets beside a scavenger, as part of what it gets alone in the
// same time. The second one starts a while after the first.
double LeftTo(Congestion other, bool scavenger_first, double queue_bdp,
              std::uint64_t seed) {
  const LineOptions options = OptionsOf({.queue_bdp = queue_bdp}, seed);
  const Duration later =
      3s + 370ms * static_cast<std::int64_t>(seed - kFirstSeed);
  double alone = 0;
  double beside = 0;
  for (bool shared : {false, true}) {
    Line line(options);
    std::size_t flow = 0;
    for (bool scavenger : {scavenger_first, !scavenger_first}) {
      if (!scavenger) {
        flow = line.AddFlow({.congestion = other, .bytes = kEndless});
      } else if (shared) {
        line.AddFlow({.congestion = Congestion::kScavenger, .bytes = kEndless});
      }
      if (scavenger == scavenger_first) line.simulator().RunFor(later);
    }
    (shared ? beside : alone) = Goodput(line, flow, kRun);
    if (shared) {
      std::printf(
          "%s, %.2f BDP of queue, scavenger %s: %.1f of %.1f Mbit/s (%.1f %%), "
          "queue %.1f ms\n",
          Name(other), queue_bdp, scavenger_first ? "first" : "second", beside,
          alone, 100 * beside / alone, Seconds(line.mean_queue()) * 1e3);
    }
  }
  return beside / alone;
}

class Background : public ::testing::TestWithParam<Congestion> {};

TEST_P(Background, LeavesNineTenthsWhoeverComesFirst) {
  for (int i = 0; i < kSeeds; ++i) {
    for (double queue : {1., 4.}) {
      for (bool first : {false, true}) {
        EXPECT_GE(LeftTo(GetParam(), first, queue, kFirstSeed + i), 0.9)
            << "queue " << queue << ", seed " << kFirstSeed + i;
      }
    }
  }
}

// Of a queue of 12 ms the scavenger's 4 ms are a third.
TEST_P(Background, LeavesMostInAQuarterOfABdp) {
  const double least = GetParam() == Congestion::kCubic ? 0.8 : 0.6;
  for (int i = 0; i < kSeeds; ++i) {
    for (bool first : {false, true}) {
      EXPECT_GE(LeftTo(GetParam(), first, 0.25, kFirstSeed + i), least);
    }
  }
}

TEST_P(Background, HasTheLineBackWithinSeconds) {
  for (double queue : {1., 4.}) {
    for (bool first : {false, true}) {
      Line line(OptionsOf({.queue_bdp = queue}, kFirstSeed));
      std::size_t other = 0;
      std::size_t own = 0;
      for (bool scavenger : {first, !first}) {
        if (scavenger) {
          own = line.AddFlow(
              {.congestion = Congestion::kScavenger, .bytes = kEndless});
        } else {
          other =
              line.AddFlow({.congestion = GetParam(), .bytes = 150'000'000});
        }
        line.simulator().RunFor(2s);
      }
      ASSERT_TRUE(line.RunUntilFinished(other, 60s));
      line.simulator().RunFor(4s);
      EXPECT_GE(Goodput(line, own, 2s), 80) << queue << " " << first;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Others, Background,
                         testing::Values(Congestion::kCubic, Congestion::kBbr),
                         [](const auto& info) { return Name(info.param); });

struct Alone {
  double goodput;   // Mbit/s.
  double queue_ms;  // Mean.
};

Alone RunAlone(const LineShape& shape, std::uint64_t seed) {
  Line line(OptionsOf(shape, seed));
  line.AddFlow({.congestion = Congestion::kScavenger, .bytes = kEndless});
  Alone alone{};
  alone.goodput = Goodput(line, 0, 30s);
  alone.queue_ms = Seconds(line.mean_queue()) * 1e3;
  std::printf("%g Mbit/s, %g ms, %g BDP: %.2f Mbit/s, queue %.1f ms\n",
              static_cast<double>(shape.rate), Seconds(shape.rtt) * 1e3,
              shape.queue_bdp, alone.goodput, alone.queue_ms);
  return alone;
}

// The file's part of a full packet on the wire.
constexpr double kPayloadPart = 0.957;

TEST(BackgroundAlone, FillsAFreeLineWithAShortQueue) {
  for (double queue : {0.25, 1., 4.}) {
    const Alone alone = RunAlone({.queue_bdp = queue}, kFirstSeed);
    EXPECT_GE(alone.goodput, 0.9 * kPayloadPart * 100);
    EXPECT_LE(alone.queue_ms, 5);
  }
  // A second of queue, were it filled.
  const Alone bloat =
      RunAlone({.rate = 20, .rtt = 80ms, .queue_bdp = 12.5}, kFirstSeed);
  EXPECT_GE(bloat.goodput, 0.9 * kPayloadPart * 20);
  EXPECT_LE(bloat.queue_ms, 10);
  EXPECT_GE(RunAlone({.rtt = 200ms}, kFirstSeed).goodput, 80);
  EXPECT_GE(RunAlone({.rate = 1000, .rtt = 5ms}, kFirstSeed).goodput, 850);
  // A packet takes 6 ms there.
  EXPECT_GE(
      RunAlone({.rate = 2, .rtt = 40ms, .queue_bdp = 5}, kFirstSeed).goodput,
      1.2);
}

TEST(BackgroundAlone, MovesOnInSpiteOfRandomLoss) {
  for (int i = 0; i < kSeeds; ++i) {
    EXPECT_GE(RunAlone({.loss = 0.01}, kFirstSeed + i).goodput, 50);
  }
}

// Too timid is a fault too: packets that wait for nobody.
TEST(BackgroundAlone, DoesNotStarveOnJitter) {
  EXPECT_GE(RunAlone({.jitter = 10ms}, kFirstSeed).goodput, 30);
}

TEST(BackgroundAlone, TwoShare) {
  for (double queue : {0.25, 1., 4.}) {
    for (int i = 0; i < 3; ++i) {
      Line line(OptionsOf({.queue_bdp = queue}, kFirstSeed + i));
      const FlowOptions flow = {.congestion = Congestion::kScavenger,
                                .bytes = kEndless};
      line.AddFlow(flow);
      line.simulator().RunFor(4s + 370ms * i);
      line.AddFlow(flow);
      const std::uint64_t before = line.received(0);
      const double b = Goodput(line, 1, kRun);
      const double a =
          static_cast<double>(line.received(0) - before) * 8e-6 / Seconds(kRun);
      std::printf("two, %.2f BDP of queue: %.1f and %.1f Mbit/s\n", queue, a,
                  b);
      EXPECT_GE((a + b) * (a + b) / (2 * (a * a + b * b)), 0.8);
      EXPECT_GE(a + b, 85);
    }
  }
}

}  // namespace
}  // namespace p2pcp::sim
