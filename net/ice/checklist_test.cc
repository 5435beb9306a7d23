#include "net/ice/checklist.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/base/random.h"

namespace p2pcp::ice {
namespace {

constexpr TimePoint kStart{1s};

Candidate Make(std::string_view address,
               CandidateType type = CandidateType::kHost,
               std::uint8_t socket = 0) {
  const SocketAddress parsed = *SocketAddress::Parse(address);
  return {.type = type,
          .address = parsed,
          .base = type == CandidateType::kHost ? parsed : SocketAddress{},
          .priority = ComputePriority(type, 100),
          .socket = socket};
}

const std::vector<Candidate> kLocal = {
    Make("192.168.1.2:5000"),
    Make("198.51.100.1:5000", CandidateType::kServerReflexive),
    Make("[2001:db8::2]:5001", CandidateType::kHost, 1)};

void Fail(Pair& pair) {
  pair.schedule().Start(kStart);
  while (pair.schedule().next()) pair.schedule().Advance(kStart);
  ASSERT_EQ(pair.state(), PairState::kFailed);
}

void Prove(Pair& pair) {
  SeededRandom random(1);
  ASSERT_TRUE(pair.HandleEcho(kStart, pair.MakeChallenge(kStart, random)));
}

TEST(Checklist, PairsEachSocketWithCandidatesOfItsFamily) {
  Checklist list(Role::kControlling, false);
  EXPECT_FALSE(list.AddLocal(kLocal));
  EXPECT_TRUE(list.AddRemote(
      std::vector{Make("192.168.7.7:6000"),
                  Make("203.0.113.7:6000", CandidateType::kServerReflexive),
                  Make("[2001:db8::7]:6000")}));
  ASSERT_EQ(list.pairs().size(), 3u);
  EXPECT_NE(list.Find(0, *SocketAddress::Parse("192.168.7.7:6000")), nullptr);
  EXPECT_NE(list.Find(0, *SocketAddress::Parse("203.0.113.7:6000")), nullptr);
  EXPECT_NE(list.Find(1, *SocketAddress::Parse("[2001:db8::7]:6000")), nullptr);
}

TEST(Checklist, FormsTheSamePairsWhicheverSideComesFirst) {
  Checklist list(Role::kControlled, false);
  EXPECT_FALSE(list.AddRemote(std::vector{Make("192.168.7.7:6000")}));
  EXPECT_TRUE(list.AddLocal(kLocal));
  EXPECT_EQ(list.pairs().size(), 1u);
  EXPECT_FALSE(list.AddLocal(kLocal));
  EXPECT_FALSE(list.AddRemote(std::vector{Make("192.168.7.7:6000")}));
  EXPECT_EQ(list.pairs().size(), 1u);
}

TEST(Checklist, NeverPairsWhatMayNotBeProbed) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  EXPECT_FALSE(list.AddRemote(std::vector{
      Make("0.0.0.0:6000"), Make("224.0.0.1:6000"),
      Make("255.255.255.255:6000"), Make("203.0.113.7:53"),
      Make("169.254.0.1:6000"), Make("[ff02::1]:6000"), Make("[fe80::1]:6000"),
      Make("203.0.113.7:6000", CandidateType::kPeerReflexive)}));
  EXPECT_TRUE(list.pairs().empty());
  EXPECT_EQ(list.refused(), 8u);
}

TEST(Checklist, HoldsLoopbackBackUntilThePeerProvesToBeThisHost) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  EXPECT_FALSE(list.AddRemote(std::vector{Make("127.0.0.1:6000")}));
  // Not by a reflexive address that both share: that is one NAT, not one host.
  EXPECT_TRUE(list.AddRemote(
      std::vector{Make("198.51.100.1:6000", CandidateType::kServerReflexive)}));
  EXPECT_EQ(list.pairs().size(), 1u);
  EXPECT_TRUE(list.AddRemote(std::vector{Make("192.168.1.2:6000")}));
  EXPECT_NE(list.Find(0, *SocketAddress::Parse("127.0.0.1:6000")), nullptr);
}

TEST(Checklist, TakesNoSharedLoopbackAddressForProof) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(std::vector{Make("127.0.0.1:5000")});
  EXPECT_FALSE(list.AddRemote(std::vector{Make("127.0.0.1:6000")}));
}

TEST(Checklist, PairsLoopbackWhereItIsAllowed) {
  Checklist list(Role::kControlling, true);
  list.AddLocal(std::vector{Make("127.0.0.1:5000")});
  EXPECT_TRUE(list.AddRemote(std::vector{Make("127.0.0.1:6000")}));
}

TEST(Checklist, TakesSixteenRemoteCandidates) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  std::vector<Candidate> many;
  for (int i = 0; i < 40; ++i) {
    many.push_back(Make("203.0.113." + std::to_string(i + 1) + ":6000"));
  }
  list.AddRemote(many);
  EXPECT_EQ(list.pairs().size(), kMaxCandidates);
  EXPECT_EQ(list.refused(), 24u);
}

