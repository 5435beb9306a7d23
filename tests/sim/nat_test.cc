#include "tests/sim/nat.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "tests/sim/topology.h"

namespace p2pcp::sim {
namespace {

// One inside host behind the NAT under test, and two outside.
class NatTest : public testing::Test {
 protected:
  static constexpr std::uint16_t kInsidePort = 4000;

  void Build(const NatOptions& options,
             std::vector<IpAddress> external = {Ip("203.0.113.10")}) {
    home = &internet.AddHome({.nat = options, .external = external});
    inside = &internet.AddHost(*home, {Ip("10.1.0.2")});
    for (const std::uint16_t port : {kInsidePort, std::uint16_t{4001}}) {
      inside->Bind(port, [this, port](const SocketAddress& from, const auto&,
                                      MutableByteSpan) {
        received.push_back({from, port});
      });
    }
    for (Host* host : {&server1, &server2}) {
      for (const std::uint16_t port : {std::uint16_t{1}, std::uint16_t{2}}) {
        host->Bind(port, [this](const SocketAddress& from, const auto&,
                                MutableByteSpan) { seen = from; });
      }
    }
  }
  // Sends out from the inside and gives the endpoint that the remote sees.
  std::optional<SocketAddress> Out(const SocketAddress& to,
                                   std::uint16_t from = kInsidePort) {
    seen.reset();
    inside->Send(from, to, {});
    simulator.RunFor(10ms);
    return seen;
  }
  // Whether what host sends from port to `to` arrives inside.
  bool In(Host& host, std::uint16_t port, const SocketAddress& to) {
    received.clear();
    host.Send(port, to, {});
    simulator.RunFor(10ms);
    return !received.empty();
  }

