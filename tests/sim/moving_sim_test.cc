// What a connection lives through, in virtual time: addresses and mappings
// that change under it, machines that sleep, brokers that die. Both sides say
// something every 20 ms, as a transfer and its acknowledgements do; what counts
// is the longest time in which one of them hears nothing.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "tests/sim/broker.h"
#include "tests/sim/connect_peer.h"
#include "tests/sim/nat.h"
#include "tests/sim/simulator.h"
#include "tests/sim/stun_server.h"
#include "tests/sim/topology.h"

namespace p2pcp::sim {
namespace {

constexpr Duration kLine = 10ms;
constexpr NatOptions kPortRestricted{};
constexpr NatOptions kFullCone{.filtering = Dependence::kEndpointIndependent};

crypto::Identity MakeIdentity(std::uint64_t seed) {
  SeededRandom random(seed);
  return crypto::Identity::Generate(random);
}

// Two homes that are connected.
class World {
 public:
  explicit World(std::uint64_t seed = 1, const NatOptions& nat_a = {},
                 const NatOptions& nat_b = {}, double loss = 0)
      : simulator(seed) {
    home_a = &AddHome(nat_a, "203.0.113.10", loss);
    home_b = &AddHome(nat_b, "192.0.2.10", loss);
    host_a = &internet.AddHost(*home_a, {Ip("10.1.0.2")});
    host_b = &internet.AddHost(*home_b, {Ip("10.2.0.2")});
    ConnectPeer::Options options{.role = ice::Role::kControlling,
                                 .self = &alice,
                                 .peer = bob.public_key(),
                                 .psk = std::nullopt,
                                 .brokers = {&broker},
                                 .stun_servers = servers,
                                 .random_seed = 2 * seed};
    a = std::make_unique<ConnectPeer>(simulator, *host_a, options);
    options.role = ice::Role::kControlled;
    options.self = &bob;
    options.peer = alice.public_key();
    options.random_seed = 2 * seed + 1;
    b = std::make_unique<ConnectPeer>(simulator, *host_b, options);
  }

  bool Connect() {
    return simulator.RunUntil([&] { return a->connected() && b->connected(); },
                              simulator.now() + 10s) == Stop::kDone;
  }

  void Talk(Duration duration) {
    const TimePoint end = simulator.now() + duration;
    while (simulator.now() < end) {
      a->Say("a");
      b->Say("b");
      simulator.RunFor(20ms);
    }
  }
  // The longest time since `since` in which one of the two heard nothing.
  Duration LongestStall(TimePoint since) const {
    Duration longest{};
    for (const ConnectPeer* peer : {a.get(), b.get()}) {
      TimePoint last = since;
      for (const TimePoint at : peer->heard_at()) {
        if (at < since) continue;
        longest = std::max(longest, at - last);
        last = at;
      }
      longest = std::max(longest, simulator.now() - last);
    }
    return longest;
  }

  Simulator simulator;
  Internet internet{simulator};
  Broker broker{simulator, {.delay = 20ms}};
  StunServer stun1{internet.AddServer({Ip("198.51.100.1")}, 5ms)};
  StunServer stun2{internet.AddServer({Ip("198.51.100.2")}, 5ms)};
  std::vector<SocketAddress> servers = {Address("198.51.100.1:3478"),
                                        Address("198.51.100.2:3478")};
  const crypto::Identity alice = MakeIdentity(101);
  const crypto::Identity bob = MakeIdentity(102);
  Home* home_a = nullptr;
  Home* home_b = nullptr;
  Host* host_a = nullptr;
  Host* host_b = nullptr;
  std::unique_ptr<ConnectPeer> a;
  std::unique_ptr<ConnectPeer> b;

 private:
  Home& AddHome(const NatOptions& nat, std::string_view external, double loss) {
    return internet.AddHome({.nat = nat,
                             .external = {Ip(external)},
                             .up = {.delay = kLine, .loss = loss},
                             .down = {.delay = kLine, .loss = loss}});
  }
};

struct Case {
  const char* name;
  NatOptions nat_a;
  NatOptions nat_b;
  std::function<void(World&)> change;
  Duration bound;
};

std::vector<Case> Cases() {
  return {
      {"A's mappings, before an open NAT", kPortRestricted, kFullCone,
       [](World& w) { w.home_a->nat->Rebind(); }, 1s},
      {"A's mappings", kPortRestricted, kPortRestricted,
       [](World& w) { w.home_a->nat->Rebind(); }, 5s},
      {"B's mappings", kPortRestricted, kPortRestricted,
       [](World& w) { w.home_b->nat->Rebind(); }, 5s},
      {"both", kPortRestricted, kPortRestricted,
       [](World& w) {
         w.home_a->nat->Rebind();
         w.home_b->nat->Rebind();
       },
       5s},
      {"A's outside address", kPortRestricted, kPortRestricted,
       [](World& w) { w.internet.Renumber(*w.home_a, {Ip("203.0.113.77")}); },
       5s},
      {"the broker is gone", kPortRestricted, kPortRestricted,
       [](World& w) {
         w.broker.set_judge([](std::size_t, const auto&) {
           return Broker::Fate{.copies = 0};
         });
       },
       100ms},
  };
}

TEST(Moving, TheConnectionGoesOnWhateverChanges) {
  for (const Case& c : Cases()) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      World world(seed, c.nat_a, c.nat_b);
      ASSERT_TRUE(world.Connect());
      world.Talk(Duration(1s) + seed * 37ms);
      const TimePoint changed = world.simulator.now();
      c.change(world);
      world.Talk(8s);
      EXPECT_LT(world.LongestStall(changed), c.bound)
          << c.name << ", seed " << seed;
      EXPECT_FALSE(world.a->error() || world.b->error()) << c.name;
    }
  }
}

