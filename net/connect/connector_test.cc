#include "net/connect/connector.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "gtest/gtest.h"
#include "net/base/random.h"
#include "net/signaling/lan_datagram.h"
#include "net/stun/binding_responder.h"

namespace p2pcp::connect {
namespace {

using signaling::Rendezvous;

constexpr std::uint32_t kInterface = 3;
constexpr UnixTime kNoon{std::chrono::seconds(1772625600)};

ice::Candidate Host(const char* text) {
  ice::Candidate candidate;
  candidate.address = candidate.base = *SocketAddress::Parse(text);
  candidate.priority = ice::ComputePriority(ice::CandidateType::kHost, 1);
  return candidate;
}

// A connector that receives, and a peer that is free to do what no connector
// does: it has the rendezvous and the channels in its own hands. Messages and
// datagrams arrive at once.
class ConnectorTest : public testing::Test {
 protected:
  ConnectorTest() {
    Connector::Config config{ice::Role::kControlled, &bob_, alice_.public_key(),
                             std::nullopt, false};
    config.guess_ports = true;
    connector_.emplace(now_, kNoon, config, random_);
    connector_->SetHostCandidates(now_, {bobs_});
    connector_->HandleSubscribed(now_, kNoon);
    StartPeer();
  }

  // The peer's process begins, or another one does after the first was killed.
  void StartPeer() { StartPeer(bob_.public_key()); }
  // It knows the connector by that key.
  void StartPeer(const crypto::PublicKey& key) {
    channel_.reset();
    Rendezvous::Config config{.role = signaling::Role::kOfferer,
                              .self = &alice_,
                              .peer = key,
                              .psk = std::nullopt,
                              .suites = {crypto::Suite::kChaCha20Poly1305},
                              .versions = {}};
    peer_.emplace(now_, kNoon, config, random_);
    peer_->SetLocalCandidates(now_, told_);
    peer_->SetLocalNat(now_, told_nat_);
    peer_->HandleSubscribed(now_, kNoon);
    peer_hears_ = true;
  }

  // One millisecond of both.
  void Step() {
    while (const auto message = connector_->PollPublish()) {
      if (!peer_hears_) continue;
      peer_->HandleMessage(now_, kNoon, message->topic, message->payload);
    }
    while (const auto message = peer_->PollPublish()) {
      if (by_lan_) {
        connector_->HandleLanDatagram(
            now_, kNoon, kInterface,
            signaling::EncodeLanDatagram(message->topic, message->payload));
        continue;
      }
      connector_->HandleMessage(now_, kNoon, message->topic, message->payload);
    }
    while (auto event = peer_->PollEvent()) {
      if (auto* met = std::get_if<Rendezvous::Established>(&*event)) {
        ++meetings_;
        heard_ = met->candidates;
        handed_over_ = met->hand_over;
        channel::Channel::Config config;
        config.role = ice::Role::kControlling;
        config.keys = met->keys;
        config.suite = met->suite;
        channel_.emplace(now_, config, random_);
        channel_->AddLocalCandidates(now_, {&alices_, 1});
        channel_->AddRemoteCandidates(now_, met->candidates);
      } else if (auto* more =
                     std::get_if<Rendezvous::RemoteCandidates>(&*event)) {
        heard_.insert(heard_.end(), more->candidates.begin(),
                      more->candidates.end());
      }
    }
    if (channel_ && datagrams_pass_) Exchange();
    if (channel_) channel_->HandleTimeout(now_);
    while (channel_ && channel_->PollEvent()) {
    }
    peer_->HandleTimeout(now_, kNoon);
    connector_->HandleTimeout(now_, kNoon);
    while (auto event = connector_->PollEvent(now_)) {
      if (const auto* change = std::get_if<ChannelEvent>(&*event)) {
        connected_ |= change->event.type == channel::EventType::kConnected;
      }
      if (const auto* done = std::get_if<HandshakeDone>(&*event)) {
        by_former_ = done->by_former;
      }
      gone_ += std::holds_alternative<PeerGone>(*event) ? 1 : 0;
      if (auto* failed = std::get_if<Failed>(&*event)) {
        error_ = std::move(failed->error);
      }
    }
    now_ += 1ms;
  }

  void Exchange() {
    std::array<std::byte, channel::Channel::kMaxDatagramSize> out;
    while (const auto sent = channel_->PollTransmit(now_, out)) {
      if (connector_->channel() == nullptr) continue;
      connector_->channel()->HandleDatagram(
          now_, 0, alices_.address, MutableByteSpan(out).first(sent->size));
    }
    while (connector_->channel() != nullptr) {
      const auto sent = connector_->channel()->PollTransmit(now_, out);
      if (!sent) break;
      channel_->HandleDatagram(now_, 0, bobs_.address,
                               MutableByteSpan(out).first(sent->size));
    }
  }

