#include "net/connect/hard_nat.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <vector>

#include "net/stun/binding_responder.h"

namespace p2pcp::connect {
namespace {

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

const std::vector<stun::Observation> kDiffers = {
    {At("198.51.100.1:3478"), At("203.0.113.1:20000")},
    {At("198.51.100.2:3478"), At("203.0.113.1:20001")}};
const std::vector<stun::Observation> kAgrees = {
    {At("198.51.100.1:3478"), At("203.0.113.1:20000")},
    {At("198.51.100.2:3478"), At("203.0.113.1:20000")}};

class HardNatTest : public testing::Test {
 protected:
  // Opens what is wanted and answers STUN requests as the NAT under test
  // would, for that long.
  void Run(Duration time) {
    const TimePoint end = now_ + time;
    while (now_ <= end) {
      nat_->HandleTimeout(now_);
      if (nat_->wanted().generation != generation_) {
        generation_ = nat_->wanted().generation;
        most_ = std::max(most_, nat_->wanted().count);
        std::vector<std::uint16_t> ports(
            static_cast<std::size_t>(nat_->wanted().count));
        for (std::uint16_t& port : ports) port = next_local_++;
        if (nat_->wanted().count > 0 || nat_->wanted().guessing) {
          nat_->HandleOpened(now_, ports);
        }
      }
      std::array<std::byte, 64> out;
      while (const auto transmit = nat_->PollTransmit(now_, out)) {
        if (transmit->size == 0) {
          ++guesses_[transmit->to];
          ++by_socket_[transmit->socket];
          continue;
        }
        if (silent_) continue;
        std::array<std::byte, stun::BindingResponder::kMaxResponseSize> answer;
        stun::BindingResponder responder;
        const std::size_t size = responder.HandleDatagram(
            {.ip = At("203.0.113.1:1").ip,
             .port = easy_ ? std::uint16_t{30000} : next_external_++},
            ByteSpan(out).first(transmit->size), answer);
        EXPECT_TRUE(nat_->HandleStun(now_, transmit->socket, transmit->to,
                                     ByteSpan(answer).first(size)));
      }
      const auto next = nat_->PollTimeout();
      EXPECT_TRUE(!next || *next > now_) << "would spin";
      now_ += 1ms;
    }
  }
  int guesses() const {
    int sum = 0;
    for (const auto& [to, count] : guesses_) sum += count;
    return sum;
  }
  void Start(bool may_guess = true) { nat_.emplace(may_guess, random_); }

  static ice::Nat Peer(ice::Dependence mapping, ice::PortModel ports) {
    ice::Nat nat;
    nat.mapping = mapping;
    nat.ports = ports;
    nat.external = {At("192.0.2.7:1").ip};
    return nat;
  }
  static ice::Nat Easy() {
    return Peer(ice::Dependence::kEndpointIndependent, {});
  }
  static ice::Nat Random() {
    return Peer(ice::Dependence::kAddressAndPortDependent,
                {.allocation = ice::PortAllocation::kRandom});
  }
  static std::vector<ice::Candidate> Candidates(std::string_view address) {
    ice::Candidate candidate;
    candidate.type = ice::CandidateType::kServerReflexive;
    candidate.address = At(address);
    return {candidate};
  }

