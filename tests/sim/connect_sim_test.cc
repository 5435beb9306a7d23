// From "is anybody there?" to a proven path, in virtual time: connectors on
// both sides, a simulated broker, STUN servers of two operators, and NATs of
// every kind.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "tests/sim/broker.h"
#include "tests/sim/connect_peer.h"
#include "tests/sim/connect_world.h"
#include "tests/sim/nat.h"
#include "tests/sim/simulator.h"
#include "tests/sim/topology.h"

namespace p2pcp::sim {
namespace {

constexpr Dependence kIndependent = Dependence::kEndpointIndependent;
constexpr Dependence kAddress = Dependence::kAddressDependent;
constexpr Dependence kAddressPort = Dependence::kAddressAndPortDependent;

// --- The matrix of NATs ---

struct Kind {
  Dependence mapping;
  Dependence filtering;
  PortAllocation allocation;

  NatOptions Options() const {
    return {
        .mapping = mapping, .filtering = filtering, .allocation = allocation};
  }
};

std::vector<Kind> Kinds() {
  std::vector<Kind> kinds;
  for (const Dependence mapping : {kIndependent, kAddress, kAddressPort}) {
    for (const Dependence filtering : {kIndependent, kAddress, kAddressPort}) {
      for (const PortAllocation allocation :
           {PortAllocation::kPreserve, PortAllocation::kSequential,
            PortAllocation::kRandom}) {
        kinds.push_back({mapping, filtering, allocation});
      }
    }
  }
  return kinds;
}

// What plain punching can do. Two independent mappings: always. One: the other
// side comes from a port that could not be foretold, so it must be let in by
// address or without a look. None: not promised.
std::optional<bool> Punchable(const Kind& a, const Kind& b) {
  if (a.mapping == kIndependent && b.mapping == kIndependent) return true;
  if (a.mapping != kIndependent && b.mapping != kIndependent) {
    return std::nullopt;
  }
  const Kind& easy = a.mapping == kIndependent ? a : b;
  return easy.filtering != kAddressPort;
}

std::string Describe(const Kind& kind) {
  return "mapping " + std::to_string(static_cast<int>(kind.mapping)) +
         " filtering " + std::to_string(static_cast<int>(kind.filtering)) +
         " allocation " + std::to_string(static_cast<int>(kind.allocation));
}

TEST(ConnectOverNats, EveryPairThatCanBePunchedConnectsWithinASecond) {
  for (const Kind& kind_a : Kinds()) {
    for (const Kind& kind_b : Kinds()) {
      if (Punchable(kind_a, kind_b) != true) continue;
      World world;
      world.AddHomes(kind_a.Options(), kind_b.Options());
      EXPECT_TRUE(world.ConnectsAndTalks())
          << Describe(kind_a) << " and " << Describe(kind_b);
    }
  }
}

TEST(ConnectOverNats, PairsThatCannotBePunchedEndCleanlyAndInTime) {
  for (const Kind& kind_a : Kinds()) {
    for (const Kind& kind_b : Kinds()) {
      // With preserved ports the first mapping of a kind that is no cone looks
      // like one's: those pairs may well connect.
      if (Punchable(kind_a, kind_b) == true ||
          kind_a.allocation != PortAllocation::kRandom ||
          kind_b.allocation != PortAllocation::kRandom) {
        continue;
      }
      World world;
      world.AddHomes(kind_a.Options(), kind_b.Options());
      // hard_nat_sim_test has what guessing adds.
      ConnectPeer::Options a = world.OptionsA();
      ConnectPeer::Options b = world.OptionsB();
      a.guess_ports = b.guess_ports = false;
      world.StartA(a);
      world.StartB(b);
      const Stop stop = world.simulator.RunUntil(
          [&] { return world.a->over() && world.b->over(); },
          world.simulator.now() + 20s);
      const std::string pair = Describe(kind_a) + " and " + Describe(kind_b);
      EXPECT_EQ(stop, Stop::kDone) << pair;
      EXPECT_EQ(world.a->connected(), world.b->connected()) << pair;
      if (Punchable(kind_a, kind_b) == false) {
        EXPECT_FALSE(world.a->connected()) << pair;
        ASSERT_TRUE(world.a->error() && world.b->error()) << pair;
        EXPECT_EQ(world.a->error()->code, ErrorCode::kNoPath) << pair;
        EXPECT_EQ(world.b->error()->code, ErrorCode::kNoPath) << pair;
      }
    }
  }
}

TEST(ConnectOverNats, PublicHostsAndOneNatConnect) {
  World both_public;
  both_public.AddHomes(std::nullopt, std::nullopt);
  EXPECT_TRUE(both_public.ConnectsAndTalks());
  for (const Kind& kind : Kinds()) {
    World one;
    one.AddHomes(kind.Options(), std::nullopt);
    EXPECT_TRUE(one.ConnectsAndTalks()) << Describe(kind);
    World other;
    other.AddHomes(std::nullopt, kind.Options());
    EXPECT_TRUE(other.ConnectsAndTalks()) << Describe(kind);
  }
}

TEST(ConnectOverNats, HostsOfOneHomeUseTheirLan) {
  World world;
  Home& home = world.AddHome(NatOptions{.hairpin = false}, "203.0.113.10");
  world.host_a = &world.internet.AddHost(home, {Ip("10.1.0.2")});
  world.host_b = &world.internet.AddHost(home, {Ip("10.1.0.3")});
  EXPECT_TRUE(world.ConnectsAndTalks());
  EXPECT_EQ(world.a->path().remote, Address("10.1.0.3:4000"));
}

TEST(ConnectOverNats, HomesBehindTwoCarriersConnect) {
  World world;
  Carrier& carrier_a =
      world.internet.AddCarrier(NatOptions{}, {Ip("203.0.113.77")});
  Carrier& carrier_b = world.internet.AddCarrier(
      {.allocation = PortAllocation::kRandom}, {Ip("192.0.2.77")});
  world.host_a = &world.internet.AddHost(
      world.AddHome(NatOptions{}, "100.64.0.10", &carrier_a), {Ip("10.1.0.2")});
  world.host_b = &world.internet.AddHost(
      world.AddHome(NatOptions{}, "100.64.0.10", &carrier_b),
      {Ip("10.1.0.2")});  // The same private addresses on both sides.
  EXPECT_TRUE(world.ConnectsAndTalks());
}

TEST(ConnectOverNats, HomesBehindOneCarrierConnectByItsHairpin) {
  World world;
  Carrier& carrier = world.internet.AddCarrier(NatOptions{.hairpin = true},
                                               {Ip("203.0.113.77")});
  world.host_a = &world.internet.AddHost(
      world.AddHome(NatOptions{}, "100.64.0.10", &carrier), {Ip("10.1.0.2")});
  world.host_b = &world.internet.AddHost(
      world.AddHome(NatOptions{}, "100.64.0.20", &carrier), {Ip("10.2.0.2")});
  EXPECT_TRUE(world.ConnectsAndTalks());
}

TEST(ConnectOverNats, TwoIpv6FirewallsWithoutIpv4) {
  World world;
  const HomeOptions options{.nat = std::nullopt,
                            .firewall = FirewallOptions{},
                            .up = {.delay = kLine},
                            .down = {.delay = kLine}};
  world.servers = {Address("[2001:db8:ff::1]:3478")};
  world.host_a = &world.internet.AddHost(world.internet.AddHome(options),
                                         {Ip("2001:db8:1::2")});
  world.host_b = &world.internet.AddHost(world.internet.AddHome(options),
                                         {Ip("2001:db8:2::2")});
  EXPECT_TRUE(world.ConnectsAndTalks());
}

TEST(ConnectOverNats, BlockedUdpEndsWithNoPathWithin15Seconds) {
  World world;
  const HomeOptions blocked{.nat = std::nullopt,
                            .firewall = FirewallOptions{.blocks_all = true},
                            .up = {.loss = 1},
                            .down = {.loss = 1}};
  world.host_a = &world.internet.AddHost(world.internet.AddHome(blocked),
                                         {Ip("203.0.113.20")});
  world.host_b = &world.internet.AddHost(
      world.AddHome(NatOptions{}, "192.0.2.10"), {Ip("10.2.0.2")});
  world.StartA();
  world.StartB();
  world.simulator.RunFor(15s);
  ASSERT_TRUE(world.a->error() && world.b->error());
  EXPECT_EQ(world.a->error()->code, ErrorCode::kNoPath);
  EXPECT_EQ(world.b->error()->code, ErrorCode::kNoPath);
}

TEST(ConnectOverNats, ConnectsOverALossyLine) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    World world(seed);
    world.host_a = &world.internet.AddHost(
        world.internet.AddHome({.external = {Ip("203.0.113.10")},
                                .up = {.delay = kLine, .loss = 0.2},
                                .down = {.delay = kLine, .loss = 0.2}}),
        {Ip("10.1.0.2")});
    world.host_b = &world.internet.AddHost(
        world.AddHome(NatOptions{}, "192.0.2.10"), {Ip("10.2.0.2")});
    world.StartA();
    world.StartB();
    EXPECT_TRUE(world.Connect(5s)) << "seed " << seed;
  }
}