  Simulator simulator{3};
  Internet internet{simulator};
  Host& server1 = internet.AddServer({Ip("198.51.100.1")}, 1ms);
  Host& server2 = internet.AddServer({Ip("198.51.100.2")}, 1ms);
  const SocketAddress s1p1 = Address("198.51.100.1:1");
  const SocketAddress s1p2 = Address("198.51.100.1:2");
  const SocketAddress s2p1 = Address("198.51.100.2:1");
  Home* home = nullptr;
  Host* inside = nullptr;
  std::optional<SocketAddress> seen;
  std::vector<std::pair<SocketAddress, std::uint16_t>> received;
};

struct Behaviour {
  Dependence mapping;
  Dependence filtering;
};

class NatMatrix : public NatTest,
                  public testing::WithParamInterface<Behaviour> {};

// RFC 4787 section 4.1.
TEST_P(NatMatrix, MapsByAsMuchOfTheRemoteAsItsKindSays) {
  Build({.mapping = GetParam().mapping,
         .filtering = GetParam().filtering,
         .allocation = PortAllocation::kRandom});
  const auto first = Out(s1p1);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->ip, Ip("203.0.113.10"));
  EXPECT_EQ(Out(s1p1), first);
  const Dependence mapping = GetParam().mapping;
  EXPECT_EQ(Out(s1p2) == first,
            mapping != Dependence::kAddressAndPortDependent);
  EXPECT_EQ(Out(s2p1) == first, mapping == Dependence::kEndpointIndependent);
}

// RFC 4787 section 5.
TEST_P(NatMatrix, FiltersByAsMuchOfTheRemoteAsItsKindSays) {
  Build({.mapping = GetParam().mapping, .filtering = GetParam().filtering});
  const auto mapped = Out(s1p1);
  ASSERT_TRUE(mapped.has_value());
  const Dependence filtering = GetParam().filtering;
  EXPECT_TRUE(In(server1, 1, *mapped));
  EXPECT_EQ(In(server1, 2, *mapped),
            filtering != Dependence::kAddressAndPortDependent);
  EXPECT_EQ(In(server2, 1, *mapped),
            filtering == Dependence::kEndpointIndependent);
  EXPECT_FALSE(In(server1, 1, {.ip = mapped->ip, .port = 9}));
}

std::vector<Behaviour> EveryKind() {
  std::vector<Behaviour> all;
  for (Dependence mapping :
       {Dependence::kEndpointIndependent, Dependence::kAddressDependent,
        Dependence::kAddressAndPortDependent}) {
    for (Dependence filtering :
         {Dependence::kEndpointIndependent, Dependence::kAddressDependent,
          Dependence::kAddressAndPortDependent}) {
      all.push_back({mapping, filtering});
    }
  }
  return all;
}

std::string NameOf(const testing::TestParamInfo<Behaviour>& info) {
  const auto name = [](Dependence dependence) -> std::string {
    switch (dependence) {
      case Dependence::kEndpointIndependent:
        return "Independent";
      case Dependence::kAddressDependent:
        return "Address";
      case Dependence::kAddressAndPortDependent:
        return "AddressPort";
    }
    return "";
  };
  return name(info.param.mapping) + "Mapping" + name(info.param.filtering) +
         "Filtering";
}

INSTANTIATE_TEST_SUITE_P(EveryKind, NatMatrix, testing::ValuesIn(EveryKind()),
                         NameOf);

constexpr NatOptions kSymmetric{.mapping =
                                    Dependence::kAddressAndPortDependent};

TEST_F(NatTest, PreservesThePortUntilItIsTaken) {
  Build(kSymmetric);
  EXPECT_EQ(Out(s1p1)->port, kInsidePort);
  EXPECT_NE(Out(s1p2)->port, kInsidePort);
}

TEST_F(NatTest, CountsPortsUpward) {
  NatOptions options = kSymmetric;
  options.allocation = PortAllocation::kSequential;
  options.first_port = 30000;
  options.step = 2;
  Build(options);
  EXPECT_EQ(Out(s1p1)->port, 30000);
  EXPECT_EQ(Out(s1p2)->port, 30002);
  EXPECT_EQ(Out(s2p1)->port, 30004);
}

TEST_F(NatTest, DrawsPortsFromItsBlockUntilNoneIsLeft) {
  NatOptions options = kSymmetric;
  options.allocation = PortAllocation::kBlock;
  options.first_port = 30720;
  options.block_size = 3;
  Build(options);
  std::set<std::uint16_t> ports;
  for (const SocketAddress& to : {s1p1, s1p2, s2p1}) {
    ports.insert(Out(to)->port);
  }
  EXPECT_EQ(ports, (std::set<std::uint16_t>{30720, 30721, 30722}));
  EXPECT_FALSE(Out(Address("198.51.100.2:2")).has_value());
  EXPECT_EQ(home->nat->stats().exhausted, 1u);
}

TEST_F(NatTest, KeepsToItsQuota) {
  NatOptions options = kSymmetric;
  options.max_mappings = 2;
  Build(options);
  EXPECT_TRUE(Out(s1p1).has_value());
  EXPECT_TRUE(Out(s1p2).has_value());
  EXPECT_FALSE(Out(s2p1).has_value());
}

TEST_F(NatTest, ForgetsAMappingThatIsNotUsed) {
  Build({.allocation = PortAllocation::kRandom, .timeout = 30s});
  const auto mapped = Out(s1p1);
  simulator.RunFor(29s);
  EXPECT_TRUE(In(server1, 1, *mapped));  // Which keeps it, too.
  simulator.RunFor(29s);
  EXPECT_EQ(Out(s1p1), mapped);
  simulator.RunFor(31s);
  EXPECT_FALSE(In(server1, 1, *mapped));
  EXPECT_NE(Out(s1p1), mapped);
}

TEST_F(NatTest, InboundTrafficNeedNotKeepAMapping) {
  Build({.timeout = 30s, .inbound_refresh = false});
  const auto mapped = Out(s1p1);
  simulator.RunFor(20s);
  EXPECT_TRUE(In(server1, 1, *mapped));
  simulator.RunFor(20s);
  EXPECT_FALSE(In(server1, 1, *mapped));
}

TEST_F(NatTest, HairpinsWithTheOutsideSource) {
  Build({.hairpin = true});
  const auto first = Out(s1p1, 4000);
  const auto second = Out(s1p1, 4001);
  ASSERT_TRUE(first && second);
  received.clear();
  inside->Send(4000, *second, {});  // Filtered: 4001 has not sent there yet.
  simulator.RunFor(10ms);
  EXPECT_TRUE(received.empty());
  inside->Send(4001, *first, {});
  inside->Send(4000, *second, {});
  simulator.RunFor(10ms);
  ASSERT_EQ(received.size(), 2u);
  EXPECT_EQ(received[0].first, *second);
  EXPECT_EQ(received[1].first, *first);
}

TEST_F(NatTest, DropsHairpinsWhereItHasNone) {
  Build({.filtering = Dependence::kEndpointIndependent});
  const auto mapped = Out(s1p1, 4000);
  received.clear();
  inside->Send(4001, *mapped, {});
  simulator.RunFor(10ms);
  EXPECT_TRUE(received.empty());
  EXPECT_EQ(home->nat->stats().hairpin_drops, 1u);
}

TEST_F(NatTest, RebindingMovesTheMappingToANewPort) {
  Build({});
  const auto before = Out(s1p1);
  home->nat->Rebind();
  EXPECT_FALSE(In(server1, 1, *before));
  const auto after = Out(s1p1);
  EXPECT_NE(after->port, before->port);
  EXPECT_TRUE(In(server1, 1, *after));
}

TEST_F(NatTest, RenumberingMovesTheHomeToANewAddress) {
  Build({});
  const auto before = Out(s1p1);
  internet.Renumber(*home, {Ip("203.0.113.99")});
  EXPECT_FALSE(In(server1, 1, *before));
  const auto after = Out(s1p1);
  EXPECT_EQ(after->ip, Ip("203.0.113.99"));
  EXPECT_TRUE(In(server1, 1, *after));
}

TEST_F(NatTest, PoolsAddressesPairedOrAtRandom) {
  const std::vector<IpAddress> pool = {Ip("203.0.113.10"), Ip("203.0.113.11"),
                                       Ip("203.0.113.12")};
  NatOptions options = kSymmetric;
  options.paired_pooling = false;
  Build(options, pool);
  std::set<IpAddress> addresses;
  for (std::uint16_t port = 100; port < 150; ++port) {
    inside->Send(kInsidePort, {.ip = server1.v4(), .port = port}, {});
    addresses.insert(home->nat
                         ->Find({.ip = inside->v4(), .port = kInsidePort},
                                {.ip = server1.v4(), .port = port})
                         ->ip);
  }
  EXPECT_EQ(addresses.size(), 3u);
}

TEST_F(NatTest, APacketThatCameBeforePoisonsTheMappingForItsSource) {
  Build({.poisonable = true});
  const SocketAddress mapped = Address("203.0.113.10:4000");
  EXPECT_FALSE(In(server1, 1, mapped));
  const auto towards_1 = Out(s1p1);
  ASSERT_TRUE(towards_1.has_value());
  EXPECT_NE(*towards_1, mapped);
  EXPECT_EQ(Out(s1p1), towards_1);  // And it stays so.
  EXPECT_TRUE(In(server1, 1, *towards_1));
}

// Measured with Linux 6.18: once a flow has had to take another port, so does
// every later one of its socket.
TEST_F(NatTest, PoisonMovesWhatIsNewOfItsSocketAndNothingElse) {
  Build({.poisonable = true});
  const SocketAddress mapped = Address("203.0.113.10:4000");
  EXPECT_EQ(Out(s1p2), mapped);
  EXPECT_FALSE(In(server1, 1, mapped));
  const auto moved = Out(s1p1);
  ASSERT_TRUE(moved.has_value());
  EXPECT_NE(*moved, mapped);
  EXPECT_EQ(Out(s2p1), moved);
  EXPECT_EQ(Out(s1p2), mapped);
  EXPECT_TRUE(In(server1, 2, mapped));
  EXPECT_TRUE(In(server2, 1, *moved));
  EXPECT_EQ(Out(s2p1, 4001), Address("203.0.113.10:4001"));
  // The new port can be poisoned as well.
  EXPECT_FALSE(In(server2, 2, *moved));
  const auto again = Out(Address("198.51.100.2:2"));
  ASSERT_TRUE(again.has_value());
  EXPECT_NE(*again, *moved);
  EXPECT_EQ(Out(s2p1), moved);
}

TEST_F(NatTest, WhatWasOpenBeforeIsNotPoisoned) {
  Build({.poisonable = true});
  const auto mapped = Out(s1p1);
  ASSERT_TRUE(mapped.has_value());
  EXPECT_TRUE(In(server1, 1, *mapped));
  EXPECT_EQ(Out(s1p1), mapped);
}

TEST_F(NatTest, TakesOneFromTheHopLimit) {
  Build({});
  seen.reset();
  inside->Send(kInsidePort, s1p1, {}, 1);  // Dies in the NAT.
  simulator.RunFor(10ms);
  EXPECT_EQ(home->nat->stats().mappings, 0u);
  inside->Send(kInsidePort, s1p1, {}, 2);  // Opens it, and dies in the core.
  simulator.RunFor(10ms);
  EXPECT_EQ(home->nat->stats().mappings, 1u);
  EXPECT_FALSE(seen.has_value());
  EXPECT_EQ(internet.core().expired(), 1u);
}

TEST_F(NatTest, CarrierOutsideTranslatesAgain) {
  Carrier& carrier = internet.AddCarrier(
      {.allocation = PortAllocation::kSequential}, {Ip("203.0.113.77")});
  Home& behind = internet.AddHome({.nat = NatOptions{},
                                   .external = {Ip("100.64.0.10")},
                                   .carrier = &carrier});
  home = &behind;
  Host& host = internet.AddHost(behind, {Ip("10.2.0.2")});
  std::optional<SocketAddress> at_server;
  bool answered = false;
  host.Bind(4000, [&](const SocketAddress& from, const auto&, MutableByteSpan) {
    answered = from == s1p1;
  });
  server1.Bind(1, [&](const SocketAddress& from, const auto&, MutableByteSpan) {
    at_server = from;
    server1.Send(1, from, {});
  });
  host.Send(4000, s1p1, {});
  simulator.RunFor(10ms);
  EXPECT_EQ(at_server, Address("203.0.113.77:20000"));
  EXPECT_TRUE(answered);
}

}  // namespace
}  // namespace p2pcp::sim
