// The agent by itself: every input by hand, every output looked at.

#include "net/ice/agent.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace p2pcp::ice {
namespace {

constexpr TimePoint kStart{1s};
constexpr std::size_t kProbeSize = 46;

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

Candidate Make(std::string_view address,
               CandidateType type = CandidateType::kHost) {
  return {.type = type,
          .address = At(address),
          .base = {},
          .priority = ComputePriority(type, 100),
          .socket = 0};
}

class AgentTest : public testing::Test {
 protected:
  void Start(Role role, std::vector<Candidate> remote) {
    agent_.emplace(Agent::Config{.role = role, .probe_size = kProbeSize},
                   random_);
    agent_->AddLocalCandidates(kStart, std::vector{Make("10.0.0.1:5000")});
    agent_->AddRemoteCandidates(kStart, remote);
  }
  // All that goes out at now, but for openers.
  std::vector<Agent::Transmit> Drain(TimePoint now) {
    agent_->HandleTimeout(now);
    std::vector<Agent::Transmit> out;
    while (auto transmit = agent_->PollTransmit(now)) {
      if (transmit->hop_limit == 0) {
        out.push_back(*transmit);
      } else {
        openers_.emplace_back(now, *transmit);
      }
    }
    const auto next = agent_->PollTimeout();
    EXPECT_TRUE(!next || *next > now) << "would spin";
    return out;
  }
  const Pair* Receive(TimePoint now, std::string_view from, Probe probe) {
    return agent_->HandleProbe(now, 0, At(from), kProbeSize, probe);
  }
  // Runs until end; what went out, and when.
  std::vector<std::pair<TimePoint, Agent::Transmit>> RunUntil(TimePoint end) {
    std::vector<std::pair<TimePoint, Agent::Transmit>> out;
    TimePoint now = kStart;
    while (now <= end) {
      for (const auto& transmit : Drain(now)) out.emplace_back(now, transmit);
      const auto next = agent_->PollTimeout();
      if (!next) break;
      now = *next;
    }
    return out;
  }

  SeededRandom random_{1};
  std::optional<Agent> agent_;
  std::vector<std::pair<TimePoint, Agent::Transmit>> openers_;
};

TEST_F(AgentTest, ChecksPairsByPriorityFiveMillisecondsApart) {
  Start(Role::kControlling,
        {Make("203.0.113.7:6000", CandidateType::kServerReflexive),
         Make("10.0.0.2:6000")});
  const auto sent = RunUntil(kStart + 15ms);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].first, kStart);
  EXPECT_EQ(sent[0].second.to, At("10.0.0.2:6000"));
  EXPECT_EQ(sent[1].first, kStart + kTa);
  EXPECT_EQ(sent[1].second.to, At("203.0.113.7:6000"));
  EXPECT_NE(sent[0].second.probe.challenge, 0u);
  EXPECT_EQ(sent[0].second.probe.echo, 0u);
  EXPECT_FALSE(sent[0].second.probe.selected);
  EXPECT_EQ(sent[0].second.hop_limit, 0);
}

TEST_F(AgentTest, GivesUpAfterTenSecondsAndTenChecks) {
  Start(Role::kControlling, {Make("203.0.113.7:6000")});
  const auto sent = RunUntil(kStart + 60s);
  EXPECT_EQ(sent.size(), 10u);
  EXPECT_EQ(agent_->PollEvent(), Agent::Event::kFailed);
  EXPECT_FALSE(agent_->PollEvent().has_value());
  EXPECT_FALSE(agent_->PollTimeout().has_value());
  EXPECT_EQ(Receive(kStart + 11s, "203.0.113.7:6000", {.challenge = 1}),
            nullptr);
}

TEST_F(AgentTest, GivesUpWithoutAnyPairToo) {
  Start(Role::kControlling, {Make("[2001:db8::1]:6000")});
  EXPECT_TRUE(RunUntil(kStart + 9999ms).empty());
  EXPECT_FALSE(agent_->PollEvent().has_value());
  RunUntil(kStart + 10s);
  EXPECT_EQ(agent_->PollEvent(), Agent::Event::kFailed);
}