TEST(ConnectOverNats, OneSilentStunServerOfTwoIsEnough) {
  World world;
  world.AddHomes(NatOptions{.allocation = PortAllocation::kRandom},
                 NatOptions{.allocation = PortAllocation::kRandom});
  world.stun1.set_silent(true);
  EXPECT_TRUE(world.ConnectsAndTalks());
}

// --- Who comes first, and what gets lost ---

constexpr NatOptions kPortRestricted{};

enum class Order { kBothAtOnce, kOffererFirst, kAnswererFirst };
constexpr Order kOrders[] = {Order::kBothAtOnce, Order::kOffererFirst,
                             Order::kAnswererFirst};

void Start(World& world, Order order, Duration gap) {
  if (order != Order::kAnswererFirst) world.StartA();
  if (order == Order::kBothAtOnce) return world.StartB();
  if (order == Order::kAnswererFirst) world.StartB();
  world.simulator.RunFor(gap);
  if (order == Order::kAnswererFirst) world.StartA();
  if (order == Order::kOffererFirst) world.StartB();
}

TEST(ConnectInAnyOrder, EitherMayBeFirstByMinutes) {
  for (const Order order : kOrders) {
    for (const Duration gap : {Duration(1ms), Duration(300ms), Duration(3s),
                               Duration(7min), Duration(3h)}) {
      World world;
      world.AddHomes(kPortRestricted, kPortRestricted);
      Start(world, order, gap);
      EXPECT_TRUE(world.Connect(kAtOnce) && world.Talk())
          << "order " << static_cast<int>(order) << " gap " << gap / 1ms;
    }
  }
}

