// What has brought down other transports, on lines in virtual time, where no
// other test has it: transfer/recovery/README.md lists them all.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>

#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "net/channel/replay_window.h"
#include "tests/sim/line.h"
#include "tests/sim/simulator.h"
#include "transfer/connection/connection.h"
#include "transfer/file/sink.h"
#include "transfer/recovery/congestion_controller.h"

namespace p2pcp::sim {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kMbit = 1'000'000 / 8;  // Bytes.

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// A queue of one bandwidth times delay.
LineOptions Plain(std::uint64_t mbit, Duration rtt) {
  LineOptions options;
  options.forward.rate = mbit * kMbit;
  options.forward.delay = options.backward.delay = rtt / 2;
  options.forward.queue_bytes = static_cast<std::size_t>(
      static_cast<double>(options.forward.rate) * Seconds(rtt));
  return options;
}

double Goodput(Line& line) {
  return static_cast<double>(line.received(0)) * 8e-6 /
         Seconds(line.simulator().elapsed());
}

double PartLost(Line& line) {
  return static_cast<double>(line.stats(0).packets_lost) /
         static_cast<double>(line.stats(0).packets_sent);
}

// Jitter and loss on top of 600 ms made others' BBR collapse.
TEST(Pitfalls, ASatellitesJitterAndLossDoNotStopIt) {
  for (const double loss : {0.0, 0.01}) {
    LineOptions options = Plain(50, 600ms);
    options.forward.jitter = 30ms;
    options.forward.loss = options.backward.loss = loss;
    Line line(options);
    line.AddFlow({.congestion = Congestion::kBbr, .bytes = 64 * kMiB});
    ASSERT_TRUE(line.RunUntilFinished(0, 60s)) << loss;
    std::printf("satellite, %.0f %%: %.1f Mbit/s, lost %.2f %%\n", loss * 100,
                Goodput(line), PartLost(line) * 100);
    EXPECT_GE(Goodput(line), 25) << loss;
    // The start overshoots a queue of 600 ms, but not by a third of it all.
    EXPECT_LE(PartLost(line), loss + 0.03);
  }
}

// A start that goes on doubling sends a third of all into the void.
TEST(Pitfalls, AStartIntoAShortQueueLosesLittle) {
  for (const Congestion congestion : {Congestion::kCubic, Congestion::kBbr}) {
    LineOptions options = Plain(100, 100ms);
    options.forward.queue_bytes = 100'000;
    Line line(options);
    line.AddFlow({.congestion = congestion, .bytes = 16 * kMiB});
    ASSERT_TRUE(line.RunUntilFinished(0, 60s));
    std::printf("short queue: lost %.2f %%\n", PartLost(line) * 100);
    EXPECT_LE(PartLost(line), 0.15);
  }
}

// Whoever makes up for every loss by sending more sends 800 to bring 10
// through, and takes the line from all others. Nor may the end's copies, or
// PINGs.
TEST(Pitfalls, LossIsNotAnsweredByEverMore) {
  for (const Congestion congestion : {Congestion::kCubic, Congestion::kBbr}) {
    for (const double loss : {0.5, 0.8}) {
      LineOptions options = Plain(100, 50ms);
      options.forward.loss = loss;
      Line line(options);
      line.AddFlow({.congestion = congestion, .bytes = 256 * kMiB});
      line.simulator().RunFor(60s);
      const double sent =
          static_cast<double>(line.stats(0).bytes_sent) * 8e-6 / 60;
      const double ratio = static_cast<double>(line.stats(0).bytes_sent) /
                           static_cast<double>(line.received(0));
      std::printf("loss %.0f %%: sent %.2f Mbit/s, %.2f for each that came\n",
                  loss * 100, sent, ratio);
      // Each is sent until it arrives, 1 / (1 - loss) times, and some more.
      EXPECT_LE(ratio, 1.35 / (1 - loss));
      EXPECT_LE(sent, 30);
    }
  }
}

// A queue that overflows is not filled again by what it has dropped.
TEST(Pitfalls, RetransmissionsAreNoStorm) {
  for (const Congestion congestion : {Congestion::kCubic, Congestion::kBbr}) {
    LineOptions options = Plain(20, 80ms);
    options.forward.queue_bytes = 30'000;
    Line line(options);
    line.AddFlow({.congestion = congestion, .bytes = 16 * kMiB});
    // The line gets slower by ten times, and stays so.
    line.simulator().RunFor(3s);
    line.forward().options().rate = 2 * kMbit;
    const std::uint64_t sent = line.stats(0).bytes_sent;
    const std::uint64_t received = line.received(0);
    line.simulator().RunFor(10s);
    const double ratio = static_cast<double>(line.stats(0).bytes_sent - sent) /
                         static_cast<double>(line.received(0) - received);
    std::printf("ten times slower: %.2f sent for each that came\n", ratio);
    EXPECT_LE(ratio, 1.6);
    ASSERT_TRUE(line.RunUntilFinished(0, 120s));
  }
}

// Counters of 32 bits stop at 4.3 GB; those of this connection have begun at
// zero, all of them.
TEST(Pitfalls, MoreThanFourGibibytesInOneConnection) {
  Line line(Plain(4000, 2ms));
  line.AddFlow({.congestion = Congestion::kBbr, .bytes = 4200 * kMiB});
  ASSERT_TRUE(line.RunUntilFinished(0, 12s));
  EXPECT_GE(Goodput(line), 3200);
}

// Windows of 64 kB to 1 MB have held up many on long lines.
TEST(Pitfalls, TheSinksBudgetIsNoLimitOnALongFastLine) {
  Line line(Plain(300, 200ms));
  line.AddFlow({.congestion = Congestion::kBbr,
                .bytes = 512 * kMiB,
                .receive_budget = file::Sink::kBudget});
  ASSERT_TRUE(line.RunUntilFinished(0, 30s));
  std::printf("300 Mbit/s and 200 ms: %.1f Mbit/s\n", Goodput(line));
  EXPECT_GE(Goodput(line), 250);
}

// A window for duplicates that is smaller than what is in flight takes what
// comes late for a replay.
TEST(Pitfalls, TheReplayWindowSpansWhatMayBeInFlight) {
  static_assert(channel::ReplayWindow::kSize >=
                CongestionController::kMaxWindowPackets * 15 / 8);
  channel::ReplayWindow window;
  window.Add(PacketNumber(CongestionController::kMaxWindowPackets));
  EXPECT_EQ(window.Check(PacketNumber(0)),
            channel::ReplayWindow::Verdict::kNew);
}

}  // namespace
}  // namespace p2pcp::sim