TEST_F(AgentTest, GivesALateCandidateTimeButNotWithoutEnd) {
  Start(Role::kControlling, {Make("203.0.113.7:6000")});
  RunUntil(kStart + 9s);
  agent_->AddRemoteCandidates(kStart + 9s, std::vector{Make("10.0.0.2:6000")});
  Drain(kStart + 12999ms);
  EXPECT_FALSE(agent_->PollEvent().has_value());
  Drain(kStart + kFailAtLast);
  EXPECT_EQ(agent_->PollEvent(), Agent::Event::kFailed);
}

TEST_F(AgentTest, WaitsForThePeersCandidatesWithoutEnd) {
  agent_.emplace(
      Agent::Config{.role = Role::kControlling, .probe_size = kProbeSize},
      random_);
  agent_->AddLocalCandidates(kStart, std::vector{Make("10.0.0.1:5000")});
  EXPECT_FALSE(agent_->PollTimeout().has_value());
}

TEST_F(AgentTest, SelectsAtTheFirstEchoWithoutWaiting) {
  Start(Role::kControlling, {Make("203.0.113.7:6000")});
  const auto sent = Drain(kStart);
  ASSERT_EQ(sent.size(), 1u);
  Receive(kStart + 30ms, "203.0.113.7:6000",
          {.challenge = 99, .echo = sent[0].probe.challenge});
  EXPECT_EQ(agent_->PollEvent(), Agent::Event::kSelected);
  ASSERT_NE(agent_->selected(), nullptr);
  EXPECT_EQ(agent_->selected()->min_rtt(), 30ms);
  const auto answer = Drain(kStart + 30ms);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].probe.echo, 99u);
  EXPECT_TRUE(answer[0].probe.selected);
  // And at least three more, so that the other side learns.
  EXPECT_GE(RunUntil(kStart + 1s).size(), 3u);
}

// The other side has its proof already and asks nothing; it still learns of the
// nomination without waiting for a timer.
TEST_F(AgentTest, NominatesAtOnceEvenIfNoAnswerIsOwed) {
  Start(Role::kControlling, {Make("203.0.113.7:6000")});
  const auto sent = Drain(kStart);
  Receive(kStart + 30ms, "203.0.113.7:6000", {.echo = sent[0].probe.challenge});
  const auto nomination = Drain(kStart + 30ms);
  ASSERT_EQ(nomination.size(), 1u);
  EXPECT_TRUE(nomination[0].probe.selected);
}

TEST_F(AgentTest, TakesNoEchoFromAnotherAddressForProof) {
  Start(Role::kControlling, {Make("203.0.113.7:6000")});
  const auto sent = Drain(kStart);
  const Pair* pair = Receive(kStart + 30ms, "203.0.113.7:6001",
                             {.echo = sent[0].probe.challenge});
  ASSERT_NE(pair, nullptr);
  EXPECT_FALSE(pair->proven());
  EXPECT_EQ(agent_->selected(), nullptr);
}

TEST_F(AgentTest, ChecksAnUnknownSourceAndTakesItByProof) {
  Start(Role::kControlling, {Make("203.0.113.7:6000")});
  Drain(kStart);
  Receive(kStart + 10ms, "203.0.113.7:7777", {.challenge = 5});
  const auto check = Drain(kStart + 10ms);
  ASSERT_EQ(check.size(), 1u);
  EXPECT_EQ(check[0].to, At("203.0.113.7:7777"));
  EXPECT_EQ(check[0].probe.echo, 5u);
  ASSERT_NE(check[0].probe.challenge, 0u);
  EXPECT_EQ(agent_->selected(), nullptr);
  Receive(kStart + 20ms, "203.0.113.7:7777",
          {.echo = check[0].probe.challenge});
  ASSERT_NE(agent_->selected(), nullptr);
  EXPECT_EQ(agent_->selected()->remote(), At("203.0.113.7:7777"));
  EXPECT_EQ(agent_->selected()->remote_type(), CandidateType::kPeerReflexive);
}

// A forged source gets no more bytes than came from it.
TEST_F(AgentTest, SendsAProbeForAProbeToAnUnprovenSource) {
  Start(Role::kControlling, {});
  Receive(kStart, "203.0.113.66:7777", {.challenge = 5});
  EXPECT_EQ(RunUntil(kStart + 1s).size(), 1u);
  Receive(kStart + 1s, "203.0.113.66:7777", {.challenge = 6});
  EXPECT_EQ(RunUntil(kStart + 9s).size(), 1u);
}