TEST(ConnectInAnyOrder, AnySingleSignallingMessageMayBeLost) {
  for (const Order order : kOrders) {
    // How many there are when none is lost, and some that a loss may add.
    std::size_t messages = 0;
    {
      World world;
      world.AddHomes(kPortRestricted, kPortRestricted);
      Start(world, order, 3s);
      ASSERT_TRUE(world.Connect(kAtOnce));
      messages = world.broker.transcript().size() + 4;
    }
    for (std::size_t lost = 0; lost < messages; ++lost) {
      World world;
      world.AddHomes(kPortRestricted, kPortRestricted);
      world.broker.set_judge([&](std::size_t index, const auto&) {
        return Broker::Fate{.copies = index == lost ? 0 : 1};
      });
      Start(world, order, 3s);
      EXPECT_TRUE(world.Connect(3s) && world.Talk())
          << "order " << static_cast<int>(order) << " lost " << lost;
    }
  }
}

TEST(ConnectInAnyOrder, SignallingMessagesMayBeLostLateAndDoubled) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    World world(seed);
    world.AddHomes(kPortRestricted, kPortRestricted);
    world.broker.options() = {
        .delay = 50ms, .jitter = 500ms, .loss = 0.1, .duplicate = 0.3};
    Start(world, kOrders[seed % 3], 2s);
    EXPECT_TRUE(world.Connect(30s) && world.Talk())
        << "seed " << seed << "; " << world.Describe();
  }
}

