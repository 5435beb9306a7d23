#include "tests/sim/topology.h"

#include <gtest/gtest.h>

#include <vector>

#include "net/base/bytes.h"

namespace p2pcp::sim {
namespace {

// What a host hears on port 1.
struct Ear {
  explicit Ear(Host& host) {
    host.Bind(1, [this](const SocketAddress& from, const auto&,
                        MutableByteSpan bytes) {
      heard.push_back({from, {bytes.begin(), bytes.end()}});
    });
  }
  std::vector<std::pair<SocketAddress, Bytes>> heard;
};

TEST(Wire, CarriesBothWays) {
  Simulator simulator(1);
  Wire wire(simulator, {.delay = 10ms}, {.delay = 30ms});
  Ear a(wire.a());
  Ear b(wire.b());
  wire.a().Send(1, Address("192.0.2.2:1"), AsBytes("hello"));
  EXPECT_EQ(simulator.RunFor(10ms), Stop::kIdle);
  ASSERT_EQ(b.heard.size(), 1u);
  EXPECT_EQ(b.heard[0].first, Address("192.0.2.1:1"));
  EXPECT_EQ(AsText(b.heard[0].second), "hello");
  wire.b().Send(1, Address("192.0.2.1:1"), {});
  simulator.RunFor(29ms);
  EXPECT_TRUE(a.heard.empty());
  simulator.RunFor(1ms);
  EXPECT_EQ(a.heard.size(), 1u);
}

TEST(Wire, HasAnAttackerWhoTampersBothWays) {
  Simulator simulator(2);
  Wire wire(simulator, {}, {});
  Ear a(wire.a());
  Ear b(wire.b());
  wire.attacker().options().replay = 1;
  wire.attacker().options().reflect = 1;
  wire.attacker().options().invent = 1;
  wire.a().Send(1, Address("192.0.2.2:1"), AsBytes("a"));
  simulator.RunFor(3s);
  EXPECT_EQ(b.heard.size(), 3u);  // Itself, replayed, invented.
  ASSERT_EQ(a.heard.size(), 1u);  // Reflected.
  EXPECT_EQ(a.heard[0].first, Address("192.0.2.2:1"));
  wire.attacker().options() = {.flip = 1, .truncate = 1};
  wire.b().Send(1, Address("192.0.2.1:1"), AsBytes("bb"));
  simulator.RunFor(3s);
  ASSERT_EQ(a.heard.size(), 2u);
  EXPECT_LT(a.heard[1].second.size(), 2u);
  EXPECT_EQ(wire.attacker().tampered(), 5u);
}

TEST(Internet, HostsOfOneHomeTalkWithoutTheirRouter) {
  Simulator simulator(1);
  Internet internet(simulator);
  Home& home = internet.AddHome({.external = {Ip("203.0.113.10")}});
  Host& one = internet.AddHost(home, {Ip("10.1.0.2")});
  Host& two = internet.AddHost(home, {Ip("10.1.0.3")});
  Ear ear(two);
  one.Send(1, Address("10.1.0.3:1"), {}, 1);
  simulator.RunFor(1s);
  ASSERT_EQ(ear.heard.size(), 1u);
  EXPECT_EQ(ear.heard[0].first, Address("10.1.0.2:1"));
}

TEST(Internet, FirewallOfIpv6OpensForWhatGoesOut) {
  Simulator simulator(1);
  Internet internet(simulator);
  const HomeOptions options{.nat = std::nullopt,
                            .firewall = FirewallOptions{.timeout = 30s}};
  Host& one =
      internet.AddHost(internet.AddHome(options), {Ip("2001:db8:1::2")});
  Home& other = internet.AddHome(options);
  Host& two = internet.AddHost(other, {Ip("2001:db8:2::2")});
  Ear ear1(one);
  Ear ear2(two);
  const SocketAddress to1 = Address("[2001:db8:1::2]:1");
  const SocketAddress to2 = Address("[2001:db8:2::2]:1");
  one.Send(1, to2, {});
  simulator.RunFor(1s);
  EXPECT_TRUE(ear2.heard.empty());
  EXPECT_EQ(other.firewall->filtered(), 1u);
  two.Send(1, to1, {});
  simulator.RunFor(1s);
  EXPECT_EQ(ear1.heard.size(), 1u);
  one.Send(1, to2, {});
  simulator.RunFor(1s);
  EXPECT_EQ(ear2.heard.size(), 1u);
  // A flow that times out, or is flushed, is closed again.
  simulator.RunFor(31s);
  one.Send(1, to2, {});
  simulator.RunFor(1s);
  EXPECT_EQ(ear2.heard.size(), 1u);
}

TEST(Internet, FirewallMayBlockEverything) {
  Simulator simulator(1);
  Internet internet(simulator);
  Host& server = internet.AddServer({Ip("2001:db8::1")}, 1ms);
  Home& home = internet.AddHome(
      {.nat = std::nullopt, .firewall = FirewallOptions{.blocks_all = true}});
  Host& host = internet.AddHost(home, {Ip("2001:db8:1::2")});
  Ear ear(server);
  host.Send(1, Address("[2001:db8::1]:1"), {});
  simulator.RunFor(1s);
  EXPECT_TRUE(ear.heard.empty());
}

TEST(Host, RoamsToAnotherAddress) {
  Simulator simulator(1);
  Wire wire(simulator, {}, {});
  Ear a(wire.a());
  wire.a().SetAddresses({Ip("192.0.2.9")});
  wire.b().Send(1, Address("192.0.2.1:1"), {});
  wire.b().Send(1, Address("192.0.2.9:1"), {});
  simulator.RunFor(1s);
  EXPECT_EQ(a.heard.size(), 1u);
  EXPECT_EQ(wire.a().unreachable(), 1u);
  EXPECT_FALSE(wire.a().Send(1, Address("[2001:db8::1]:1"), {}));
}

// The floor of every simulated test: a million virtual packets take a fraction
// of a second (about 0.2 s on the machine this was written on, 2 s under a
// sanitizer), and need no more memory than is on the wire.
TEST(Wire, IsFastAndReusesItsPackets) {
  Simulator simulator(1);
  Wire wire(simulator, {.rate = 125'000'000, .delay = 20ms},
            {.rate = 125'000'000, .delay = 20ms});
  const Bytes payload(1200);
  std::uint64_t received = 0;
  wire.b().Bind(1, [&](const auto&, const auto&, MutableByteSpan) {
    if (++received % 2 == 0) wire.b().Send(1, Address("192.0.2.1:1"), {});
  });
  wire.a().Bind(1, [&](const auto&, const auto&, MutableByteSpan) {
    for (int i = 0; i < 2; ++i) {
      wire.a().Send(1, Address("192.0.2.2:1"), payload);
    }
  });
  for (int i = 0; i < 100; ++i) {
    wire.a().Send(1, Address("192.0.2.2:1"), payload);
  }
  EXPECT_EQ(
      simulator.RunUntil([&] { return received >= 500'000; }, TimePoint(1h)),
      Stop::kDone);
  EXPECT_LE(simulator.packets().size(), 200u);
}

}  // namespace
}  // namespace p2pcp::sim