TEST_F(AgentTest, AnswersOnceAndWithoutAChallengeWhenProven) {
  Start(Role::kControlling, {Make("203.0.113.7:6000")});
  const auto sent = Drain(kStart);
  Receive(kStart + 1ms, "203.0.113.7:6000", {.echo = sent[0].probe.challenge});
  RunUntil(kStart + 1s);
  Receive(kStart + 2s, "203.0.113.7:6000", {.challenge = 6});
  const auto answer = Drain(kStart + 2s);
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].probe.challenge, 0u);
  EXPECT_EQ(answer[0].probe.echo, 6u);
  Receive(kStart + 3s, "203.0.113.7:6000", {.echo = 12345});
  EXPECT_TRUE(Drain(kStart + 3s).empty());
}

TEST_F(AgentTest, ControlledSelectsWhatIsNominatedOnceItIsProven) {
  Start(Role::kControlled, {Make("10.0.0.7:6000"), Make("10.0.0.2:6000")});
  const auto sent = RunUntil(kStart + 10ms);
  ASSERT_EQ(sent.size(), 2u);
  for (const auto& [time, transmit] : sent) {
    agent_->HandleProbe(kStart + 20ms, 0, transmit.to, kProbeSize,
                        {.echo = transmit.probe.challenge});
  }
  EXPECT_EQ(agent_->selected(), nullptr);
  Receive(kStart + 30ms, "10.0.0.7:6000", {.selected = true});
  EXPECT_EQ(agent_->PollEvent(), Agent::Event::kSelected);
  EXPECT_EQ(agent_->selected()->remote(), At("10.0.0.7:6000"));
}

TEST_F(AgentTest, ControlledRemembersANominationUntilProof) {
  Start(Role::kControlled, {Make("10.0.0.7:6000")});
  const auto sent = Drain(kStart);
  Receive(kStart + 10ms, "10.0.0.7:6000", {.challenge = 3, .selected = true});
  EXPECT_EQ(agent_->selected(), nullptr);
  Receive(kStart + 20ms, "10.0.0.7:6000", {.echo = sent[0].probe.challenge});
  EXPECT_NE(agent_->selected(), nullptr);
}

// The peer's payload says what its nomination would have said.
TEST_F(AgentTest, ControlledTakesPayloadForANomination) {
  Start(Role::kControlled, {Make("10.0.0.7:6000")});
  const auto sent = Drain(kStart);
  Receive(kStart + 20ms, "10.0.0.7:6000", {.echo = sent[0].probe.challenge});
  const Pair* pair =
      agent_->HandlePacket(kStart + 21ms, 0, At("10.0.0.7:6000"), 1200);
  agent_->HandleNomination(kStart + 21ms, pair->id());
  EXPECT_EQ(agent_->PollEvent(), Agent::Event::kSelected);
}

// Between two checks that are 2 s apart.
TEST_F(AgentTest, ChallengesAtOnceWherePayloadComesUnproven) {
  Start(Role::kControlled, {Make("10.0.0.7:6000")});
  RunUntil(kStart + 1s);
  for (int i = 0; i < 100; ++i) {
    const Pair* pair = agent_->HandlePacket(kStart + 1s + i * 1us, 0,
                                            At("10.0.0.7:6000"), 1200);
    agent_->HandleNomination(kStart + 1s + i * 1us, pair->id());
  }
  const auto sent = Drain(kStart + 1s + 100us);
  ASSERT_EQ(sent.size(), 1u);
  Receive(kStart + 1040ms, "10.0.0.7:6000", {.echo = sent[0].probe.challenge});
  EXPECT_NE(agent_->selected(), nullptr);
}

