#include "net/ice/guess_stage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace p2pcp::ice {
namespace {

constexpr TimePoint kStart{1s};

struct Sent {
  TimePoint at;
  GuessStage::Transmit transmit;
};

class GuessStageTest : public testing::Test {
 protected:
  std::vector<Sent> Run(const GuessStage::Config& config) {
    GuessStage stage(kStart, config, random_);
    std::vector<Sent> sent;
    TimePoint now = kStart;
    while (const auto next = stage.PollTimeout()) {
      now = std::max(now, *next);
      while (const auto transmit = stage.PollTransmit(now)) {
        sent.push_back({now, *transmit});
      }
    }
    EXPECT_EQ(stage.sent(), static_cast<int>(sent.size()));
    return sent;
  }
  static GuessStage::Config Make(TacticKind kind, int sockets) {
    GuessStage::Config config;
    config.tactic.kind = kind;
    config.peer = *IpAddress::Parse("203.0.113.7");
    config.endpoints = {*SocketAddress::Parse("203.0.113.7:6000")};
    config.sockets = sockets;
    return config;
  }
  static constexpr PortModel kRandom{.allocation = PortAllocation::kRandom};
  static constexpr PortModel kBlock{
      .allocation = PortAllocation::kBlock, .low = 30720, .high = 31231};
  static constexpr PortModel kSequence{
      .allocation = PortAllocation::kSequential, .last = 20000, .step = 2};

