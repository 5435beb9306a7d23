// Attacks on the meeting of two peers that SECURITY.md lists and that have no
// place elsewhere: what a broker can do with messages that are authentic, and
// what somebody can do with keys that he has given away.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/crypto/envelope.h"
#include "net/crypto/identity.h"
#include "net/crypto/public_key.h"
#include "net/crypto/signaling_keys.h"
#include "net/ice/candidate.h"
#include "net/signaling/message.h"
#include "net/signaling/rendezvous.h"
#include "net/signaling/topic.h"
#include "net/signaling/world_for_tests.h"

namespace p2pcp::signaling {
namespace {

using simulated::CandidateAt;
using simulated::kNoon;
using simulated::Node;
using simulated::Sent;
using simulated::World;

// Unknown key share. A point of Ed25519 and its negative have one X25519 point.
// Mallory hands out the mirror image of Alice's key as his own: what Alice says
// to Bob must not count as said by Mallory.
TEST(ProtocolAttacks, TheMirrorImageOfAKeyMeetsNobody) {
  World world;
  Bytes mirrored = ToBytes(world.alice.public_key().bytes());
  mirrored.back() ^= std::byte{0x80};
  const auto mirror = crypto::PublicKey::FromBytes(mirrored);
  ASSERT_TRUE(mirror.has_value());
  ASSERT_EQ(mirror->x25519(), world.alice.public_key().x25519());

  Rendezvous::Config config = world.AnswererConfig();
  config.peer = *mirror;
  Node& bob = world.Start(config);
  Node& alice = world.StartOfferer();
  world.Run(2min);
  EXPECT_TRUE(bob.sessions.empty());
  EXPECT_TRUE(alice.sessions.empty());
  EXPECT_EQ(bob.peer_seen + alice.peer_seen, 0);
  // Nor does it where the broker brings one's messages to the other's topics.
  for (const Sent& sent : std::vector<Sent>(world.sent)) {
    for (Node* node : {&bob, &alice}) {
      for (const std::string& topic : (*node)->Topics()) {
        world.Inject(topic, sent.payload);
      }
    }
  }
  world.Run(1min);
  EXPECT_TRUE(bob.sessions.empty());
  EXPECT_TRUE(alice.sessions.empty());
  EXPECT_EQ(bob.peer_seen + alice.peer_seen, 0);
}

// One identity on two devices: both directions have one key. The topic tells
// the roles apart.
TEST(ProtocolAttacks, AMessageSentBackToADeviceThatIsItsOwnPeerIsDropped) {
  for (const bool offerer : {false, true}) {
    World world;
    Rendezvous::Config config =
        offerer ? world.OffererConfig() : world.AnswererConfig();
    config.peer = config.self->public_key();
    Node& alone = world.Start(config);
    world.fate = [&](std::size_t n) {
      for (const std::string& topic : alone->Topics()) {
        world.Deliver(world.now + 10ms,
                      {world.now, topic, world.sent[n].payload});
      }
      return std::vector<Duration>{0s};
    };
    world.Run(5min);
    EXPECT_GT(alone->stats().not_authentic, 10u);
    EXPECT_EQ(alone.peer_seen, 0);
    EXPECT_TRUE(alone.sessions.empty());
    EXPECT_FALSE(alone.failure.has_value());
  }
}

// Whoever holds the direction key, and nothing of the session, can name a
// session and still tells it no candidate: a peer's own old message is as good
// as nothing in its next session.
TEST(ProtocolAttacks, CandidatesOfOneSessionAreNothingInAnother) {
  World world;
  const crypto::SignalingKeys keys =
      crypto::DeriveSignalingKeys(world.alice, world.bob.public_key());
  const std::string topic = TopicOf(keys.topic, world.alice.public_key(),
                                    Role::kOfferer, DayOf(kNoon));
  Bytes associated = ToBytes(AsBytes(std::string_view("p2pcp/1")));
  associated.insert(associated.end(), AsBytes(topic).begin(),
                    AsBytes(topic).end());
  SeededRandom random(9);

  std::vector<Message> told[2];
  for (int round = 0; round < 2; ++round) {
    const std::size_t begin = world.sent.size();
    Node& alice = world.StartOfferer();
    Node& bob = world.StartAnswerer();
    ASSERT_TRUE(world.Meet(alice, bob, 10s));
    alice->SetLocalCandidates(
        world.now, {CandidateAt(static_cast<std::uint8_t>(100 + round), 5)});
    world.Settle(alice);
    world.Run(1s);
    for (std::size_t n = begin; n < world.sent.size(); ++n) {
      if (world.sent[n].topic != topic) continue;
      const auto plaintext =
          crypto::OpenEnvelope(keys.send, associated, world.sent[n].payload);
      ASSERT_TRUE(plaintext.has_value());
      const auto message = Message::Decode(*plaintext, VersionRange{});
      ASSERT_TRUE(message.has_value());
      if (message->type == MessageType::kCandidates) {
        told[round].push_back(*message);
      }
    }
    ASSERT_FALSE(told[round].empty());
    if (round == 1) {
      // The names of this session, the content of the first.
      const auto stale = bob->stats().stale + bob->stats().malformed;
      for (Message message : told[0]) {
        message.from = told[1].back().from;
        message.to = told[1].back().to;
        world.Inject(topic, crypto::SealEnvelope(keys.send, associated,
                                                 message.Encode(), random));
      }
      EXPECT_EQ(bob->stats().stale + bob->stats().malformed,
                stale + told[0].size());
      for (const ice::Candidate& candidate : bob.trickled) {
        EXPECT_NE(candidate.address, CandidateAt(100, 0).address);
      }
      EXPECT_TRUE(World::Agree(alice, bob));
    }
    world.Kill(alice);
    world.Kill(bob);
  }
}

// Somebody who could open and seal envelopes, as whoever has stolen one of the
// two keys can, and who takes the better suite out of an offer: the handshake
// does not come about, and says so.
TEST(ProtocolAttacks, AnOfferThatWasTalkedDownIsRefused) {
  World world;
  const crypto::SignalingKeys keys =
      crypto::DeriveSignalingKeys(world.alice, world.bob.public_key());
  const std::string topic = TopicOf(keys.topic, world.alice.public_key(),
                                    Role::kOfferer, DayOf(kNoon));
  Bytes associated = ToBytes(AsBytes(std::string_view("p2pcp/1")));
  associated.insert(associated.end(), AsBytes(topic).begin(),
                    AsBytes(topic).end());
  SeededRandom random(9);
  int changed = 0;
  world.fate = [&](std::size_t n) -> std::vector<Duration> {
    const Sent sent = world.sent[n];
    if (sent.topic != topic) return {0s};
    const auto plaintext =
        crypto::OpenEnvelope(keys.send, associated, sent.payload);
    auto message = Message::Decode(plaintext.value(), VersionRange{});
    if (message->type != MessageType::kOffer) return {0s};
    ++changed;
    std::erase(message->suites, crypto::Suite::kAes256Gcm);
    world.Deliver(world.now + 10ms,
                  {world.now, topic,
                   crypto::SealEnvelope(keys.send, associated,
                                        message->Encode(), random)});
    return {};
  };
  Node& alice = world.StartOfferer();
  Node& bob = world.StartAnswerer();
  world.Run(10s);
  EXPECT_GT(changed, 0);
  EXPECT_TRUE(alice.sessions.empty());
  EXPECT_TRUE(bob.sessions.empty());
  for (const Node* node : {&alice, &bob}) {
    ASSERT_TRUE(node->failure.has_value());
    EXPECT_EQ(node->failure->code, ErrorCode::kAuthenticationFailed);
  }
}

}  // namespace
}  // namespace p2pcp::signaling
