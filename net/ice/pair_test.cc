#include "net/ice/pair.h"

#include <gtest/gtest.h>

namespace p2pcp::ice {
namespace {

constexpr TimePoint kStart{1s};

Pair MakePair(CandidateType type, std::string_view remote = "192.0.2.1:5000") {
  return Pair({.id = PairId{1},
               .socket = 0,
               .remote = *SocketAddress::Parse(remote),
               .remote_type = type,
               .priority = 1,
               .late = false});
}

// A pair that answered within rtt.
Pair Proven(CandidateType type, std::string_view remote, Duration rtt) {
  Pair pair = MakePair(type, remote);
  SeededRandom random(1);
  const auto challenge = pair.MakeChallenge(kStart, random);
  EXPECT_TRUE(pair.HandleEcho(kStart + rtt, challenge));
  return pair;
}

TEST(Pair, IsProvenByTheEchoOfItsOwnChallenge) {
  SeededRandom random(1);
  Pair pair = MakePair(CandidateType::kHost);
  const auto challenge = pair.MakeChallenge(kStart, random);
  ASSERT_NE(challenge, 0u);
  EXPECT_FALSE(pair.HandleEcho(kStart + 1ms, challenge + 1));
  EXPECT_FALSE(pair.HandleEcho(kStart + 1ms, 0));
  EXPECT_FALSE(pair.proven());
  EXPECT_TRUE(pair.HandleEcho(kStart + 7ms, challenge));
  EXPECT_TRUE(pair.proven());
  EXPECT_EQ(pair.min_rtt(), 7ms);
  EXPECT_TRUE(pair.ProvenSince(kStart + 7ms));
  EXPECT_FALSE(pair.ProvenSince(kStart + 8ms));
}

TEST(Pair, CountsEachEchoOnce) {
  SeededRandom random(1);
  Pair pair = MakePair(CandidateType::kHost);
  const auto challenge = pair.MakeChallenge(kStart, random);
  EXPECT_TRUE(pair.HandleEcho(kStart + 7ms, challenge));
  EXPECT_FALSE(pair.HandleEcho(kStart + 8ms, challenge));
}

TEST(Pair, RemembersThirtyTwoChallenges) {
  SeededRandom random(1);
  Pair pair = MakePair(CandidateType::kHost);
  std::vector<std::uint64_t> challenges;
  for (int i = 0; i < 33; ++i) {
    challenges.push_back(pair.MakeChallenge(kStart, random));
  }
  EXPECT_FALSE(pair.HandleEcho(kStart + 1ms, challenges[0]));
  for (int i = 1; i < 33; ++i) {
    EXPECT_TRUE(pair.HandleEcho(kStart + 1ms, challenges[i])) << i;
  }
}

TEST(Pair, KeepsTheLowestAndASmoothedRoundTrip) {
  SeededRandom random(1);
  Pair pair = MakePair(CandidateType::kHost);
  for (const Duration rtt : {80ms, 40ms, 120ms}) {
    EXPECT_TRUE(
        pair.HandleEcho(kStart + rtt, pair.MakeChallenge(kStart, random)));
  }
  EXPECT_EQ(pair.min_rtt(), 40ms);
  EXPECT_EQ(pair.smoothed_rtt(), 75ms + Duration(45ms) / 8);
}

TEST(Pair, SendsNoMoreThanCameUntilProven) {
  SeededRandom random(1);
  Pair pair = MakePair(CandidateType::kPeerReflexive);
  EXPECT_FALSE(pair.MaySend(1));
  pair.OnReceived(kStart, 150);
  EXPECT_TRUE(pair.MaySend(150));
  EXPECT_FALSE(pair.MaySend(151));
  pair.OnSent(100);
  EXPECT_TRUE(pair.MaySend(50));
  EXPECT_FALSE(pair.MaySend(51));
  ASSERT_TRUE(pair.HandleEcho(kStart, pair.MakeChallenge(kStart, random)));
  EXPECT_TRUE(pair.MaySend(1'000'000));
}

TEST(Pair, IsNotLimitedWhereThePeerHasNamedTheAddress) {
  EXPECT_TRUE(MakePair(CandidateType::kServerReflexive).MaySend(1000));
  Pair pair = MakePair(CandidateType::kPeerReflexive);
  EXPECT_FALSE(pair.MaySend(1000));
  pair.SetSignalled(CandidateType::kServerReflexive, 5);
  EXPECT_TRUE(pair.MaySend(1000));
}

TEST(Pair, PassesThroughTheStatesOfTheRfc) {
  SeededRandom random(1);
  Pair pair = MakePair(CandidateType::kHost);
  EXPECT_EQ(pair.state(), PairState::kWaiting);
  pair.schedule().Start(kStart);
  EXPECT_EQ(pair.state(), PairState::kInProgress);
  while (pair.schedule().next()) {
    pair.schedule().Advance(*pair.schedule().next());
  }
  EXPECT_EQ(pair.state(), PairState::kFailed);
  // Late, but proof all the same.
  EXPECT_TRUE(
      pair.HandleEcho(kStart + 12s, pair.MakeChallenge(kStart, random)));
  EXPECT_EQ(pair.state(), PairState::kSucceeded);
}

// Lowest RTT; host > v6 > the rest on ties within 5 ms.
TEST(PairPreference, GoesByRoundTripThenByKind) {
  const Pair lan = Proven(CandidateType::kHost, "10.0.0.2:5000", 6ms);
  const Pair v6 = Proven(CandidateType::kHost, "[2001:db8::1]:5000", 4ms);
  const Pair nat =
      Proven(CandidateType::kServerReflexive, "192.0.2.1:5000", 2ms);
  const Pair far = Proven(CandidateType::kHost, "10.0.0.3:5000", 20ms);
  EXPECT_TRUE(IsBetter(lan, v6));
  EXPECT_TRUE(IsBetter(v6, nat));
  EXPECT_TRUE(IsBetter(lan, nat));
  EXPECT_FALSE(IsBetter(nat, lan));
  EXPECT_TRUE(IsBetter(nat, far));
  EXPECT_FALSE(IsBetter(far, nat));
  EXPECT_FALSE(IsBetter(lan, lan));
}

// However quick it is.
TEST(PairPreference, NoRelayIsBetterThanOne) {
  Pair relayed({.id = PairId{9},
                .socket = 200,
                .remote = *SocketAddress::Parse("203.0.113.7:6000"),
                .relayed = true});
  SeededRandom random(1);
  ASSERT_TRUE(
      relayed.HandleEcho(kStart + 1ms, relayed.MakeChallenge(kStart, random)));
  const Pair far = Proven(CandidateType::kHost, "10.0.0.3:5000", 500ms);
  EXPECT_TRUE(IsBetter(far, relayed));
  EXPECT_FALSE(IsBetter(relayed, far));
}

}  // namespace
}  // namespace p2pcp::ice