  SeededRandom random_{1};
};

TEST_F(GuessStageTest, GuessesEachPortOnceWithinItsBounds) {
  GuessStage::Config config = Make(TacticKind::kGuess, 0);
  config.theirs = kRandom;
  const std::vector<Sent> sent = Run(config);
  EXPECT_EQ(sent.size(), 1500u);
  std::set<std::uint16_t> ports;
  for (const Sent& guess : sent) {
    EXPECT_EQ(guess.transmit.socket, GuessStage::kMainSocket);
    EXPECT_EQ(guess.transmit.to.ip, config.peer);
    EXPECT_EQ(guess.transmit.hop_limit, 0);
    EXPECT_TRUE(IsGuessable(guess.transmit.to.port));
    ports.insert(guess.transmit.to.port);
  }
  EXPECT_EQ(ports.size(), sent.size());
  // 500 a second.
  EXPECT_EQ(sent[1499].at - sent[0].at, 1499 * kGuessInterval);
  config.attempt = 1;
  EXPECT_EQ(Run(config).size(), 1500u);
}

TEST_F(GuessStageTest, SparesThePortsOfServices) {
  for (const int port : {22, 1023, 1720, 1900, 5060, 5353, 11211}) {
    EXPECT_FALSE(IsGuessable(static_cast<std::uint16_t>(port))) << port;
  }
  EXPECT_TRUE(IsGuessable(1024));
  EXPECT_TRUE(IsGuessable(65535));
  GuessStage::Config config = Make(TacticKind::kGuess, 0);
  config.theirs = {
      .allocation = PortAllocation::kBlock, .low = 5056, .high = 5066};
  for (const Sent& guess : Run(config)) {
    EXPECT_TRUE(IsGuessable(guess.transmit.to.port));
  }
}

// What has not been hit by then is not lost: it can't be hit.
TEST_F(GuessStageTest, GuessesInABlockTwiceAndAgainFromAnotherSocket) {
  GuessStage::Config config = Make(TacticKind::kGuess, 0);
  config.theirs = kBlock;
  for (const int attempt : {0, 1}) {
    config.attempt = attempt;
    std::map<std::uint16_t, int> counts;
    for (const Sent& guess : Run(config)) ++counts[guess.transmit.to.port];
    EXPECT_EQ(counts.size(), 512u);
    EXPECT_EQ(counts.begin()->first, 30720);
    EXPECT_EQ(counts.rbegin()->first, 31231);
    for (const auto& [port, count] : counts) {
      EXPECT_GE(count, 2) << port;
      EXPECT_LE(count, 2 + attempt) << port;
    }
  }
}

TEST_F(GuessStageTest, FewPortsAreNotGivenUpBeforeThePeerHasBegun) {
  GuessStage::Config config = Make(TacticKind::kGuess, 0);
  config.theirs = kSequence;
  EXPECT_EQ(Run(config).size(), 500u);
}

TEST_F(GuessStageTest, FollowsASequence) {
  GuessStage::Config config = Make(TacticKind::kGuess, 0);
  config.theirs = kSequence;
  const std::vector<Sent> sent = Run(config);
  EXPECT_EQ(sent[0].transmit.to.port, 20016);
  EXPECT_EQ(sent[1].transmit.to.port, 20018);
  // Down a sequence too, and not beyond the ports that there are.
  config.theirs.step = -1;
  config.theirs.last = 1030;
  for (const Sent& guess : Run(config)) {
    EXPECT_LT(guess.transmit.to.port, 1030);
    EXPECT_GE(guess.transmit.to.port, 1024);
  }
}

TEST_F(GuessStageTest, OpensWithEachSocketFourTimes) {
  const GuessStage::Config config = Make(TacticKind::kOpen, 256);
  const std::vector<Sent> sent = Run(config);
  EXPECT_EQ(sent.size(), 1024u);
  std::map<std::pair<int, int>, int> counts;
  for (const Sent& opener : sent) {
    EXPECT_EQ(opener.transmit.to, config.endpoints[0]);
    ++counts[{opener.transmit.socket, opener.transmit.hop_limit}];
  }
  for (int socket = 0; socket < 256; ++socket) {
    // Half of them go all the way once, where that may do harm.
    const int far = socket % 2 == 0 ? 1 : 0;
    EXPECT_EQ((counts[{socket, 4}]), 4 - far);
    EXPECT_EQ((counts[{socket, 0}]), far);
  }
  EXPECT_EQ(sent[255].at - sent[0].at, 255 * kOpenInterval);
  EXPECT_EQ(sent[256].at - sent[0].at, 600ms);
}

TEST_F(GuessStageTest, NeverSendsMoreThanAStageMayWhateverThereIsToOpen) {
  GuessStage::Config config = Make(TacticKind::kOpen, 256);
  config.endpoints.push_back(*SocketAddress::Parse("203.0.113.7:6001"));
  EXPECT_EQ(Run(config).size(), 1500u);
  config.budget = 100;
  EXPECT_EQ(Run(config).size(), 100u);
  config.budget = 0;
  EXPECT_TRUE(Run(config).empty());
}

TEST_F(GuessStageTest, MeetsAheadOfASequence) {
  GuessStage::Config config = Make(TacticKind::kMeet, 25);
  config.theirs = kSequence;
  const std::vector<Sent> sent = Run(config);
  EXPECT_EQ(sent.size(), 100u);
  for (const Sent& packet : sent) {
    EXPECT_EQ(packet.transmit.to.port, 20040);
  }
  EXPECT_EQ(sent[24].transmit.socket, 24);
  EXPECT_EQ(sent[25].transmit.socket, 0);
  config.attempt = 1;
  config.sockets = 100;
  EXPECT_EQ(Run(config)[0].transmit.to.port, 20120);
}

TEST_F(GuessStageTest, DrawsNoTicketTwiceButForWhatWasAnOpener) {
  GuessStage::Config config = Make(TacticKind::kLottery, 256);
  config.ours = config.theirs = kBlock;
  const std::vector<Sent> sent = Run(config);
  ASSERT_EQ(sent.size(), 3000u);
  std::set<std::pair<int, std::uint16_t>> tickets;
  std::set<std::uint16_t> ports;
  int far = 0;
  for (std::size_t i = 0; i < 1500; ++i) {
    const GuessStage::Transmit& packet = sent[i].transmit;
    const GuessStage::Transmit& again = sent[i + 1500].transmit;
    EXPECT_GE(packet.to.port, 30720);
    EXPECT_LE(packet.to.port, 31231);
    tickets.emplace(packet.socket, packet.to.port);
    ports.insert(packet.to.port);
    far += packet.hop_limit == 0;
    if (i >= 3 * 256) continue;
    EXPECT_EQ(again.socket, packet.socket);
    EXPECT_EQ(again.to, packet.to);
    EXPECT_EQ(packet.hop_limit + again.hop_limit, 4);
  }
  EXPECT_EQ(tickets.size(), 1500u);
  // All sockets at one port, then at the next.
  EXPECT_EQ(ports.size(), 6u);
  for (std::size_t i = 1500 + 3 * 256; i < 3000; ++i) {
    EXPECT_TRUE(
        tickets.emplace(sent[i].transmit.socket, sent[i].transmit.to.port)
            .second);
  }
  // 500 a second arrive, and as many openers are between them.
  EXPECT_EQ(sent[1499].at - sent[0].at, 1499 * kOpenInterval);
  EXPECT_NEAR(far, 750, 1);
}

// All sockets at one port, then at the next: openers, and the second time
// further ahead and all the way.
TEST_F(GuessStageTest, ABlockAimsAtFewPortsOfASequence) {
  GuessStage::Config config = Make(TacticKind::kLottery, 256);
  config.ours = kBlock;
  config.theirs = kSequence;
  const std::vector<Sent> sent = Run(config);
  ASSERT_EQ(sent.size(), 3000u);
  for (int i = 0; i < 3000; ++i) {
    const GuessStage::Transmit& packet =
        sent[static_cast<std::size_t>(i)].transmit;
    const int stage = i / kMaxProbesPerStage;
    const int within = i % kMaxProbesPerStage;
    const int steps = (stage == 0 ? 20 : 50) + within / 256;
    EXPECT_EQ(packet.socket, within % 256);
    EXPECT_EQ(packet.to.port, 20000 + 2 * steps);
    EXPECT_EQ(packet.hop_limit, stage == 0 ? 4 : 0);
  }
  EXPECT_EQ(sent[1499].at - sent[0].at, 1499 * kOpenInterval);
  EXPECT_EQ(sent[2999].at - sent[1500].at, 1499 * kGuessInterval);
}

// Whatever of it is aimed at, a flow goes from there to the block, and is
// repeated where it is aimed at first.
TEST_F(GuessStageTest, ASequenceHoldsAFlowForEachPortThatIsAimedAt) {
  GuessStage::Config config = Make(TacticKind::kLottery, kAimedAtSockets);
  config.ours = kSequence;
  config.theirs = kBlock;
  const std::vector<Sent> sent = Run(config);
  ASSERT_EQ(sent.size(), 1500u);
  std::map<int, std::set<std::uint16_t>> ports;
  std::map<int, int> counts;
  for (const Sent& packet : sent) {
    EXPECT_GE(packet.transmit.to.port, 30720);
    EXPECT_LE(packet.transmit.to.port, 31231);
    EXPECT_EQ(packet.transmit.hop_limit, 0);
    ports[packet.transmit.socket].insert(packet.transmit.to.port);
    ++counts[packet.transmit.socket];
  }
  EXPECT_EQ(ports.size(), 80u);
  std::set<std::uint16_t> all;
  for (int socket = 0; socket < 80; ++socket) {
    EXPECT_EQ(ports[socket].size(), 1u);
    EXPECT_EQ(ports[socket], ports[socket / 4 * 4]);
    all.merge(std::set<std::uint16_t>(ports[socket]));
    EXPECT_GE(counts[socket], socket < 32 ? 45 : 1);
  }
  EXPECT_EQ(all.size(), 20u);
  // The one after the other, as the NAT gives out its ports.
  for (int i = 0; i < 80; ++i) {
    EXPECT_EQ(sent[static_cast<std::size_t>(i)].transmit.socket, i);
  }
}

TEST_F(GuessStageTest, FewSocketsAimAtMorePorts) {
  GuessStage::Config config = Make(TacticKind::kLottery, 100);
  config.ours = kBlock;
  config.theirs = kSequence;
  std::set<std::pair<int, std::uint16_t>> tickets;
  for (const Sent& packet : Run(config)) {
    tickets.emplace(packet.transmit.socket, packet.transmit.to.port);
  }
  EXPECT_EQ(tickets.size(), 3000u);
}

TEST_F(GuessStageTest, ALateTimerMakesNoBurst) {
  GuessStage::Config config = Make(TacticKind::kGuess, 0);
  config.theirs = kRandom;
  GuessStage stage(kStart, config, random_);
  int burst = 0;
  while (stage.PollTransmit(kStart + 5s)) ++burst;
  EXPECT_LE(burst, 8);
}

TEST_F(GuessStageTest, AStageThatCanNotGuessSendsNothing) {
  GuessStage::Config config = Make(TacticKind::kMeet, 25);
  config.theirs = kSequence;
  config.theirs.last = 65500;
  config.theirs.step = 20;
  EXPECT_TRUE(Run(config).empty());
}

}  // namespace
}  // namespace p2pcp::ice