// Whatever comes before what: a subscription and four messages, each no later
// than the slowest, and at most one of them said again.
TEST(ConnectInAnyOrder, SignallingMessagesMayOvertakeEachOther) {
  for (const Duration jitter :
       {Duration(50ms), Duration(200ms), Duration(1s)}) {
    const Duration slowest = 2 * (20ms + jitter);
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
      World world(seed);
      world.AddHomes(kPortRestricted, kPortRestricted);
      world.broker.options() = {.delay = 20ms, .jitter = jitter};
      Start(world, kOrders[seed % 3], seed * 37 % 2000 * 1ms);
      EXPECT_TRUE(world.Connect(5 * slowest + 1s) && world.Talk())
          << "seed " << seed << "; " << world.Describe();
    }
  }
}

TEST(ConnectInAnyOrder, OneOfTheTwoMayStartAgain) {
  for (const bool offerer : {true, false}) {
    for (const Duration when :
         {Duration(10ms), Duration(70ms), Duration(100ms), Duration(130ms),
          Duration(160ms), Duration(200ms), Duration(400ms)}) {
      World world;
      world.AddHomes(kPortRestricted, kPortRestricted);
      world.StartA();
      world.StartB();
      world.simulator.RunFor(when);
      // Killed and started anew, before or after the other side is connected;
      // its socket is another one, as a new process's is.
      ConnectPeer::Options options =
          offerer ? world.OptionsA() : world.OptionsB();
      options.port = 4001;
      std::unique_ptr<ConnectPeer>& peer = offerer ? world.a : world.b;
      std::unique_ptr<ConnectPeer>& other = offerer ? world.b : world.a;
      peer.reset();
      // What was on its way may still have connected the other side: then a
      // transfer has lost its peer, which is no matter of the rendezvous.
      world.simulator.RunFor(100ms);
      if (other->connected()) continue;
      if (offerer) {
        world.StartA(options);
      } else {
        world.StartB(options);
      }
      EXPECT_TRUE(world.Connect(20s) && world.Talk())
          << "offerer " << offerer << " when " << when / 1ms;
    }
  }
}

TEST(ConnectInAnyOrder, MidnightPassesWhileOneWaits) {
  World world;
  world.AddHomes(kPortRestricted, kPortRestricted);
  // 10 s before the end of a day.
  const UnixTime evening{std::chrono::seconds(20'000 * 86'400 - 10)};
  ConnectPeer::Options options = world.OptionsB();
  options.wall = evening;
  world.StartB(options);
  world.simulator.RunFor(30min);
  options = world.OptionsA();
  options.wall = evening;
  world.StartA(options);
  EXPECT_TRUE(world.Connect(kAtOnce) && world.Talk());
}

TEST(ConnectInAnyOrder, ClocksMayDifferByHours) {
  for (const int hours : {-20, -1, 1, 20}) {
    World world;
    world.AddHomes(kPortRestricted, kPortRestricted);
    ConnectPeer::Options options = world.OptionsB();
    options.wall += std::chrono::hours(hours);
    world.StartB(options);
    world.StartA();
    EXPECT_TRUE(world.Connect(kAtOnce) && world.Talk()) << hours;
  }
}

// --- Brokers that fail or attack ---

TEST(ConnectOverBrokers, SeveralBrokersOfWhichOneWorks) {
  World world;
  world.AddHomes(kPortRestricted, kPortRestricted);
  Broker& black_hole = world.AddBroker({.delay = 5ms, .loss = 1});
  Broker& late = world.AddBroker({.delay = 4s});
  ConnectPeer::Options a = world.OptionsA();
  ConnectPeer::Options b = world.OptionsB();
  a.brokers = {&black_hole, &world.broker, &late};
  b.brokers = {&late, &black_hole, &world.broker};
  world.StartA(a);
  world.StartB(b);
  EXPECT_TRUE(world.Connect(kAtOnce));
  world.simulator.RunFor(20s);  // The late copies change nothing.
  EXPECT_TRUE(world.Talk());
  EXPECT_EQ(world.a->handshakes(), 1);
}