TEST(Checklist, LetsAFailedCandidateMakeRoomButNotForEver) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  for (int i = 0; i < 200; ++i) {
    list.AddRemote(
        std::vector{Make("203.0.113." + std::to_string(i + 1) + ":6000")});
    for (const auto& pair : list.pairs()) {
      if (pair->state() == PairState::kWaiting) Fail(*pair);
    }
  }
  EXPECT_EQ(list.pairs().size(), kMaxCandidates);
  EXPECT_EQ(list.refused(), 200 - Checklist::kMaxRemoteEver);
}

TEST(Checklist, BoundsPeerReflexivePairsAndKeepsTheOneInUse) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  std::vector<SocketAddress> sources;
  for (int i = 0; i < 30; ++i) {
    sources.push_back(
        *SocketAddress::Parse("203.0.113.7:" + std::to_string(2000 + i)));
  }
  Pair* first = list.FindOrAddPeerReflexive(0, sources[0], nullptr, false);
  ASSERT_NE(first, nullptr);
  Prove(*first);
  for (std::size_t i = 1; i < sources.size(); ++i) {
    Pair* pair = list.FindOrAddPeerReflexive(0, sources[i], first, true);
    ASSERT_NE(pair, nullptr);
    EXPECT_TRUE(pair->late());
    pair->OnReceived(kStart + i * 1ms, 50);
  }
  EXPECT_EQ(list.pairs().size(), Checklist::kMaxPeerReflexive);
  EXPECT_EQ(list.Find(0, sources[0]), first);
  // The ones that were silent longest have gone.
  EXPECT_EQ(list.Find(0, sources[1]), nullptr);
  EXPECT_NE(list.Find(0, sources[29]), nullptr);
}

TEST(Checklist, TurnsAPeerReflexivePairIntoTheSignalledOne) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  const auto source = *SocketAddress::Parse("203.0.113.7:6000");
  Pair* pair = list.FindOrAddPeerReflexive(0, source, nullptr, false);
  list.AddRemote(
      std::vector{Make("203.0.113.7:6000", CandidateType::kServerReflexive)});
  EXPECT_EQ(list.pairs().size(), 1u);
  EXPECT_EQ(list.Find(0, source), pair);
  EXPECT_EQ(pair->remote_type(), CandidateType::kServerReflexive);
}

TEST(Checklist, RefusesSourcesThatMayNotBeProbed) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  for (const char* source : {"224.0.0.1:6000", "203.0.113.7:53", "0.0.0.0:6000",
                             "255.255.255.255:6000"}) {
    EXPECT_EQ(list.FindOrAddPeerReflexive(0, *SocketAddress::Parse(source),
                                          nullptr, false),
              nullptr)
        << source;
  }
}

// At most 160 packets to an address that the peer has named.
TEST(Checklist, BoundsPacketsToAnAddressThatNeverAnswers) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  std::vector<Candidate> many;
  for (int i = 0; i < 16; ++i) {
    many.push_back(Make("203.0.113.7:" + std::to_string(6000 + i)));
  }
  list.AddRemote(many);
  int sent = 0;
  for (int round = 0; round < 100; ++round) {
    for (const auto& pair : list.pairs()) {
      if (list.BookSend(*pair, 46)) ++sent;
    }
  }
  EXPECT_EQ(sent, Checklist::kMaxProbesPerAddress);
  // Proof lifts the bound.
  Prove(*list.pairs()[3]);
  EXPECT_TRUE(list.BookSend(*list.pairs()[3], 46));
  EXPECT_FALSE(list.BookSend(*list.pairs()[4], 46));
}

// A NAT that gives the peer another port each minute, for a day.
TEST(Checklist, FollowsAPeerWhoseNatGivesItEverNewPorts) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  SeededRandom random(1);
  const Pair* kept = nullptr;
  TimePoint now = kStart;
  for (int i = 0; i < 1440; ++i) {
    const std::string port = std::to_string(2000 + i);
    ASSERT_TRUE(
        list.AddRemote(std::vector{Make("203.0.113.7:" + port)}, now, kept))
        << i;
    Pair* pair = list.Find(0, *SocketAddress::Parse("203.0.113.7:" + port));
    ASSERT_NE(pair, nullptr);
    for (int probe = 0; probe < 10; ++probe) {
      ASSERT_TRUE(list.BookSend(*pair, 46)) << i;
    }
    pair->OnReceived(now, 46);
    ASSERT_TRUE(pair->HandleEcho(now, pair->MakeChallenge(now, random)));
    list.OnProven(now, *pair);
    kept = pair;
    now += 60s;
  }
  EXPECT_EQ(list.pairs().size(), kMaxCandidates);
  EXPECT_EQ(list.refused(), 0u);
}