TEST_F(AgentTest, ControllingTakesABetterPairForAShortWhile) {
  Start(Role::kControlling, {Make("203.0.113.7:6000"), Make("10.0.0.2:6000")});
  const auto sent = RunUntil(kStart + 10ms);
  ASSERT_EQ(sent.size(), 2u);
  const auto& far =
      sent[0].second.to == At("203.0.113.7:6000") ? sent[0] : sent[1];
  Receive(kStart + 40ms, "203.0.113.7:6000",
          {.echo = far.second.probe.challenge});
  EXPECT_EQ(agent_->selected()->remote(), At("203.0.113.7:6000"));
  // The near one lost its first packet.
  std::uint64_t challenge = 0;
  TimePoint asked;
  for (const auto& [time, transmit] : RunUntil(kStart + 120ms)) {
    if (transmit.to != At("10.0.0.2:6000")) continue;
    challenge = transmit.probe.challenge;
    asked = time;
  }
  ASSERT_NE(challenge, 0u);
  Receive(asked + 1ms, "10.0.0.2:6000", {.echo = challenge});
  // Not within 500 ms of the first choice.
  EXPECT_EQ(agent_->selected()->remote(), At("203.0.113.7:6000"));
  Drain(kStart + 539ms);
  EXPECT_EQ(agent_->selected()->remote(), At("203.0.113.7:6000"));
  Drain(kStart + 540ms);
  EXPECT_EQ(agent_->selected()->remote(), At("10.0.0.2:6000"));
}

TEST_F(AgentTest, KeepsTheSecondBestAsStandby) {
  Start(Role::kControlling, {Make("203.0.113.7:6000"), Make("10.0.0.2:6000")});
  EXPECT_EQ(agent_->standby(kStart), nullptr);
  for (const auto& [time, transmit] : RunUntil(kStart + 10ms)) {
    agent_->HandleProbe(kStart + 11ms, 0, transmit.to, kProbeSize,
                        {.echo = transmit.probe.challenge});
  }
  const Pair* standby = agent_->standby(kStart + 1s);
  ASSERT_NE(standby, nullptr);
  EXPECT_NE(standby, agent_->selected());
  EXPECT_EQ(agent_->standby(kStart + 30s), nullptr);
}

TEST_F(AgentTest, PingsOnce) {
  Start(Role::kControlling, {Make("203.0.113.7:6000")});
  const auto sent = Drain(kStart);
  Receive(kStart + 1ms, "203.0.113.7:6000", {.echo = sent[0].probe.challenge});
  RunUntil(kStart + 5s);
  agent_->Ping(agent_->selected()->id());
  const auto ping = Drain(kStart + 5s);
  ASSERT_EQ(ping.size(), 1u);
  EXPECT_NE(ping[0].probe.challenge, 0u);
  EXPECT_TRUE(ping[0].probe.selected);
  EXPECT_TRUE(Drain(kStart + 6s).empty());
}

TEST_F(AgentTest, ChecksEverythingAgainOnDemand) {
  Start(Role::kControlling, {Make("203.0.113.7:6000"), Make("10.0.0.2:6000")});
  const auto sent = Drain(kStart);
  agent_->HandleProbe(kStart + 1ms, 0, sent[0].to, kProbeSize,
                      {.echo = sent[0].probe.challenge});
  RunUntil(kStart + 20s);
  agent_->CheckAll(kStart + 20s);
  std::vector<SocketAddress> to;
  for (const TimePoint now : {kStart + 20s, kStart + 20s + kTa}) {
    for (const auto& transmit : Drain(now)) to.push_back(transmit.to);
  }
  EXPECT_EQ(to.size(), 2u);
}

// --- Openers (net/ice/PROTOCOL.md 1) ---

TEST_F(AgentTest, OffererOpensEachNatOnceAndChecksAtOnce) {
  Start(Role::kControlling,
        {Make("203.0.113.7:6000", CandidateType::kServerReflexive),
         Make("[2001:db8::1]:6000"), Make("10.0.0.2:6000")});
  const auto sent = RunUntil(kStart + 9s);
  ASSERT_EQ(openers_.size(), 1u);  // There is no IPv6 socket.
  EXPECT_EQ(openers_[0].first, kStart);
  EXPECT_EQ(openers_[0].second.to, At("203.0.113.7:6000"));
  EXPECT_EQ(openers_[0].second.hop_limit, kOpenerHopLimit);
  EXPECT_EQ(sent.size(), 20u);
  EXPECT_EQ(sent[1].second.to, At("203.0.113.7:6000"));
  EXPECT_EQ(sent[1].first, kStart + kTa);
}