TEST(ConnectOverBrokers, EveryMessageAHundredTimes) {
  World world;
  world.AddHomes(kPortRestricted, kPortRestricted);
  world.broker.set_judge(
      [](std::size_t, const auto&) { return Broker::Fate{.copies = 100}; });
  EXPECT_TRUE(world.ConnectsAndTalks());
  EXPECT_EQ(world.a->handshakes(), 1);
  EXPECT_EQ(world.b->handshakes(), 1);
}

TEST(ConnectOverBrokers, ReplayOfAnEarlierSessionStartsNothing) {
  World world;
  world.AddHomes(kPortRestricted, kPortRestricted);
  ASSERT_TRUE(world.ConnectsAndTalks());
  world.a.reset();
  world.b.reset();
  const std::size_t old = world.broker.transcript().size();
  const auto replay_all = [&] {
    for (std::size_t i = 0; i < old; ++i) world.broker.Replay(i);
    world.simulator.RunFor(2s);
  };
  // One side alone: all that was ever said, three times over, brings about no
  // handshake and no datagram to anybody but the STUN servers.
  world.StartB();
  world.simulator.RunFor(1s);
  for (int i = 0; i < 3; ++i) replay_all();
  EXPECT_EQ(world.b->handshakes(), 0);
  EXPECT_EQ(
      world.b->destinations(),
      (std::set<SocketAddress>(world.servers.begin(), world.servers.end())));
  EXPECT_FALSE(world.b->error().has_value());
  // And it keeps nobody from meeting.
  world.StartA();
  replay_all();
  EXPECT_TRUE(world.Connect(kAtOnce) && world.Talk());
}

TEST(ConnectOverBrokers, StormOfGarbageDoesNotKeepThemApart) {
  World world;
  world.AddHomes(kPortRestricted, kPortRestricted);
  SeededRandom random(9);
  world.broker.set_judge([&](std::size_t, const Broker::Message& message) {
    for (int i = 0; i < 5; ++i) {
      Bytes garbage(random.Below(2) == 0 ? 1024 : random.Below(4096));
      random.Fill(garbage);
      world.broker.Inject(message.topic, garbage);
      Bytes altered = message.payload;
      altered[random.Below(altered.size())] ^= std::byte{1};
      world.broker.Inject(message.topic, altered);
    }
    return Broker::Fate{};
  });
  world.StartA();
  world.StartB();
  EXPECT_TRUE(world.Connect(10s) && world.Talk());
}

// --- Keys ---

TEST(ConnectWithKeys, StrangersNeverMeet) {
  World world;
  world.AddHomes(kPortRestricted, kPortRestricted);
  const crypto::Identity mallory = MakeIdentity(103);
  ConnectPeer::Options options = world.OptionsA();
  options.self = &mallory;
  world.StartA(options);
  world.StartB();
  world.simulator.RunFor(60s);
  EXPECT_FALSE(world.a->peer_seen() || world.b->peer_seen());
  EXPECT_FALSE(world.a->over() || world.b->over());
}

TEST(ConnectWithKeys, PairingSecretsThatAgreeConnect) {
  World world;
  world.AddHomes(kPortRestricted, kPortRestricted);
  SeededRandom random(5);
  const crypto::Psk psk{crypto::Key(random.Array<crypto::Key::kSize>())};
  ConnectPeer::Options a = world.OptionsA();
  ConnectPeer::Options b = world.OptionsB();
  a.psk = b.psk = psk;
  world.StartA(a);
  world.StartB(b);
  EXPECT_TRUE(world.Connect(kAtOnce) && world.Talk());
}

TEST(ConnectWithKeys, PairingSecretsThatDifferFailAuthentication) {
  World world;
  world.AddHomes(kPortRestricted, kPortRestricted);
  SeededRandom random(5);
  ConnectPeer::Options a = world.OptionsA();
  a.psk = crypto::Psk{crypto::Key(random.Array<crypto::Key::kSize>())};
  world.StartA(a);
  world.StartB();
  world.simulator.RunFor(10s);
  ASSERT_TRUE(world.a->error() && world.b->error());
  EXPECT_EQ(world.a->error()->code, ErrorCode::kAuthenticationFailed);
  EXPECT_EQ(world.b->error()->code, ErrorCode::kAuthenticationFailed);
}

}  // namespace
}  // namespace p2pcp::sim
