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
  EXPECT_EQ(sent.size(), 3000u);
  std::set<std::uint16_t> ports;
  for (const Sent& guess : sent) {
    EXPECT_EQ(guess.transmit.socket, GuessStage::kMainSocket);
    EXPECT_EQ(guess.transmit.to.ip, config.peer);
    EXPECT_EQ(guess.transmit.hop_limit, 0);
    EXPECT_TRUE(IsGuessable(guess.transmit.to.port));
    ports.insert(guess.transmit.to.port);
  }
  EXPECT_EQ(ports.size(), sent.size());
  // 500 a second, and a pause between the stages.
  EXPECT_EQ(sent[1499].at - sent[0].at, 1499 * kGuessInterval);
  EXPECT_EQ(sent[1500].at - sent[1499].at, kGuessInterval + kStagePause);
  EXPECT_EQ(sent[2999].at - sent[1500].at, 1499 * kGuessInterval);
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

TEST_F(GuessStageTest, GuessesInABlockAgainAndAgain) {
  GuessStage::Config config = Make(TacticKind::kGuess, 0);
  config.theirs = kBlock;
  const std::vector<Sent> sent = Run(config);
  std::map<std::uint16_t, int> counts;
  for (const Sent& guess : sent) ++counts[guess.transmit.to.port];
  EXPECT_EQ(counts.size(), 512u);
  EXPECT_EQ(counts.begin()->first, 30720);
  EXPECT_EQ(counts.rbegin()->first, 31231);
  for (const auto& [port, count] : counts) {
    EXPECT_GE(count, 5) << port;
    EXPECT_LE(count, 6) << port;
  }
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

TEST_F(GuessStageTest, DrawsNoTicketTwice) {
  GuessStage::Config config = Make(TacticKind::kLottery, 16);
  config.ours = config.theirs = kBlock;
  const std::vector<Sent> sent = Run(config);
  EXPECT_EQ(sent.size(), 3000u);
  std::set<std::pair<int, std::uint16_t>> tickets;
  for (const Sent& packet : sent) {
    EXPECT_GE(packet.transmit.to.port, 30720);
    EXPECT_LE(packet.transmit.to.port, 31231);
    tickets.emplace(packet.transmit.socket, packet.transmit.to.port);
  }
  EXPECT_EQ(tickets.size(), sent.size());
}

TEST_F(GuessStageTest, ASequenceDrawsFewTicketsAndIsSoughtFromItsStart) {
  GuessStage::Config config = Make(TacticKind::kLottery, 16);
  config.ours = kSequence;
  config.theirs = kBlock;
  EXPECT_EQ(Run(config).size(), 300u);
  std::swap(config.ours, config.theirs);
  const std::vector<Sent> sent = Run(config);
  EXPECT_EQ(sent.size(), 3000u);
  EXPECT_EQ(sent[0].transmit.to.port, 20002);
  EXPECT_EQ(sent[299].transmit.to.port, 20600);
  EXPECT_EQ(sent[300].transmit.to.port, 20002);
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