  SeededRandom random_{1};
  std::optional<HardNat> nat_;
  TimePoint now_{1s};
  std::uint32_t generation_ = 0;
  int most_ = 0;  // Sockets that were wanted at a time.
  std::uint16_t next_local_ = 40000;
  std::uint16_t next_external_ = 20002;
  bool silent_ = false;
  bool easy_ = false;  // Fresh sockets have one outside port each.
  std::map<SocketAddress, int> guesses_;
  std::map<int, int> by_socket_;
};

TEST_F(HardNatTest, AnEasyNatIsNotSampled) {
  Start();
  nat_->SetObservations(now_, kAgrees, 20000);
  Run(1s);
  EXPECT_EQ(generation_, 0u);
  EXPECT_EQ(nat_->nat().mapping, ice::Dependence::kEndpointIndependent);
}

// Between two turns of the loop a server may take back what it said.
TEST_F(HardNatTest, ServersThatAreGoneWhenTheSocketsStandAreNotAsked) {
  Start();
  nat_->SetObservations(now_, kDiffers, 40000);
  ASSERT_EQ(nat_->wanted().count, ice::kPortSamples);
  nat_->SetObservations(now_, {}, 40000);
  const std::vector<std::uint16_t> ports(ice::kPortSamples, 40001);
  nat_->HandleOpened(now_, ports);
  EXPECT_EQ(nat_->wanted().count, 0);
  EXPECT_FALSE(nat_->PollTimeout());
}

// One of 512 ports is the same for two servers once in 512 times.
TEST_F(HardNatTest, AnotherPortThatServersAgreeOnWantsASecondOpinion) {
  Start();
  nat_->SetObservations(now_, kAgrees, 40000);
  EXPECT_EQ(nat_->nat().mapping, ice::Dependence::kEndpointIndependent);
  EXPECT_EQ(nat_->wanted().count, 1);
  EXPECT_FALSE(nat_->wanted().guessing);
  Run(100ms);
  EXPECT_TRUE(nat_->nat().hard());
  EXPECT_EQ(nat_->nat().ports.allocation, ice::PortAllocation::kSequential);
  // The first socket's view does not change that, but another network does.
  nat_->SetObservations(now_, kAgrees, 40000);
  EXPECT_TRUE(nat_->nat().hard());
  std::vector<stun::Observation> elsewhere = kAgrees;
  for (stun::Observation& seen : elsewhere) seen.mapped.port = 40000;
  for (stun::Observation& seen : elsewhere) {
    seen.mapped.ip = At("203.0.113.2:1").ip;
  }
  nat_->SetObservations(now_, elsewhere, 40000);
  EXPECT_FALSE(nat_->nat().hard());
}

TEST_F(HardNatTest, ASecondOpinionThatAgreesIsTheLast) {
  for (const bool silent : {false, true}) {
    Start();
    generation_ = 0;
    easy_ = true;
    silent_ = silent;
    nat_->SetObservations(now_, kAgrees, 40000);
    Run(2s);
    nat_->SetObservations(now_, kAgrees, 40000);
    Run(60s);
    EXPECT_FALSE(nat_->nat().hard());
    EXPECT_EQ(generation_, 2u);
    EXPECT_EQ(most_, 1);
  }
}

TEST_F(HardNatTest, AHardOneIsSampledOnceAndItsSocketsAreClosed) {
  Start();
  nat_->SetObservations(now_, kDiffers, 20000);
  EXPECT_EQ(nat_->wanted().count, ice::kPortSamples);
  EXPECT_FALSE(nat_->wanted().guessing);
  Run(100ms);
  EXPECT_EQ(nat_->wanted().count, 0);
  EXPECT_EQ(nat_->nat().ports.allocation, ice::PortAllocation::kSequential);
  EXPECT_EQ(nat_->nat().ports.last, 20017);
  EXPECT_EQ(nat_->nat().reading, 1);
  Run(60s);
  EXPECT_EQ(generation_, 2u);
}

TEST_F(HardNatTest, WithoutAnswersTheModelIsUnknownAndNothingHangs) {
  Start();
  silent_ = true;
  nat_->SetObservations(now_, kDiffers, 20000);
  Run(HardNat::kSampleTimeout + 10ms);
  EXPECT_EQ(nat_->wanted().count, 0);
  EXPECT_EQ(nat_->nat().ports.allocation, ice::PortAllocation::kUnknown);
  nat_->SetPeer(now_, Easy(), true, Candidates("192.0.2.7:6000"));
  EXPECT_EQ(nat_->wanted().count, ice::kRandomSockets);
}

TEST_F(HardNatTest, NothingHappensWithoutPermission) {
  Start(/*may_guess=*/false);
  nat_->SetObservations(now_, kDiffers, 20000);
  nat_->SetPeer(now_, Easy(), true, Candidates("192.0.2.7:6000"));
  Run(10s);
  // But for the fresh socket.
  EXPECT_LE(most_, 1);
  EXPECT_EQ(guesses(), 0);
}

TEST_F(HardNatTest, AFreshSocketIsTriedOnceWhereThereIsNoPathForLong) {
  Start();
  nat_->SetObservations(now_, kAgrees, 20000);
  nat_->SetPeer(now_, Easy(), true, {});
  Run(HardNat::kFreshAfter - 10ms);
  EXPECT_EQ(most_, 0);
  EXPECT_FALSE(nat_->TakeFresh().has_value());
  Run(100ms);
  EXPECT_EQ(most_, 1);
  EXPECT_EQ(nat_->TakeFresh(), At("203.0.113.1:20002"));
  EXPECT_FALSE(nat_->TakeFresh().has_value());
  EXPECT_EQ(nat_->wanted().count, 0);
  Run(20s);
  EXPECT_EQ(generation_, 2u);
}

TEST_F(HardNatTest, NothingHappensWithoutASession) {
  Start();
  nat_->SetObservations(now_, kDiffers, 20000);
  Run(60s);
  EXPECT_EQ(guesses(), 0);
}

TEST_F(HardNatTest, OpensTowardsThePeersOneSocketOnly) {
  Start();
  nat_->SetObservations(now_, kDiffers, 20000);
  Run(100ms);
  std::vector<ice::Candidate> candidates = Candidates("192.0.2.99:6000");
  candidates.push_back(Candidates("192.0.2.7:6000")[0]);
  nat_->SetPeer(now_, Easy(), true, candidates);
  Run(10s);
  ASSERT_EQ(guesses_.size(), 1u);
  EXPECT_EQ(guesses_.begin()->first, At("192.0.2.7:6000"));
  // It has read its port anew before.
  EXPECT_EQ(nat_->nat().reading, 2);
}

TEST_F(HardNatTest, AnEndpointMayBecomeKnownBeforeItsAddressDoes) {
  Start();
  nat_->SetObservations(now_, kDiffers, 20000);
  Run(100ms);
  ice::Nat peer = Easy();
  peer.external.clear();
  nat_->SetPeer(now_, peer, true, Candidates("192.0.2.7:6000"));
  Run(100ms);
  EXPECT_EQ(guesses(), 0);
  nat_->SetPeer(now_, Easy(), true, {});
  Run(1s);
  EXPECT_GT(guesses(), 0);
}

TEST_F(HardNatTest, GuessesOnlyWhenThePeerIsReady) {
  Start();
  nat_->SetObservations(now_, kAgrees, 20000);
  nat_->SetPeer(now_, Random(), false, {});
  Run(HardNat::kReadyPatience - 10ms);
  EXPECT_EQ(guesses(), 0);
  nat_->SetPeer(now_, Random(), true, {});
  Run(100ms);
  EXPECT_GT(guesses(), 40);
}

// A check of the peer's may have poisoned the first one's mapping.
TEST_F(HardNatTest, TheSecondStageGuessesFromAFreshSocket) {
  Start();
  nat_->SetObservations(now_, kAgrees, 20000);
  nat_->SetPeer(now_, Random(), true, {});
  Run(1499 * ice::kGuessInterval + ice::kStagePause - 2ms);
  EXPECT_EQ(by_socket_[ice::GuessStage::kMainSocket], 1500);
  EXPECT_EQ(most_, 0);
  EXPECT_FALSE(nat_->TakeFresh().has_value());
  Run(10ms);
  EXPECT_EQ(most_, 1);
  EXPECT_EQ(nat_->TakeFresh(), At("203.0.113.1:20002"));
  // The peer is given time to open.
  Run(HardNat::kOpenPatience - 20ms);
  EXPECT_EQ(guesses(), 1500);
  Run(10s);
  EXPECT_EQ(by_socket_[ice::GuessStage::kMainSocket], 1500);
  EXPECT_EQ(by_socket_[HardNat::kFreshSocket], 1500);
  EXPECT_EQ(most_, 1);
  // The next session begins with the one that the peer hears of first.
  nat_->EndSession();
  now_ += 600s;
  nat_->SetPeer(now_, Random(), true, {});
  Run(100ms);
  EXPECT_GT(by_socket_[ice::GuessStage::kMainSocket], 1500);
  EXPECT_EQ(by_socket_[HardNat::kFreshSocket], 1500);
}

TEST_F(HardNatTest, WithoutAFreshSocketTheFirstOneGoesOn) {
  Start();
  silent_ = true;
  nat_->SetObservations(now_, kAgrees, 20000);
  nat_->SetPeer(now_, Random(), true, {});
  Run(10s);
  EXPECT_EQ(by_socket_[ice::GuessStage::kMainSocket], 3000);
}

TEST_F(HardNatTest, OpensToAFreshSocketOfThePeersToo) {
  Start();
  nat_->SetObservations(now_, kDiffers, 20000);
  Run(100ms);
  std::vector<ice::Candidate> candidates = Candidates("192.0.2.7:6000");
  nat_->SetPeer(now_, Easy(), true, candidates);
  Run(4s);
  const int before = guesses_[At("192.0.2.7:6000")];
  const std::uint32_t generation = nat_->wanted().generation;
  candidates.push_back(Candidates("192.0.2.7:6001")[0]);
  candidates.push_back(Candidates("192.0.2.99:6001")[0]);
  nat_->SetPeer(now_, Easy(), true, candidates);
  // From sockets that are fresh as well, and to the new one first.
  EXPECT_GT(nat_->wanted().generation, generation);
  Run(30ms);
  EXPECT_GE(guesses_[At("192.0.2.7:6001")], nat_->wanted().count);
  Run(6s);
  EXPECT_GT(guesses_[At("192.0.2.7:6000")], before);
  EXPECT_EQ(guesses_.size(), 2u);
  // Within its bounds, however many it names.
  for (int i = 0; i < 20; ++i) {
    ice::Candidate next = candidates[0];
    next.address.port = static_cast<std::uint16_t>(7000 + i);
    nat_->SetPeer(now_, Easy(), true, {&next, 1});
    Run(6s);
  }
  EXPECT_LE(guesses(), ice::kMaxProbes + 200);
}

// A peer that is found out to be hard names what the second server has seen in
// the same breath: that is no fresh socket.
TEST_F(HardNatTest, APeerThatTurnsOutToBeHardBeginsANewPlanNotASecondAttempt) {
  Start();
  nat_->SetObservations(now_, kDiffers, 20000);
  Run(100ms);
  nat_->SetPeer(now_, Easy(), true, Candidates("192.0.2.7:6000"));
  Run(100ms);
  EXPECT_GT(guesses_[At("192.0.2.7:6000")], 0);
  ice::Nat peer = Peer(ice::Dependence::kAddressAndPortDependent, {});
  nat_->SetPeer(now_, peer, true, Candidates("192.0.2.7:6001"));
  const int before = guesses();
  Run(100ms);
  EXPECT_EQ(guesses(), before);
  peer.ports = {
      .allocation = ice::PortAllocation::kSequential, .last = 30000, .step = 1};
  peer.reading = 1;
  nat_->SetPeer(now_, peer, true, {});
  Run(100ms);
  EXPECT_EQ(guesses_[At("192.0.2.7:30020")], 25);
}

TEST_F(HardNatTest, WaitsForThePeersReadingButNotForEver) {
  Start();
  nat_->SetObservations(now_, kAgrees, 20000);
  ice::Nat peer = Peer(ice::Dependence::kAddressAndPortDependent,
                       {.allocation = ice::PortAllocation::kSequential,
                        .last = 30000,
                        .step = 1});
  peer.reading = 1;
  nat_->SetPeer(now_, peer, true, {});
  Run(300ms);
  EXPECT_EQ(guesses(), 0);
  peer.reading = 2;
  peer.ports.last = 40000;
  nat_->SetPeer(now_, peer, true, {});
  Run(20ms);
  ASSERT_GT(guesses(), 0);
  EXPECT_EQ(guesses_.begin()->first.port, 40008);
  Start();
  nat_->SetObservations(now_, kAgrees, 20000);
  nat_->SetPeer(now_, peer, true, {});
  guesses_.clear();
  Run(HardNat::kPatience + 20ms);
  EXPECT_GT(guesses(), 0);
}

TEST_F(HardNatTest, RestsWhenSomethingWasHeardAndEndsWithTheSession) {
  Start();
  nat_->SetObservations(now_, kAgrees, 20000);
  nat_->SetPeer(now_, Random(), true, {});
  Run(100ms);
  nat_->HandleHeard(now_);
  const int before = guesses();
  Run(400ms);
  EXPECT_EQ(guesses(), before);
  Run(300ms);
  EXPECT_GT(guesses(), before);
  nat_->EndSession();
  EXPECT_FALSE(nat_->wanted().guessing);
  const int at_end = guesses();
  Run(5s);
  EXPECT_EQ(guesses(), at_end);
}

TEST_F(HardNatTest, AReadingForASessionEndsWithItTheFirstOneDoesNot) {
  Start();
  silent_ = true;
  nat_->SetObservations(now_, kDiffers, 20000);
  Run(10ms);
  EXPECT_EQ(nat_->wanted().count, ice::kPortSamples);
  nat_->EndSession();
  EXPECT_EQ(nat_->wanted().count, ice::kPortSamples);
  silent_ = false;
  Run(200ms);
  EXPECT_EQ(nat_->wanted().count, 0);
  silent_ = true;
  nat_->SetPeer(now_, Easy(), true, Candidates("192.0.2.7:6000"));
  Run(10ms);
  EXPECT_EQ(nat_->wanted().count, 3);
  nat_->EndSession();
  EXPECT_EQ(nat_->wanted().count, 0);
}

TEST_F(HardNatTest, AHitClosesTheSocketsAtOnce) {
  Start();
  nat_->SetObservations(now_, kDiffers, 20000);
  Run(100ms);
  nat_->SetPeer(now_, Easy(), true, Candidates("192.0.2.7:6000"));
  Run(100ms);
  EXPECT_TRUE(nat_->wanted().guessing);
  nat_->HandleHit(now_);
  EXPECT_EQ(nat_->wanted().count, 0);
  EXPECT_FALSE(nat_->wanted().guessing);
  const int before = guesses();
  Run(HardNat::kHitPatience - 10ms);
  EXPECT_EQ(guesses(), before);
  // It was not the one: the other side has closed what it came from.
  Run(1s);
  EXPECT_GT(guesses(), before);
  nat_->HandleHit(now_);
  nat_->EndSession();
  const int at_end = guesses();
  Run(5s);
  EXPECT_EQ(guesses(), at_end);
}

// What makes the guessed address no worse off than a session or two.
TEST_F(HardNatTest, APeerThatMeetsAgainAndAgainGetsNoMoreGuesses) {
  Start();
  nat_->SetObservations(now_, kAgrees, 20000);
  for (int i = 0; i < 10; ++i) {
    nat_->SetPeer(now_, Random(), true, {});
    Run(10s);
    nat_->EndSession();
  }
  EXPECT_GE(guesses(), ice::kMaxGuesses);
  EXPECT_LE(guesses(), ice::kMaxGuesses + 100);
}

TEST_F(HardNatTest, NeverGuessesWhereAStrangerMustNotKnock) {
  for (const char* address :
       {"10.1.2.3:1", "100.64.0.9:1", "127.0.0.1:1", "169.254.1.1:1",
        "224.0.0.1:1", "255.255.255.255:1", "0.0.0.0:1", "203.0.113.1:1"}) {
    Start();
    nat_->SetObservations(now_, kAgrees, 20000);
    ice::Nat peer = Random();
    peer.external = {At(address).ip};
    nat_->SetPeer(now_, peer, true, {});
    Run(1s);
    EXPECT_EQ(guesses(), 0) << address;
  }
}

}  // namespace
}  // namespace p2pcp::connect
