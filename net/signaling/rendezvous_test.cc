// How two peers meet, in virtual time; rendezvous_faults_test.cc has what can
// go wrong on the way.

#include "net/signaling/rendezvous.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"
#include "net/signaling/world_for_tests.h"

namespace p2pcp::signaling {
namespace {

using simulated::CandidateAt;
using simulated::kOneWay;
using simulated::kRoundTrip;
using simulated::Node;
using simulated::World;

TEST(Rendezvous, TakesTwoRoundTripsWhenTheOffererComesLast) {
  World world;
  Node& bob = world.StartAnswerer();
  world.Run(10min);
  Node& alice = world.StartOfferer();
  const TimePoint there = world.now + kRoundTrip;  // Subscribed.
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  // hello, ready, offer, answer.
  EXPECT_EQ(alice.established_at[0], there + 2 * kRoundTrip);
  EXPECT_EQ(bob.established_at[0], there + 3 * kOneWay);
}

TEST(Rendezvous, TakesOneAndAHalfRoundTripsWhenTheAnswererComesLast) {
  World world;
  Node& alice = world.StartOfferer();
  world.Run(10min);
  Node& bob = world.StartAnswerer();
  const TimePoint there = world.now + kRoundTrip;
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  // ready, offer, answer.
  EXPECT_EQ(alice.established_at[0], there + 3 * kOneWay);
  EXPECT_EQ(bob.established_at[0], there + kRoundTrip);
}

TEST(Rendezvous, MeetsWhenBothStartInTheSameInstant) {
  World world;
  Node& alice = world.StartOfferer();
  Node& bob = world.StartAnswerer();
  const TimePoint there = world.now + kRoundTrip;
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  EXPECT_LE(alice.established_at[0], there + 2 * kRoundTrip);
  EXPECT_EQ(alice.sessions.size(), 1u);
  EXPECT_EQ(bob.sessions.size(), 1u);
  EXPECT_EQ(alice.peer_seen, 1);
  EXPECT_EQ(bob.peer_seen, 1);
  // hello and ready, one more ready, offer, answer, and the offerer's
  // candidates four times: no chatter.
  world.Run(1h);
  EXPECT_LE(world.sent.size(), 10u);
}

TEST(Rendezvous, HandsEachTheOthersCandidates) {
  World world;
  Node& alice = world.StartOfferer();
  Node& bob = world.StartAnswerer();
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  const auto& at_alice = alice.sessions[0].candidates;
  ASSERT_EQ(at_alice.size(), 1u);
  EXPECT_EQ(at_alice[0].address, CandidateAt(2, 100).address);
  EXPECT_EQ(at_alice[0].priority, 100u);
  EXPECT_EQ(at_alice[0].type, ice::CandidateType::kHost);
  // Where our packets leave from is nobody's business.
  EXPECT_EQ(at_alice[0].base, SocketAddress());
  ASSERT_EQ(bob.sessions[0].candidates.size(), 1u);
  EXPECT_EQ(bob.sessions[0].candidates[0].address, CandidateAt(1, 0).address);
}

TEST(Rendezvous, TricklesCandidatesThatAreFoundLater) {
  World world;
  Node& alice = world.StartOfferer();
  Node& bob = world.StartAnswerer();
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  alice->SetLocalCandidates(world.now,
                            {CandidateAt(1, 100), CandidateAt(77, 50)});
  world.Settle(alice);
  bob->SetLocalCandidates(world.now, {CandidateAt(2, 100), CandidateAt(88, 1)});
  world.Settle(bob);
  world.Run(kOneWay);
  ASSERT_EQ(bob.trickled.size(), 1u);
  EXPECT_EQ(bob.trickled[0].address, CandidateAt(77, 0).address);
  ASSERT_EQ(alice.trickled.size(), 1u);
  EXPECT_EQ(alice.trickled[0].address, CandidateAt(88, 0).address);
  // What is repeated in case of loss is no news.
  world.Run(1min);
  EXPECT_EQ(bob.trickled.size(), 1u);
}

TEST(Rendezvous, TellsCandidatesThatWereFoundBetweenOfferAndAnswer) {
  World world;
  Node& alice = world.StartOfferer();
  Node& bob = world.StartAnswerer();
  ASSERT_TRUE(world.RunUntil([&] { return !bob.sessions.empty(); }, 10s));
  ASSERT_TRUE(alice.sessions.empty());
  alice->SetLocalCandidates(world.now,
                            {CandidateAt(1, 100), CandidateAt(77, 50)});
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  world.Run(kOneWay);
  ASSERT_EQ(bob.trickled.size(), 1u);
  EXPECT_EQ(bob.trickled[0].address, CandidateAt(77, 0).address);
}

TEST(Rendezvous, OffersAndAnswersNothingBeforeItKnowsCandidates) {
  World world;
  for (const bool offerer_lacks : {true, false}) {
    SCOPED_TRACE(offerer_lacks);
    auto config =
        offerer_lacks ? world.OffererConfig() : world.AnswererConfig();
    Node& other = offerer_lacks ? world.StartAnswerer() : world.StartOfferer();
    Node& bare = world.StartWithoutCandidates(config);
    world.Run(20s);
    EXPECT_TRUE(bare.sessions.empty());
    EXPECT_TRUE(other.sessions.empty());
    bare->SetLocalCandidates(world.now, {});
    world.Settle(bare);
    EXPECT_TRUE(world.Meet(bare, other, 2 * kRoundTrip));
    world.Kill(bare);
    world.Kill(other);
    world.Run(1min);
  }
}

TEST(Rendezvous, KeepsTheSixteenBestCandidates) {
  World world;
  Node& alice = world.StartOfferer();
  std::vector<ice::Candidate> many;
  for (std::uint8_t i = 0; i < 40; ++i) many.push_back(CandidateAt(i, i));
  alice->SetLocalCandidates(world.now, many);
  Node& bob = world.StartAnswerer();
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  const auto& got = bob.sessions[0].candidates;
  ASSERT_EQ(got.size(), ice::kMaxCandidates);
  for (const ice::Candidate& candidate : got) {
    EXPECT_GE(candidate.priority, 24u);
  }
}

TEST(Rendezvous, RepeatsItsHelloFromOneSecondToThirty) {
  World world;
  world.StartOfferer();
  world.Run(2min);
  std::vector<Duration> gaps;
  for (std::size_t i = 1; i < world.sent.size(); ++i) {
    gaps.push_back(world.sent[i].at - world.sent[i - 1].at);
  }
  EXPECT_EQ(gaps, (std::vector<Duration>{1s, 2s, 4s, 8s, 16s, 30s, 30s}));
}

TEST(Rendezvous, PublishesNothingBeforeItIsSubscribed) {
  World world;
  SeededRandom random(1);
  for (const auto& config : {world.OffererConfig(), world.AnswererConfig()}) {
    Rendezvous lone(world.now, simulated::kNoon, config, random);
    lone.SetLocalCandidates(world.now, {CandidateAt(1, 1)});
    for (int i = 1; i < 100; ++i) {
      lone.HandleTimeout(world.now + i * 1s, simulated::kNoon);
    }
    lone.Close(world.now + 100s, ByeReason::kGaveUp);
    EXPECT_FALSE(lone.PollPublish().has_value());
  }
}

TEST(Rendezvous, PublishesMessagesOfOneSizeThatNeverRepeat) {
  World world;
  Node& alice = world.StartOfferer();
  Node& bob = world.StartAnswerer();
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  alice->Close(world.now, ByeReason::kGaveUp);
  world.Settle(alice);
  std::set<Bytes> seen;
  for (const simulated::Sent& sent : world.sent) {
    EXPECT_EQ(sent.payload.size(), 1024u);
    EXPECT_TRUE(seen.insert(sent.payload).second);
  }
}

TEST(Rendezvous, SubscribesToThreeDaysAndMovesOnAtMidnight) {
  World world;
  Node& alice = world.StartOfferer();
  const auto today = alice->Topics();
  ASSERT_EQ(today.size(), 3u);
  for (const std::string& topic : today) {
    EXPECT_EQ(topic.size(), 32u);
    EXPECT_EQ(topic.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567"),
              std::string::npos);
  }
  world.Run(12h);
  const auto tomorrow = alice->Topics();
  EXPECT_EQ(tomorrow[0], today[1]);
  EXPECT_EQ(tomorrow[1], today[2]);
  EXPECT_NE(tomorrow[2], today[0]);
}

TEST(Rendezvous, SharesNoTopicBetweenDirectionsRolesOrPeers) {
  World world;
  SeededRandom random(9);
  const crypto::Identity carol = crypto::Identity::Generate(random);
  std::set<std::string> topics;
  auto alice_receives = world.AnswererConfig();
  alice_receives.self = &world.alice;
  alice_receives.peer = world.bob.public_key();
  auto alice_to_carol = world.OffererConfig();
  alice_to_carol.peer = carol.public_key();
  for (const auto& config : {world.OffererConfig(), world.AnswererConfig(),
                             alice_receives, alice_to_carol}) {
    Rendezvous rendezvous(world.now, simulated::kNoon, config, random);
    for (const std::string& topic : rendezvous.Topics()) {
      EXPECT_TRUE(topics.insert(topic).second);
    }
  }
}

// PROTOCOL.md, "Topics": yesterday's and tomorrow's too, since clocks differ.
TEST(Rendezvous, MeetsWithClocksADayApart) {
  for (const Duration error : {Duration(-24h), Duration(24h)}) {
    World world;
    Node& alice = world.Start(world.OffererConfig(), error);
    Node& bob = world.StartAnswerer();
    EXPECT_TRUE(world.Meet(alice, bob, 10s));
  }
}

TEST(Rendezvous, MeetsAroundMidnight) {
  // The offerer starts so long before midnight, the answerer later.
  for (const Duration early : {Duration(1ms), Duration(120ms), Duration(2s)}) {
    for (const Duration later : {Duration(0s), Duration(5s), Duration(13h)}) {
      World world;
      world.Run(12h - 1s - early);
      Node& alice = world.StartOfferer();
      world.Run(later);
      Node& bob = world.StartAnswerer();
      EXPECT_TRUE(world.Meet(alice, bob, 10s))
          << early.count() << " " << later.count();
    }
  }
}

TEST(Rendezvous, PrefersAesWhereBothHaveIt) {
  using enum crypto::Suite;
  const std::vector<crypto::Suite> both = {kAes256Gcm, kChaCha20Poly1305};
  const std::vector<crypto::Suite> chacha = {kChaCha20Poly1305};
  for (const bool alice_has : {false, true}) {
    for (const bool bob_has : {false, true}) {
      World world;
      auto offerer = world.OffererConfig();
      auto answerer = world.AnswererConfig();
      offerer.suites = alice_has ? both : chacha;
      answerer.suites = bob_has ? both : chacha;
      Node& alice = world.Start(offerer);
      Node& bob = world.Start(answerer);
      ASSERT_TRUE(world.Meet(alice, bob, 10s));
      EXPECT_EQ(alice.sessions[0].suite,
                alice_has && bob_has ? kAes256Gcm : kChaCha20Poly1305);
    }
  }
}

TEST(Rendezvous, FailsOnBothSidesWithoutACommonSuite) {
  World world;
  auto offerer = world.OffererConfig();
  offerer.suites = {crypto::Suite::kAes256Gcm};
  auto answerer = world.AnswererConfig();
  answerer.suites = {crypto::Suite::kChaCha20Poly1305};
  Node& alice = world.Start(offerer);
  Node& bob = world.Start(answerer);
  ASSERT_TRUE(world.RunUntil(
      [&] { return alice.failure.has_value() && bob.failure.has_value(); },
      10s));
  EXPECT_EQ(alice.failure->code, ErrorCode::kVersionMismatch);
  EXPECT_EQ(bob.failure->code, ErrorCode::kVersionMismatch);
}

TEST(Rendezvous, SpeaksTheHighestCommonVersion) {
  World world;
  auto offerer = world.OffererConfig();
  offerer.versions = {1, 3};
  auto answerer = world.AnswererConfig();
  answerer.versions = {2, 5};
  EXPECT_EQ(offerer.versions.Common(answerer.versions), 3);
  Node& alice = world.Start(offerer);
  Node& bob = world.Start(answerer);
  EXPECT_TRUE(world.Meet(alice, bob, 10s));
}

TEST(Rendezvous, FailsOnBothSidesWithoutACommonVersion) {
  for (const bool offerer_first : {false, true}) {
    for (const VersionRange range : {VersionRange{2, 4}, VersionRange{0, 0}}) {
      World world;
      auto offerer = world.OffererConfig();
      offerer.versions = range;
      Node& first =
          offerer_first ? world.Start(offerer) : world.StartAnswerer();
      world.Run(5s);
      Node& second =
          offerer_first ? world.StartAnswerer() : world.Start(offerer);
      ASSERT_TRUE(world.RunUntil(
          [&] {
            return first.failure.has_value() && second.failure.has_value();
          },
          40s));
      EXPECT_EQ(first.failure->code, ErrorCode::kVersionMismatch);
      EXPECT_EQ(second.failure->code, ErrorCode::kVersionMismatch);
    }
  }
}

crypto::Psk PskOf(std::uint8_t byte) {
  crypto::Psk psk;
  psk.key.bytes.fill(std::byte{byte});
  return psk;
}

TEST(Rendezvous, MeetsWithAPairingSecret) {
  World world;
  auto offerer = world.OffererConfig();
  auto answerer = world.AnswererConfig();
  offerer.psk = answerer.psk = PskOf(7);
  Node& alice = world.Start(offerer);
  Node& bob = world.Start(answerer);
  EXPECT_TRUE(world.Meet(alice, bob, 10s));
}

TEST(Rendezvous, FailsLoudlyOnBothSidesWhereThePairingSecretsDiffer) {
  for (const auto& [a, b] : std::vector<
           std::pair<std::optional<crypto::Psk>, std::optional<crypto::Psk>>>{
           {PskOf(1), PskOf(2)},
           {PskOf(1), std::nullopt},
           {std::nullopt, PskOf(2)}}) {
    World world;
    auto offerer = world.OffererConfig();
    auto answerer = world.AnswererConfig();
    offerer.psk = a;
    answerer.psk = b;
    Node& alice = world.Start(offerer);
    Node& bob = world.Start(answerer);
    ASSERT_TRUE(world.RunUntil(
        [&] { return alice.failure.has_value() && bob.failure.has_value(); },
        10s));
    EXPECT_EQ(alice.failure->code, ErrorCode::kAuthenticationFailed);
    EXPECT_EQ(bob.failure->code, ErrorCode::kAuthenticationFailed);
    EXPECT_TRUE(alice.sessions.empty());
    EXPECT_TRUE(bob.sessions.empty());
  }
}

// The one that meets under a key of before its rotation hands the next one
// over, whichever role it has.
TEST(Rendezvous, HandsANewKeyOverToThePeerThatKnowsTheOldOne) {
  for (const bool offerer : {true, false}) {
    World world;
    SeededRandom random(3);
    const auto next = crypto::Identity::Generate(random);
    auto alices = world.OffererConfig();
    auto bobs = world.AnswererConfig();
    auto& rotated = offerer ? alices : bobs;
    rotated.hand_over = crypto::HandOver::Make(*rotated.self, next);
    Node& alice = world.Start(alices);
    Node& bob = world.Start(bobs);
    world.Run(2s);
    ASSERT_EQ(alice.sessions.size(), 1u);
    ASSERT_EQ(bob.sessions.size(), 1u);
    Node& told = offerer ? bob : alice;
    ASSERT_TRUE(told.sessions[0].hand_over);
    EXPECT_EQ(told.sessions[0].hand_over->to, next.public_key());
    EXPECT_FALSE((offerer ? alice : bob).sessions[0].hand_over);
  }
}

TEST(Rendezvous, PassesOverAHandOverThatThePeersKeyHasNotSigned) {
  World world;
  SeededRandom random(3);
  const auto mallory = crypto::Identity::Generate(random);
  const auto next = crypto::Identity::Generate(random);
  auto alices = world.OffererConfig();
  alices.hand_over = crypto::HandOver::Make(mallory, next);
  world.Start(alices);
  Node& bob = world.Start(world.AnswererConfig());
  world.Run(2s);
  ASSERT_EQ(bob.sessions.size(), 1u);
  EXPECT_FALSE(bob.sessions[0].hand_over);
  EXPECT_EQ(bob->stats().malformed, 1u);
}

TEST(Rendezvous, NeverMeetsWhoHoldsAnotherKey) {
  World world;
  SeededRandom random(3);
  const crypto::Identity mallory = crypto::Identity::Generate(random);
  auto config = world.AnswererConfig();
  config.self = &mallory;
  Node& alice = world.StartOfferer();
  Node& bob = world.Start(config);
  world.Run(10min);
  EXPECT_EQ(alice.peer_seen, 0);
  EXPECT_EQ(bob.peer_seen, 0);
  EXPECT_FALSE(alice.failure.has_value());
}

TEST(Rendezvous, LetsASecondSenderWaitForItsTurn) {
  World world;
  Node& bob = world.StartAnswerer();
  Node& first = world.StartOfferer();
  ASSERT_TRUE(world.Meet(first, bob, 10s));
  first->SetBusy(world.now, true);
  bob->SetBusy(world.now, true);
  world.Run(1s);
  Node& second = world.StartOfferer();
  world.Run(10min);
  EXPECT_EQ(second.busy, 1);
  EXPECT_TRUE(second.sessions.empty());
  EXPECT_EQ(bob.sessions.size(), 1u);
  EXPECT_EQ(bob.superseded, 0);
  EXPECT_GT(bob.knocks, 0);
  EXPECT_EQ(first.knocks, 0);
  // The first is done.
  first->Close(world.now, ByeReason::kGaveUp);
  world.Settle(first);
  world.Kill(first);
  world.Run(1s);
  EXPECT_EQ(bob.left_reasons, std::vector<ByeReason>{ByeReason::kGaveUp});
  bob->SetBusy(world.now, false);
  world.Settle(bob);
  const TimePoint freed = world.now;
  ASSERT_TRUE(world.Meet(second, bob, 10s));
  EXPECT_EQ(second.established_at[0], freed + 3 * kOneWay);
}

TEST(Rendezvous, ServesSendersThatComeInTheSameInstantOneAfterTheOther) {
  World world;
  Node& bob = world.StartAnswerer();
  Node& one = world.StartOfferer();
  Node& two = world.StartOfferer();
  ASSERT_TRUE(world.RunUntil(
      [&] { return World::Agree(one, bob) || World::Agree(two, bob); }, 10s));
  Node& winner = World::Agree(one, bob) ? one : two;
  Node& loser = World::Agree(one, bob) ? two : one;
  // Finding a path takes two seconds.
  world.Run(2s);
  EXPECT_TRUE(World::Agree(winner, bob));
  winner->SetBusy(world.now, true);
  bob->SetBusy(world.now, true);
  world.Run(1min);
  EXPECT_TRUE(World::Agree(winner, bob));
  EXPECT_GE(loser.busy, 1);
  EXPECT_EQ(bob.sessions.size(), 1u);
  world.Kill(winner);
  bob->SetBusy(world.now, false);
  world.Settle(bob);
  EXPECT_TRUE(world.Meet(loser, bob, 1s));
}

TEST(Rendezvous, TellsSendersToWaitWhileOccupiedWithSomebodyElse) {
  World world;
  Node& bob = world.StartAnswerer();
  bob->SetBusy(world.now, true);
  Node& alice = world.StartOfferer();
  world.Run(1min);
  EXPECT_EQ(alice.busy, 1);
  EXPECT_TRUE(bob.sessions.empty());
  bob->SetBusy(world.now, false);
  world.Settle(bob);
  EXPECT_TRUE(world.Meet(alice, bob, 1s));
}

TEST(Rendezvous, MeetsAgainUnderNewKeysAfterAnAttemptThatFailed) {
  World world;
  Node& alice = world.StartOfferer();
  Node& bob = world.StartAnswerer();
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  for (int attempt = 1; attempt < 5; ++attempt) {
    // Whoever notices first tells the other.
    Node& noticer = attempt % 2 == 0 ? alice : bob;
    Node& other = attempt % 2 == 0 ? bob : alice;
    noticer->SetBusy(world.now, false);
    noticer.current.reset();
    world.Settle(noticer);
    ASSERT_TRUE(world.RunUntil([&] { return !other.left_reasons.empty(); }, 1s))
        << attempt;
    other.left_reasons.clear();
    ASSERT_TRUE(world.Meet(alice, bob, 3s)) << attempt;
    EXPECT_FALSE(alice.sessions.back().keys.send ==
                 alice.sessions[alice.sessions.size() - 2].keys.send);
  }
}

TEST(Rendezvous, MeetsAgainWhenOnlyOneSideHasNoticedThatTheChannelIsLost) {
  for (const bool offerer_notices : {false, true}) {
    World world;
    Node& alice = world.StartOfferer();
    Node& bob = world.StartAnswerer();
    ASSERT_TRUE(world.Meet(alice, bob, 10s));
    alice->SetBusy(world.now, true);
    bob->SetBusy(world.now, true);
    world.Run(1h);
    Node& noticer = offerer_notices ? alice : bob;
    Node& other = offerer_notices ? bob : alice;
    noticer->SetBusy(world.now, false);
    noticer.current.reset();
    world.Settle(noticer);
    // The other one hears of it at once, and believes it when its own channel
    // says so.
    world.Run(15s);
    EXPECT_EQ(other.left_reasons, std::vector<ByeReason>{ByeReason::kGaveUp});
    other->SetBusy(world.now, false);
    world.Settle(other);
    EXPECT_TRUE(world.Meet(alice, bob, 10s)) << offerer_notices;
  }
}

TEST(Rendezvous, TakesANewOfferOfTheSameProcessWhileTheOldSessionSeemsAlive) {
  World world;
  Node& alice = world.StartOfferer();
  Node& bob = world.StartAnswerer();
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  alice->SetBusy(world.now, true);
  bob->SetBusy(world.now, true);
  // The goodbye is lost, and the channel of the answerer not yet given up.
  world.fate = [](std::size_t) { return std::vector<Duration>{}; };
  alice->SetBusy(world.now, false);
  alice.current.reset();
  world.Settle(alice);
  world.fate = [](std::size_t) { return std::vector<Duration>{0s}; };
  ASSERT_TRUE(world.Meet(alice, bob, 5s));
  EXPECT_EQ(bob.superseded, 1);
}

TEST(Rendezvous, TellsThatThePeerBeganAnewWhileTheSessionSeemsAlive) {
  World world;
  Node& alice = world.StartOfferer();
  Node& bob = world.StartAnswerer();
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  alice->SetBusy(world.now, true);
  bob->SetBusy(world.now, true);
  world.Run(1h);
  EXPECT_EQ(alice.knocks, 0);
  EXPECT_EQ(bob.knocks, 0);
  world.Kill(bob);
  world.StartAnswerer();
  world.Run(3s);
  EXPECT_GT(alice.knocks, 0);
  // That may be a replay, and changes nothing.
  EXPECT_TRUE(alice.current.has_value());
  EXPECT_EQ(alice.superseded, 0);
}

TEST(Rendezvous, FollowsAnOffererThatWasKilledAndStartedAgain) {
  for (const Duration alive : {Duration(0s), Duration(1s), Duration(8s)}) {
    World world;
    Node& bob = world.StartAnswerer();
    Node& first = world.StartOfferer();
    ASSERT_TRUE(world.Meet(first, bob, 10s));
    world.Run(alive);
    world.Kill(first);
    Node& second = world.StartOfferer();
    EXPECT_TRUE(world.Meet(second, bob, 9s)) << alive.count();
    EXPECT_EQ(bob.superseded, 1);
  }
}

TEST(Rendezvous, FollowsAnAnswererThatWasKilledAndStartedAgain) {
  for (const Duration alive : {Duration(0s), Duration(1s), Duration(8s)}) {
    World world;
    Node& alice = world.StartOfferer();
    Node& first = world.StartAnswerer();
    ASSERT_TRUE(world.Meet(alice, first, 10s));
    world.Run(alive);
    world.Kill(first);
    Node& second = world.StartAnswerer();
    EXPECT_TRUE(world.Meet(alice, second, 9s)) << alive.count();
    EXPECT_EQ(alice.superseded, 1);
  }
}

TEST(Rendezvous, SettlesOnOneOfTwoAnswerers) {
  World world;
  Node& one = world.StartAnswerer();
  Node& two = world.StartAnswerer();
  world.Run(1min);
  Node& alice = world.StartOfferer();
  ASSERT_TRUE(world.RunUntil(
      [&] { return World::Agree(alice, one) || World::Agree(alice, two); },
      10s));
  world.Run(1s);
  Node& other = World::Agree(alice, one) ? two : one;
  EXPECT_FALSE(other.current.has_value());
  EXPECT_EQ(alice.sessions.size(), 1u);
}

TEST(Rendezvous, TellsThePeerThatItsUserGaveUp) {
  for (const bool offerer_leaves : {false, true}) {
    World world;
    Node& alice = world.StartOfferer();
    Node& bob = world.StartAnswerer();
    ASSERT_TRUE(world.Meet(alice, bob, 10s));
    Node& leaver = offerer_leaves ? alice : bob;
    Node& stayer = offerer_leaves ? bob : alice;
    leaver->Close(world.now, ByeReason::kGaveUp);
    world.Settle(leaver);
    world.Run(kOneWay);
    EXPECT_EQ(stayer.left_reasons, std::vector<ByeReason>{ByeReason::kGaveUp});
    // It waits for the next one.
    world.Kill(leaver);
    Node& next = offerer_leaves ? world.StartOfferer() : world.StartAnswerer();
    EXPECT_TRUE(world.Meet(stayer, next, 5s));
  }
}

TEST(Rendezvous, TellsThePeerThatItsUserDeclined) {
  World world;
  Node& alice = world.StartOfferer();
  Node& bob = world.StartAnswerer();
  ASSERT_TRUE(world.Meet(alice, bob, 10s));
  bob->Close(world.now, ByeReason::kDeclined);
  world.Settle(bob);
  world.Run(kOneWay);
  ASSERT_TRUE(alice.failure.has_value());
  EXPECT_EQ(alice.failure->code, ErrorCode::kDeclined);
}

TEST(Rendezvous, StaysSilentOnceClosed) {
  World world;
  Node& bob = world.StartAnswerer();
  world.Run(10s);
  bob->Close(world.now, ByeReason::kGaveUp);
  world.Settle(bob);
  const std::size_t before = world.sent.size();
  Node& alice = world.StartOfferer();
  world.Run(10s);
  EXPECT_TRUE(alice.sessions.empty());
  EXPECT_EQ(alice.peer_seen, 0);
  EXPECT_TRUE(bob.sessions.empty());
  EXPECT_GT(world.sent.size(), before);
  EXPECT_FALSE(bob->PollPublish().has_value());
}

TEST(Rendezvous, SpeaksUpWhenAnotherBrokerConnects) {
  World world;
  Node& alice = world.StartOfferer();
  world.Run(40s);
  const std::size_t before = world.sent.size();
  alice->HandleSubscribed(world.now, alice.Wall(world.now));
  world.Settle(alice);
  EXPECT_EQ(world.sent.size(), before + 1);
}

// One that only listens hears the fresh offer and hands it to another, which
// goes on without a further round.
TEST(Rendezvous, AnOfferMayBeTakenByAnotherThanWhoGaveOutItsNonce) {
  World world;
  Node& listener = world.StartWithoutCandidates(world.AnswererConfig());
  world.Run(1min);
  EXPECT_FALSE(listener->WaitingOffer());
  Node& alice = world.StartOfferer();
  ASSERT_TRUE(world.RunUntil(
      [&] { return listener->WaitingOffer().has_value(); }, 10s));
  const auto offer = world.sent.back();
  Rendezvous::Config config = world.AnswererConfig();
  config.ready = listener->WaitingOffer();
  world.Kill(listener);
  Node& bob = world.Start(config);
  ASSERT_TRUE(world.RunUntil([&] { return bob.subscribed; }, 1s));
  const std::size_t before = world.sent.size();
  world.Inject(offer.topic, offer.payload);
  ASSERT_TRUE(bob.current);
  ASSERT_TRUE(world.Meet(alice, bob, kOneWay));
  // The answer, and what else there was to say at once.
  EXPECT_LE(world.sent.size(), before + 2);
}

TEST(Rendezvous, OneThatIsBusyLetsNoOfferWait) {
  World world;
  Node& listener = world.StartWithoutCandidates(world.AnswererConfig());
  world.Run(1s);
  listener->SetBusy(world.now, true);
  Node& alice = world.StartOfferer();
  EXPECT_FALSE(world.RunUntil(
      [&] { return listener->WaitingOffer().has_value(); }, 1min));
  EXPECT_EQ(listener.peer_seen, 1);
  EXPECT_EQ(alice.busy, 1);
  listener->SetBusy(world.now, false);
  EXPECT_TRUE(world.RunUntil(
      [&] { return listener->WaitingOffer().has_value(); }, 2 * kRoundTrip));
}

}  // namespace
}  // namespace p2pcp::signaling