// It renews what may be sent to the address, but not at the peer's will.
TEST(Checklist, BoundsHowOftenProofRenewsTheBudgetOfAnAddress) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  list.AddRemote(
      std::vector{Make("203.0.113.7:6000"), Make("203.0.113.7:6001")});
  Pair& victim = *list.pairs()[0];
  Pair& own = *list.pairs()[1];
  SeededRandom random(1);
  int sent = 0;
  for (TimePoint now = kStart + 60s; now < kStart + 120s; now += 100ms) {
    ASSERT_TRUE(own.HandleEcho(now, own.MakeChallenge(now, random)));
    list.OnProven(now, own);
    while (list.BookSend(victim, 46)) ++sent;
  }
  // The first, and one each half minute.
  EXPECT_EQ(sent, 3 * Checklist::kMaxProbesPerAddress);
}

TEST(Checklist, KeepsThePairInUseWhateverTheNewCandidates) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  list.AddRemote(std::vector{Make("203.0.113.7:6000")});
  Pair* kept = list.pairs()[0].get();
  Prove(*kept);
  for (int i = 1; i < 60; ++i) {
    list.AddRemote(std::vector{Make("203.0.113.7:" + std::to_string(6000 + i))},
                   kStart + 1h, kept);
    for (const auto& pair : list.pairs()) {
      if (pair->state() == PairState::kWaiting) Fail(*pair);
    }
  }
  EXPECT_EQ(list.FindById(kept->id()), kept);
}

// A host that has had many addresses, and now has its first IPv6 one.
TEST(Checklist, TakesANewLocalSocketHoweverManyAddressesThereWere) {
  Checklist list(Role::kControlling, false);
  for (int i = 0; i < 40; ++i) {
    list.AddLocal(
        std::vector{Make("192.168.1." + std::to_string(i + 1) + ":5000")});
  }
  list.AddRemote(std::vector{Make("[2001:db8::7]:6000")});
  EXPECT_TRUE(list.pairs().empty());
  EXPECT_TRUE(list.AddLocal(
      std::vector{Make("[2001:db8::2]:5001", CandidateType::kHost, 1)}));
}

TEST(Checklist, KnowsWhatPassesARelay) {
  Checklist list(Role::kControlling, false);
  std::vector<Candidate> local = kLocal;
  local.push_back(Make("198.51.100.9:5000", CandidateType::kRelayed, 200));
  list.AddLocal(local);
  list.AddRemote(
      std::vector{Make("203.0.113.7:6000"),
                  Make("198.51.100.8:6000", CandidateType::kRelayed)});
  const auto relayed = [&](std::uint8_t socket, const char* remote) {
    return list.Find(socket, *SocketAddress::Parse(remote))->relayed();
  };
  EXPECT_FALSE(relayed(0, "203.0.113.7:6000"));
  EXPECT_TRUE(relayed(200, "203.0.113.7:6000"));
  EXPECT_TRUE(relayed(0, "198.51.100.8:6000"));
  const auto source = *SocketAddress::Parse("203.0.113.8:7000");
  EXPECT_TRUE(
      list.FindOrAddPeerReflexive(200, source, nullptr, false)->relayed());
  EXPECT_FALSE(
      list.FindOrAddPeerReflexive(0, source, nullptr, false)->relayed());
}

// Only with an interface, which no peer can name.
TEST(Checklist, PairsLinkLocalAddressesByAnInterface) {
  Checklist list(Role::kControlling, false);
  list.AddLocal(kLocal);
  Candidate candidate = Make("[fe80::7]:6000");
  EXPECT_FALSE(list.AddRemote(std::vector{candidate}));
  candidate.address.scope_id = 3;
  EXPECT_TRUE(list.AddRemote(std::vector{candidate}));
  Candidate global = Make("[2001:db8::7]:6000");
  global.address.scope_id = 3;
  EXPECT_FALSE(list.AddRemote(std::vector{global}));
}

TEST(Checklist, NamesTheLocalTypeByWhetherANatIsCrossed) {
  Checklist list(Role::kControlling, false);
  std::vector<Candidate> local = kLocal;
  local[1].base = local[0].address;
  list.AddLocal(local);
  list.AddRemote(std::vector{Make("192.168.1.7:6000"), Make("203.0.113.7:6000"),
                             Make("[2001:db8::7]:6000")});
  ASSERT_EQ(list.pairs().size(), 3u);
  EXPECT_EQ(list.LocalType(*list.pairs()[0]), CandidateType::kHost);
  EXPECT_EQ(list.LocalType(*list.pairs()[1]), CandidateType::kServerReflexive);
  EXPECT_EQ(list.LocalType(*list.pairs()[2]), CandidateType::kHost);
}

}  // namespace
}  // namespace p2pcp::ice
