// Whole transfers in virtual time: real channel, real encryption, real
// sessions, real files, simulated network.

#include <gtest/gtest.h>

#include <cstdint>
#include <iostream>
#include <string>

#include "net/base/result.h"
#include "net/base/time.h"
#include "tests/sim/scenario.h"
#include "tests/sim/seeds.h"
#include "tests/sim/transfer_run.h"
#include "transfer/session/bottleneck.h"

namespace p2pcp::sim {
namespace {

// Seeds of an ordinary run; a thousand: `./dev sim`.
constexpr std::uint64_t kSeeds = 112;
// The seeds are dealt out to so many tests, which Bazel spreads over shards.
constexpr std::uint64_t kDecks = 16;

void RunAndReport(const Scenario& scenario, const std::string& replay) {
  const RunResult result = RunTransfer(scenario);
  if (!result.failure.empty()) {
    ADD_FAILURE() << result.failure << "\n  after " << result.elapsed / 1ms
                  << " ms of virtual time (limit " << scenario.TimeLimit() / 1ms
                  << ")\n  scenario: " << scenario.Describe()
                  << "\n  replay: " << replay;
  } else if (Seeds().seed) {
    std::cout << scenario.Describe() << "\n"
              << result.elapsed / 1ms << " ms of virtual time (limit "
              << scenario.TimeLimit() / 1ms << "), " << result.steps
              << " steps, " << result.bytes_sent << " bytes sent\n";
  }
}

// A line of 1 MB/s and 40 ms: the 4 MiB take about 5 s.
Scenario Plain() {
  Scenario scenario;
  scenario.to_receiver.rate = scenario.to_sender.rate = 1'000'000;
  scenario.to_receiver.delay = scenario.to_sender.delay = 20ms;
  return scenario;
}

void ExpectSuccess(const Scenario& scenario) {
  RunAndReport(scenario, "this test");
}

using Kind = Happening::Kind;

TEST(Transfer, NeedsLittleMoreThanTheTimeOfTheLine) {
  const RunResult result = RunTransfer(Plain());
  EXPECT_EQ(result.failure, "");
  EXPECT_LT(result.elapsed, Duration(5500ms));
  EXPECT_LT(result.bytes_sent, 4'500'000u);
}

// The receiver's word is not waited for: a round trip of 200 ms less.
TEST(Transfer, IsARoundTripSoonerForBytesThatComeEarly) {
  Scenario scenario;
  scenario.to_receiver.rate = scenario.to_sender.rate = 12'500'000;
  scenario.to_receiver.queue_bytes = 2'500'000;
  scenario.to_receiver.delay = scenario.to_sender.delay = 100ms;
  scenario.file_sizes = {32 << 20};
  const RunResult sooner = RunTransfer(scenario);
  scenario.early = false;
  const RunResult later = RunTransfer(scenario);
  EXPECT_EQ(sooner.failure, "");
  EXPECT_EQ(later.failure, "");
  std::cout << "early " << sooner.elapsed / 1ms << " ms, else "
            << later.elapsed / 1ms << " ms\n";
  // Of which 2.8 s are the line's, and a second Startup's.
  EXPECT_LE(sooner.elapsed, Duration(4800ms));
  EXPECT_GE(later.elapsed - sooner.elapsed, Duration(150ms));
  EXPECT_LE(later.elapsed - sooner.elapsed, Duration(250ms));
}

TEST(Transfer, ResumesSoonAfterAnOutage) {
  Scenario scenario = Plain();
  for (const Kind kind : {Kind::kOutage, Kind::kOneWayOutage}) {
    scenario.happenings = {{kind, 0.5, 10s}};
    const RunResult result = RunTransfer(scenario);
    EXPECT_EQ(result.failure, "");
    // The line's time, the outage, and a second to get going again.
    EXPECT_LT(result.elapsed, Duration(5500ms + 10s + 1s));
  }
}

TEST(Transfer, SurvivesRebindingAgainAndAgain) {
  Scenario scenario = Plain();
  scenario.homes = true;
  for (const Kind kind :
       {Kind::kRebindSender, Kind::kRebindReceiver, Kind::kRenumberSender}) {
    scenario.happenings.clear();
    for (int i = 1; i < 10; ++i) {
      scenario.happenings.push_back({kind, 0.1 * i, {}});
    }
    ExpectSuccess(scenario);
  }
}

TEST(Transfer, SurvivesAPathThatTakesOnlySmallerPackets) {
  Scenario scenario = Plain();
  scenario.happenings = {{Kind::kSmallerMtu, 0.5, {}}};
  ExpectSuccess(scenario);
}

TEST(Transfer, SurvivesStorms) {
  Scenario scenario = Plain();
  scenario.to_receiver.rate = scenario.to_sender.rate = 50'000'000;
  scenario.happenings = {{Kind::kStorm, 0.1, 500ms},
                         {Kind::kStorm, 0.6, 500ms}};
  ExpectSuccess(scenario);
}

TEST(Transfer, SurvivesAnAttackerOnThePathAtFivePercentOfEverything) {
  Scenario scenario = Plain();
  scenario.attacker = {.flip = 0.05,
                       .truncate = 0.05,
                       .replay = 0.05,
                       .reflect = 0.05,
                       .invent = 0.05};
  for (const bool homes : {false, true}) {
    scenario.homes = homes;
    ExpectSuccess(scenario);
  }
}

TEST(Transfer, AtHalfOfEverythingTamperedIsRightOrAbsent) {
  Scenario scenario = Plain();
  scenario.attacker = {.flip = 0.5,
                       .truncate = 0.5,
                       .replay = 0.5,
                       .reflect = 0.5,
                       .invent = 0.5};
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    scenario.seed = seed;
    const RunResult result = RunTransfer(scenario);
    EXPECT_TRUE(result.sound) << seed;
  }
}

TEST(Transfer, FilesThatAreEmptyOrOneByteLongArrive) {
  Scenario scenario = Plain();
  scenario.file_sizes = {0, 1, 4 << 20, 0, 1};
  ExpectSuccess(scenario);
  scenario.file_sizes = {0};
  ExpectSuccess(scenario);
}

TEST(Transfer, ALineCutForGoodEndsBothSidesAndLeavesNothing) {
  Scenario scenario = Plain();
  scenario.happenings = {{Kind::kOutage, 0.5, 1h}};
  const RunResult result = RunTransfer(scenario);
  ASSERT_TRUE(result.sender.error && result.receiver.error) << result.failure;
  EXPECT_EQ(result.sender.error->code, ErrorCode::kConnectionLost);
  EXPECT_EQ(result.receiver.error->code, ErrorCode::kConnectionLost);
  EXPECT_LT(result.elapsed, Duration(3s + 47s));
  EXPECT_TRUE(result.names.empty());
}

TEST(Transfer, TheSurvivorOfAKillEndsAndNothingHalfIsLeft) {
  for (const Kind kind : {Kind::kKillSender, Kind::kKillReceiver}) {
    Scenario scenario = Plain();
    scenario.happenings = {{kind, 0.5, {}}};
    const RunResult result = RunTransfer(scenario);
    const SideResult& survivor =
        kind == Kind::kKillSender ? result.receiver : result.sender;
    ASSERT_TRUE(survivor.error) << result.failure;
    EXPECT_EQ(survivor.error->code, ErrorCode::kConnectionLost);
    EXPECT_LT(result.elapsed, Duration(3s + 47s));
    EXPECT_TRUE(result.names.empty());
  }
}

TEST(Transfer, WhoGivesUpTellsTheOther) {
  for (const Kind kind : {Kind::kCancelSender, Kind::kCancelReceiver}) {
    Scenario scenario = Plain();
    scenario.happenings = {{kind, 0.5, {}}};
    const RunResult result = RunTransfer(scenario);
    EXPECT_TRUE(result.sender.error && result.receiver.error) << result.failure;
    EXPECT_LT(result.elapsed, Duration(3s + 3s));
    EXPECT_TRUE(result.names.empty());
  }
}

TEST(Transfer, IsTheSameForTheSameSeed) {
  const Scenario scenario = DrawScenario(7);
  const RunResult first = RunTransfer(scenario);
  const RunResult second = RunTransfer(scenario);
  EXPECT_EQ(first.steps, second.steps);
  EXPECT_EQ(first.elapsed, second.elapsed);
  EXPECT_EQ(first.bytes_sent, second.bytes_sent);
}

// What limited a run, which both sides say alike.
Bottleneck BottleneckOf(const Scenario& scenario) {
  const RunResult result = RunTransfer(scenario);
  EXPECT_EQ(result.failure, "");
  if (!result.sender.report || !result.receiver.report) {
    ADD_FAILURE() << "no report";
    return Bottleneck::kNone;
  }
  EXPECT_EQ(result.sender.report->bottleneck,
            result.receiver.report->bottleneck);
  return result.sender.report->bottleneck;
}

TEST(Transfer, BothSidesSayThatTheLineWasTheBottleneck) {
  EXPECT_EQ(BottleneckOf(Plain()), Bottleneck::kPath);
  Scenario lossy = Plain();
  lossy.to_receiver.rate = lossy.to_sender.rate = 50'000'000;
  lossy.to_receiver.loss = lossy.to_sender.loss = 0.05;
  EXPECT_EQ(BottleneckOf(lossy), Bottleneck::kPath);
}

TEST(Transfer, BothSidesSayWhoseDiskWasTheBottleneck) {
  Scenario scenario = Plain();
  scenario.to_receiver.rate = scenario.to_sender.rate = 100'000'000;
  scenario.to_receiver.delay = scenario.to_sender.delay = 1ms;
  scenario.file_sizes = {32 << 20};
  // Jobs of 256 KiB at the sender: about 5 MB/s.
  scenario.slow_side = Side::kSender;
  scenario.disk.latency = 100ms;
  EXPECT_EQ(BottleneckOf(scenario), Bottleneck::kSenderDisk);
  // Of up to 1 MiB at the receiver.
  scenario.slow_side = Side::kReceiver;
  scenario.disk.latency = 300ms;
  EXPECT_EQ(BottleneckOf(scenario), Bottleneck::kReceiverDisk);
}

class TransferOverSeeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(TransferOverSeeds, EndsBitIdenticalInBoundedTime) {
  for (const std::uint64_t seed : SeedsOfDeck(GetParam(), kDecks, kSeeds)) {
    RunAndReport(DrawScenario(seed),
                 "bazel run //tests/sim:transfer_sim_test -- --seed=" +
                     std::to_string(seed));
  }
}

INSTANTIATE_TEST_SUITE_P(Decks, TransferOverSeeds,
                         testing::Range(std::uint64_t{0}, kDecks));

}  // namespace
}  // namespace p2pcp::sim