// Each list of candidates is told several times, and each check is one of many.
TEST(Moving, LossesDoNotKeepItFromGoingOn) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World world(seed, kPortRestricted, kPortRestricted, /*loss=*/0.05);
    ASSERT_TRUE(world.Connect());
    world.broker.options() = {.delay = 50ms, .jitter = 200ms, .loss = 0.1};
    world.Talk(500ms);
    const TimePoint changed = world.simulator.now();
    (seed % 2 == 0 ? world.home_a : world.home_b)->nat->Rebind();
    world.Talk(12s);
    EXPECT_LT(world.LongestStall(changed), 6s) << "seed " << seed;
  }
}

TEST(Moving, AHostThatGoesToThePeersNetworkUsesThat) {
  World world;
  ASSERT_TRUE(world.Connect());
  world.Talk(1s);
  const TimePoint changed = world.simulator.now();
  // Out of its home and, with the same socket, into the other's LAN.
  world.host_a->SetAddresses({Ip("10.2.0.9")});
  world.home_b->lan.AddRoute(Ip("10.2.0.9"), *world.host_a);
  world.host_a->Connect(world.home_b->lan);
  world.a->Rescan();
  world.Talk(6s);
  EXPECT_LT(world.LongestStall(changed), 5s);
  EXPECT_EQ(world.a->path().remote, Address("10.2.0.2:4000"));
}

TEST(Moving, ALineThatIsGoneFor20SecondsGoesOnWithinOne) {
  World world;
  ASSERT_TRUE(world.Connect());
  world.Talk(1s);
  const TimePoint changed = world.simulator.now();
  world.home_a->up->set_up(false);
  world.home_a->down->set_up(false);
  world.Talk(20s);
  world.home_a->up->set_up(true);
  world.home_a->down->set_up(true);
  world.Talk(5s);
  EXPECT_LT(world.LongestStall(changed), 21s);
}

TEST(Moving, ASleepOf20SecondsIsNoMatterAndOneOfTenMinutesEndsIt) {
  for (const bool offerer : {true, false}) {
    World world;
    ASSERT_TRUE(world.Connect());
    world.Talk(1s);
    const TimePoint slept = world.simulator.now();
    ConnectPeer& sleeper = offerer ? *world.a : *world.b;
    sleeper.Sleep(20s);
    world.Talk(20s);
    world.Talk(3s);
    EXPECT_LT(world.LongestStall(slept), 21s) << offerer;
    // NATs have forgotten, and the other side has given up: a new channel is
    // what helps, and both know.
    sleeper.Sleep(10min);
    world.Talk(10min);
    world.Talk(2s);
    ASSERT_TRUE(world.a->error() && world.b->error()) << offerer;
    EXPECT_EQ(world.a->error()->code, ErrorCode::kConnectionLost);
    EXPECT_EQ(world.b->error()->code, ErrorCode::kConnectionLost);
  }
}

TEST(Moving, MappingsOf30SecondsOutliveAPauseOf60) {
  const NatOptions forgetful{.timeout = 30s, .inbound_refresh = false};
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    World world(seed, forgetful, forgetful);
    ASSERT_TRUE(world.Connect());
    world.Talk(1s);
    world.simulator.RunFor(60s);
    const TimePoint resumed = world.simulator.now();
    world.Talk(1s);
    EXPECT_LT(world.LongestStall(resumed), 100ms) << "seed " << seed;
  }
}

// A carrier's NAT that drops each mapping 50 s after it was made, in use or
// not, and gives another port to what comes then.
TEST(Moving, MappingsThatDieOfAgeStallForLessThanASecond) {
  for (const bool open : {true, false}) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      World world(seed, kPortRestricted, open ? kFullCone : kPortRestricted);
      ASSERT_TRUE(world.Connect());
      const TimePoint begin = world.simulator.now();
      for (int i = 0; i < 8; ++i) {
        world.Talk(Duration(50s) + seed * 7ms);
        world.home_a->nat->Rebind();
      }
      world.Talk(5s);
      EXPECT_LT(world.LongestStall(begin), 1s)
          << (open ? "open" : "port-restricted") << ", seed " << seed;
    }
  }
}

}  // namespace
}  // namespace p2pcp::sim