  void Run(Duration duration) {
    for (const TimePoint end = now_ + duration; now_ < end;) Step();
  }

  TimePoint now_{1s};
  SeededRandom random_{7};
  const crypto::Identity alice_ = crypto::Identity::Generate(random_);
  const crypto::Identity bob_ = crypto::Identity::Generate(random_);
  const ice::Candidate alices_ = Host("192.0.2.1:41001");
  const ice::Candidate bobs_ = Host("192.0.2.2:42002");
  std::vector<ice::Candidate> told_ = {alices_};  // By the peer, of itself.
  ice::Nat told_nat_;
  std::optional<Connector> connector_;
  std::optional<Rendezvous> peer_;
  std::optional<channel::Channel> channel_;
  bool datagrams_pass_ = true;
  bool peer_hears_ = true;
  int meetings_ = 0;
  std::vector<ice::Candidate> heard_;  // The connector's, by the peer.
  std::optional<crypto::HandOver> handed_over_;  // To the peer.
  bool by_lan_ = false;  // The peer's messages come by multicast.
  bool by_former_ = false;
  bool connected_ = false;
  int gone_ = 0;
  std::optional<Error> error_;
};

// A peer that has one of our keys, while we wait for it under two.
class RotatedTest : public ConnectorTest {
 protected:
  RotatedTest() {
    connector_.emplace(now_, kNoon,
                       Connector::Config{.role = ice::Role::kControlled,
                                         .self = &next_,
                                         .peer = alice_.public_key(),
                                         .psk = std::nullopt,
                                         .allow_loopback = false,
                                         .former = &bob_},
                       random_);
    connector_->SetHostCandidates(now_, {bobs_});
    connector_->HandleSubscribed(now_, kNoon);
  }
  const crypto::Identity next_ = crypto::Identity::Generate(random_);
};

TEST_F(RotatedTest, IsMetUnderTheOldKeyAndHandsTheNewOneOver) {
  EXPECT_EQ(connector_->Topics().size(), 6u);
  StartPeer();
  Run(2s);
  EXPECT_TRUE(connected_);
  EXPECT_TRUE(by_former_);
  ASSERT_TRUE(handed_over_);
  EXPECT_EQ(handed_over_->to, next_.public_key());
}

TEST_F(RotatedTest, IsMetUnderTheNewKeyAsIfThereHadBeenNoOther) {
  StartPeer(next_.public_key());
  Run(2s);
  EXPECT_TRUE(connected_);
  EXPECT_FALSE(by_former_);
  EXPECT_FALSE(handed_over_);
}

// The peer's first process is killed in between, and has written it down.
TEST_F(RotatedTest, FollowsAPeerFromTheOldKeyToTheNewOne) {
  datagrams_pass_ = false;
  StartPeer();
  Run(1s);
  ASSERT_TRUE(handed_over_);
  EXPECT_FALSE(connected_);
  datagrams_pass_ = true;
  StartPeer(handed_over_->to);
  Run(10s);
  EXPECT_TRUE(connected_);
  EXPECT_FALSE(by_former_);
}

TEST_F(ConnectorTest, MeetsAndConnects) {
  Run(3s);
  EXPECT_EQ(meetings_, 1);
  EXPECT_TRUE(connected_);
  EXPECT_TRUE(connector_->connected());
}

TEST_F(ConnectorTest, MeetsByMulticastAmongDatagramsThatOthersRepeat) {
  by_lan_ = true;
  const std::vector<std::string> topics = connector_->Topics();
  Bytes envelope(signaling::kSealedMessageSize);
  for (int i = 0; i < 3000 && !connected_; ++i) {
    // Whoever has seen the tag can do this; it must not fill the queue.
    for (int copy = 0; copy < (i < 1000 ? 20 : 0); ++copy) {
      random_.Fill(envelope);
      connector_->HandleLanDatagram(
          now_, kNoon, kInterface,
          signaling::EncodeLanDatagram(topics.front(), envelope));
    }
    Step();
  }
  EXPECT_TRUE(connected_);
}

TEST_F(ConnectorTest, ProbesLinkLocalAddressesByTheInterfaceOfThePeer) {
  for (const bool by_lan : {false, true}) {
    by_lan_ = by_lan;
    datagrams_pass_ = false;
    StartPeer();
    peer_->SetLocalCandidates(now_, {Host("[fe80::7]:41001"), alices_});
    ice::Candidate own = Host("[2001:db8::2]:42003");
    own.socket = 1;
    connector_->SetHostCandidates(now_, {bobs_, own});
    Run(6s);
    ASSERT_NE(connector_->channel(), nullptr);
    std::set<std::uint32_t> scopes;
    std::array<std::byte, channel::Channel::kMaxDatagramSize> out;
    for (int i = 0; i < 1000; ++i, now_ += 1ms) {
      connector_->HandleTimeout(now_, kNoon);
      while (const auto sent = connector_->channel()->PollTransmit(now_, out)) {
        if (sent->to.ip.IsLinkLocal()) scopes.insert(sent->to.scope_id);
      }
    }
    EXPECT_EQ(scopes, by_lan ? std::set<std::uint32_t>{kInterface}
                             : std::set<std::uint32_t>{});
    connector_->channel()->HandleTimeout(now_);
  }
}

// A host with container bridges, or many IPv6 addresses.
TEST_F(ConnectorTest, ManyAddressesDoNotCrowdOutTheOneThatStunSees) {
  datagrams_pass_ = false;
  std::vector<ice::Candidate> hosts;
  for (int i = 0; i < 40; ++i) {
    hosts.push_back(Host(("10.0.0." + std::to_string(i) + ":42002").c_str()));
  }
  connector_->SetHostCandidates(now_, hosts);
  Run(1s);
  ASSERT_EQ(meetings_, 1);
  // STUN's answer comes when the offer has been answered already.
  const SocketAddress server = *SocketAddress::Parse("198.51.100.1:3478");
  const SocketAddress mapped = *SocketAddress::Parse("203.0.113.9:4000");
  connector_->AddStunServer(now_, server, 0);
  std::array<std::byte, 64> request;
  const auto sent = connector_->PollTransmit(now_, request);
  ASSERT_TRUE(sent);
  stun::BindingResponder responder;
  std::array<std::byte, stun::BindingResponder::kMaxResponseSize> response;
  const std::size_t size = responder.HandleDatagram(
      mapped, ByteSpan(request).first(sent->size), response);
  ASSERT_TRUE(
      connector_->HandleStun(now_, 0, server, ByteSpan(response).first(size)));
  Run(1s);
  EXPECT_LE(heard_.size(), ice::kMaxCandidates);
  EXPECT_TRUE(std::any_of(heard_.begin(), heard_.end(),
                          [&](const ice::Candidate& candidate) {
                            return candidate.address == mapped;
                          }));
}

// The owner keeps the pointer from kConnected on.
TEST_F(ConnectorTest, APeerThatOffersAnewLeavesAConnectedChannelInPlace) {
  Run(3s);
  ASSERT_TRUE(connected_);
  const channel::Channel* const channel = connector_->channel();
  // Says goodbye, and begins again under the same name.
  peer_->SetBusy(now_, true);
  peer_->SetBusy(now_, false);
  Run(2s);
  EXPECT_EQ(connector_->channel(), channel);
  EXPECT_TRUE(connector_->connected());
  EXPECT_EQ(gone_, 0);
}

// A goodbye that comes together with the loss of the channel.
TEST_F(ConnectorTest, AGoodbyeLeavesALostChannelInPlace) {
  Run(3s);
  ASSERT_TRUE(connected_);
  const channel::Channel* const channel = connector_->channel();
  datagrams_pass_ = false;
  Run(50s);
  ASSERT_TRUE(error_.has_value());
  EXPECT_EQ(error_->code, ErrorCode::kConnectionLost);
  peer_->Close(now_, signaling::ByeReason::kGaveUp);
  Run(100ms);
  EXPECT_EQ(connector_->channel(), channel);
  EXPECT_EQ(gone_, 0);
}

TEST_F(ConnectorTest, APeerThatLeavesBeforeAPathIsFoundIsWaitedForAgain) {
  datagrams_pass_ = false;
  Run(1s);
  ASSERT_EQ(meetings_, 1);
  peer_->SetBusy(now_, false);
  datagrams_pass_ = true;
  Run(3s);
  EXPECT_EQ(gone_, 1);
  EXPECT_EQ(meetings_, 2);
  EXPECT_TRUE(connected_);
}

TEST_F(ConnectorTest, APeerThatWasKilledBetweenOfferAndAnswerIsWaitedForAgain) {
  // Until its offer has been answered.
  while (connector_->channel() == nullptr) {
    if (const auto message = peer_->PollPublish()) {
      connector_->HandleMessage(now_, kNoon, message->topic, message->payload);
    }
    if (const auto message = connector_->PollPublish()) {
      peer_->HandleMessage(now_, kNoon, message->topic, message->payload);
    }
    peer_->HandleTimeout(now_, kNoon);
    now_ += 1ms;
    ASSERT_LT(now_, TimePoint(10s));
  }
  peer_hears_ = false;
  Run(20s);
  EXPECT_FALSE(error_.has_value());
  EXPECT_EQ(gone_, 1);
  StartPeer();
  Run(5s);
  EXPECT_EQ(meetings_, 1);
  EXPECT_TRUE(connected_);
}

// Each session may send some to an address that the peer has named; a peer that
// begins one session after the other gets no more out of that.
TEST_F(ConnectorTest, APeerThatMeetsAgainAndAgainAimsLittleAtAVictim) {
  datagrams_pass_ = false;
  std::array<std::byte, channel::Channel::kMaxDatagramSize> out;
  int sent = 0;
  int met = 0;
  for (const TimePoint end = now_ + 100s; now_ < end;) {
    Step();
    while (connector_->channel() != nullptr &&
           connector_->channel()->PollTransmit(now_, out)) {
      ++sent;
    }
    if (meetings_ == met || now_ < TimePoint(met * 1s)) continue;
    met = meetings_;
    peer_->SetBusy(now_, false);
  }
  EXPECT_GT(meetings_, 40);
  EXPECT_GT(sent, 160);
  EXPECT_LE(sent, 160 + 100);
}

// Sixteen candidates and the NAT that is guessed at, all of them somebody else.
TEST_F(ConnectorTest, APeerThatAimsEverythingAtAVictimCostsItABoundedNumber) {
  const IpAddress victim = *IpAddress::Parse("198.51.100.66");
  told_.clear();
  for (std::uint16_t i = 0; i < 16; ++i) {
    told_.push_back(Host("198.51.100.66:5000"));
    told_.back().address.port = static_cast<std::uint16_t>(5000 + i);
  }
  told_nat_.mapping = ice::Dependence::kAddressAndPortDependent;
  told_nat_.ports.allocation = ice::PortAllocation::kRandom;
  told_nat_.external = {victim};
  StartPeer();
  // Our own NAT is known to be an easy one: two servers agree.
  std::array<std::byte, channel::Channel::kMaxDatagramSize> out;
  for (const char* server : {"198.51.100.1:3478", "198.51.100.2:3478"}) {
    connector_->AddStunServer(now_, *SocketAddress::Parse(server), 0);
    const auto request = connector_->PollTransmit(now_, out);
    ASSERT_TRUE(request.has_value());
    std::array<std::byte, stun::BindingResponder::kMaxResponseSize> answer;
    stun::BindingResponder responder;
    const std::size_t size = responder.HandleDatagram(
        bobs_.address, ByteSpan(out).first(request->size), answer);
    ASSERT_TRUE(connector_->HandleStun(now_, 0, request->to,
                                       ByteSpan(answer).first(size)));
  }
  datagrams_pass_ = false;
  std::uint32_t generation = 0;
  int probes = 0;
  int guesses = 0;
  int fresh = 0;
  for (const TimePoint end = now_ + 15s; now_ < end;) {
    Step();
    if (connector_->wanted_sockets().generation != generation) {
      generation = connector_->wanted_sockets().generation;
      const int count = connector_->wanted_sockets().count;
      EXPECT_LE(count, 1);
      if (count > 0 || connector_->wanted_sockets().guessing) {
        const std::vector<std::uint16_t> ports(static_cast<std::size_t>(count),
                                               40000);
        connector_->HandleSocketsOpened(now_, ports);
      }
    }
    while (const auto guess = connector_->PollExtraTransmit(now_, out)) {
      if (guess->extra != ice::GuessStage::kMainSocket) {
        // The socket of the second stage asks what it looks like.
        std::array<std::byte, stun::BindingResponder::kMaxResponseSize> answer;
        stun::BindingResponder responder;
        const std::size_t size =
            responder.HandleDatagram(*SocketAddress::Parse("203.0.113.9:40000"),
                                     ByteSpan(out).first(guess->size), answer);
        fresh += connector_->HandleExtraDatagram(
            now_, 0, /*number=*/2, guess->to,
            MutableByteSpan(answer).first(size));
        continue;
      }
      EXPECT_EQ(guess->to.ip, victim);
      EXPECT_EQ(guess->data_socket.value_or(0), fresh > 0 ? 2 : 0);
      ++guesses;
    }
    while (connector_->channel() != nullptr) {
      const auto sent = connector_->channel()->PollTransmit(now_, out);
      if (!sent) break;
      if (sent->to.ip == victim) ++probes;
    }
  }
  EXPECT_GT(probes, 100);
  EXPECT_LE(probes, 160);
  EXPECT_EQ(fresh, 1);
  EXPECT_GT(guesses, 2000);
  EXPECT_LE(guesses, 3000);
}

TEST_F(ConnectorTest, APeerThatIsThereAndCannotBeReachedIsSaidToBeSo) {
  datagrams_pass_ = false;
  Run(20s);
  ASSERT_TRUE(error_.has_value());
  EXPECT_EQ(error_->code, ErrorCode::kNoPath);
  EXPECT_EQ(gone_, 0);
}

}  // namespace
}  // namespace p2pcp::connect
