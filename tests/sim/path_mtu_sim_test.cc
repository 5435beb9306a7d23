// Whole transfers over paths that take less, or more, than an Ethernet frame,
// and over paths whose losses have nothing to do with size. All drop too large
// packets without a word, as paths do where ICMP is filtered.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

#include "net/base/time.h"
#include "tests/sim/scenario.h"
#include "tests/sim/transfer_run.h"

namespace p2pcp::sim {
namespace {

using Kind = Happening::Kind;

// 4 MB/s and 40 ms.
Scenario Plain(std::size_t link_mtu, std::size_t path_mtu) {
  Scenario scenario;
  scenario.to_receiver.rate = scenario.to_sender.rate = 4'000'000;
  scenario.to_receiver.delay = scenario.to_sender.delay = 20ms;
  scenario.to_receiver.mtu = scenario.to_sender.mtu = path_mtu;
  scenario.link_mtu = link_mtu;
  return scenario;
}

TEST(PathMtu, EveryPathsSizeIsFoundBeforeTheFirstMegabyte) {
  struct Case {
    std::size_t link, path, size;
  };
  for (const Case& c :
       {Case{1500, 1280, 1252}, Case{1500, 1420, 1392}, Case{1500, 1500, 1472},
        Case{9000, 1500, 1472}, Case{9000, 9000, 8972}, Case{65536, 9000, 8972},
        Case{9000, 1280, 1252}, Case{65536, 65536, 32752}}) {
    const RunResult result = RunTransfer(Plain(c.link, c.path));
    EXPECT_EQ(result.failure, "") << c.path;
    EXPECT_EQ(result.datagram_size, c.size) << c.path;
    EXPECT_LT(result.bytes_before_it, 1'000'000u) << c.path;
    EXPECT_EQ(result.black_holes, 0u) << c.path;
  }
}

// The MTU falls in the middle, and no ICMP message says so.
TEST(PathMtu, AShrinkingPathIsFoundOutWithinASecondAndTheTransferGoesOn) {
  for (const std::size_t mtu : {1500, 9000}) {
    for (const double loss : {0.0, 0.02}) {
      Scenario scenario = Plain(mtu, mtu);
      scenario.to_receiver.loss = loss;
      scenario.happenings = {{Kind::kSmallerMtu, 0.5, {}}};
      const RunResult before = RunTransfer(Plain(mtu, mtu));
      const RunResult result = RunTransfer(scenario);
      EXPECT_EQ(result.failure, "");
      EXPECT_EQ(result.datagram_size, 1252u);
      EXPECT_EQ(result.black_holes, 1u);
      ASSERT_TRUE(result.black_hole_took.has_value());
      EXPECT_LT(*result.black_hole_took, Duration(1s)) << mtu << " " << loss;
      if (loss == 0) {
        EXPECT_LT(result.elapsed, before.elapsed + 1200ms);
      }
    }
  }
}

TEST(PathMtu, AShrinkingPathIsFoundOutWhateverItsRoundTrip) {
  for (const Duration one_way : {Duration(500us), Duration(150ms)}) {
    Scenario scenario = Plain(1500, 1500);
    scenario.to_receiver.delay = scenario.to_sender.delay = one_way;
    scenario.happenings = {{Kind::kSmallerMtu, 0.5, {}}};
    const RunResult result = RunTransfer(scenario);
    EXPECT_EQ(result.failure, "");
    EXPECT_EQ(result.datagram_size, 1252u);
    ASSERT_TRUE(result.black_hole_took.has_value());
    // Three round trips to suspect it, four tries of two to be sure, and what
    // a probe timeout takes.
    EXPECT_LT(*result.black_hole_took, 500ms + 16 * one_way * 2);
  }
}

// Stacks that count losses alone fall back to small packets on a lossy line,
// and stay there.
TEST(PathMtu, RandomLossIsNoBlackHole) {
  for (const double loss : {0.1, 0.2, 0.3}) {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
      Scenario scenario = Plain(1500, 1500);
      scenario.seed = seed;
      scenario.file_sizes = {8 << 20};
      scenario.to_receiver.loss = scenario.to_sender.loss = loss;
      const RunResult result = RunTransfer(scenario);
      EXPECT_EQ(result.failure, "") << loss << " " << seed;
      EXPECT_EQ(result.black_holes, 0u) << loss << " " << seed;
      // Of 1,472: the last step of the search may lose each of its probes.
      EXPECT_GE(result.datagram_size, 1452u) << loss << " " << seed;
    }
  }
}

TEST(PathMtu, LossInBurstsIsNoBlackHole) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Scenario scenario = Plain(1500, 1500);
    scenario.seed = seed;
    // 10 in a row, one packet in six in all.
    scenario.to_receiver.bursts = {.enter = 0.02, .leave = 0.1, .loss = 1};
    const RunResult result = RunTransfer(scenario);
    EXPECT_EQ(result.failure, "") << seed;
    EXPECT_EQ(result.black_holes, 0u) << seed;
    EXPECT_EQ(result.datagram_size, 1472u) << seed;
  }
}

TEST(PathMtu, AnOutageIsNoBlackHole) {
  for (const Duration outage : {Duration(300ms), Duration(2s), Duration(8s)}) {
    Scenario scenario = Plain(9000, 9000);
    scenario.happenings = {{Kind::kOutage, 0.5, outage}};
    const RunResult result = RunTransfer(scenario);
    EXPECT_EQ(result.failure, "");
    EXPECT_EQ(result.black_holes, 0u);
    EXPECT_EQ(result.datagram_size, 8972u);
  }
}

}  // namespace
}  // namespace p2pcp::sim