TEST_F(AgentTest, AnswererOpensWithoutPacingAndChecksAfterAWhile) {
  Start(Role::kControlled, {Make("203.0.113.7:6000"), Make("203.0.113.7:7000"),
                            Make("10.0.0.2:6000")});
  const auto private_check = Drain(kStart);
  EXPECT_EQ(openers_.size(), 2u);
  ASSERT_EQ(private_check.size(), 1u);
  EXPECT_EQ(private_check[0].to, At("10.0.0.2:6000"));
  for (const auto& [time, transmit] : RunUntil(kStart + kOpenersOnly - 1ms)) {
    EXPECT_EQ(transmit.to, At("10.0.0.2:6000"));
  }
  EXPECT_EQ(openers_.size(), 12u);  // At 0, 20, 60, 150, 350 and 800 ms.
  bool checked = false;
  for (const auto& [time, transmit] : RunUntil(kStart + 5s)) {
    checked |= transmit.to == At("203.0.113.7:7000");
  }
  EXPECT_TRUE(checked);
  EXPECT_EQ(openers_.size(), 12u);
}

TEST_F(AgentTest, APacketOfThePeersEndsOpening) {
  Start(Role::kControlled, {Make("203.0.113.7:6000")});
  EXPECT_TRUE(Drain(kStart).empty());
  Receive(kStart + 10ms, "203.0.113.9:7000", {.challenge = 1});
  for (const auto& transmit : Drain(kStart + 10ms)) {
    EXPECT_EQ(transmit.to, At("203.0.113.9:7000"));
  }
  const auto sent = RunUntil(kStart + 20ms);
  EXPECT_TRUE(std::ranges::any_of(sent, [](const auto& s) {
    return s.second.to == At("203.0.113.7:6000");
  }));
  EXPECT_EQ(openers_.size(), 1u);
}

TEST_F(AgentTest, APeerThatIsReadyIsCheckedAtOnce) {
  Start(Role::kControlled, {Make("203.0.113.7:6000")});
  RunUntil(kStart + 420ms);
  agent_->HandlePeerReady(kStart + 430ms);
  EXPECT_EQ(Drain(kStart + 430ms).size(), 1u);
  EXPECT_EQ(openers_.size(), 5u);
}

TEST_F(AgentTest, BehindTheSameNatNobodyOpens) {
  Start(Role::kControlled, {Make("203.0.113.7:6000")});
  Candidate reflexive =
      Make("203.0.113.7:5000", CandidateType::kServerReflexive);
  reflexive.base = At("10.0.0.1:5000");
  agent_.emplace(
      Agent::Config{.role = Role::kControlled, .probe_size = kProbeSize},
      random_);
  agent_->AddLocalCandidates(kStart,
                             std::vector{Make("10.0.0.1:5000"), reflexive});
  agent_->AddRemoteCandidates(kStart, std::vector{Make("203.0.113.7:6000")});
  EXPECT_EQ(Drain(kStart).size(), 1u);
  EXPECT_TRUE(openers_.empty());
}

TEST_F(AgentTest, ASecondAttemptSwapsOrderAndHopLimits) {
  Start(Role::kControlling, {Make("203.0.113.7:6000")});
  RunUntil(kStart + kSecondAttempt);
  openers_.clear();
  agent_->AddRemoteCandidates(kStart + kSecondAttempt,
                              std::vector{Make("203.0.113.7:6001")});
  // The other pair's checks go on.
  for (Duration at = 0ms; at < kOpenersOnly; at += 10ms) {
    for (const auto& transmit : Drain(kStart + kSecondAttempt + at)) {
      EXPECT_EQ(transmit.to, At("203.0.113.7:6000"));
    }
  }
  ASSERT_EQ(openers_.size(), 6u);
  for (int i = 0; i < kShortOpeners; ++i) {
    EXPECT_EQ(openers_[static_cast<std::size_t>(i)].second.hop_limit,
              kShortOpenerHopLimit);
  }
  EXPECT_EQ(openers_[5].second.hop_limit, kLongOpenerHopLimit);
}

}  // namespace
}  // namespace p2pcp::ice
