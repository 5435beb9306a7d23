#include "net/udp/interfaces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/base/socket_address.h"

namespace p2pcp::udp {
namespace {

InterfaceEntry Entry(const std::string& name, std::uint32_t index,
                     const char* ip, InterfaceKind kind) {
  return {.address = {name, index, *IpAddress::Parse(ip), kind}};
}

std::vector<std::string> Addresses(const std::vector<LocalAddress>& list) {
  std::vector<std::string> texts;
  for (const LocalAddress& address : list) {
    texts.push_back(address.ip.ToString());
  }
  return texts;
}

using Strings = std::vector<std::string>;

// iroh#3979: a dozen container networks crowded out the one LAN address.
TEST(RankAddresses, PhysicalComesBeforeLogicalBeforeVirtual) {
  std::vector<InterfaceEntry> entries;
  for (std::uint8_t i = 0; i < 200; ++i) {
    const std::string ip = "172.17." + std::to_string(i) + ".1";
    entries.push_back(Entry("docker0", 2, ip.c_str(), InterfaceKind::kVirtual));
  }
  entries.push_back(Entry("bond0", 3, "10.0.0.2", InterfaceKind::kLogical));
  entries.push_back(Entry("eth0", 9, "192.168.1.2", InterfaceKind::kPhysical));
  const std::vector<LocalAddress> ranked = RankAddresses(entries, {});
  EXPECT_EQ(ranked.size(), kMaxLocalAddresses);
  EXPECT_EQ(ranked[0].name, "eth0");
  EXPECT_EQ(ranked[1].name, "bond0");
  EXPECT_EQ(ranked[2].name, "docker0");
}

TEST(RankAddresses, LeavesOutWhatNobodyCanReach) {
  InterfaceEntry down = Entry("eth1", 3, "10.0.0.3", InterfaceKind::kPhysical);
  down.up = false;
  InterfaceEntry tentative =
      Entry("eth0", 2, "2001:db8::2", InterfaceKind::kPhysical);
  tentative.usable = false;
  const std::vector<InterfaceEntry> entries = {
      down,
      tentative,
      Entry("lo", 1, "127.0.0.1", InterfaceKind::kLoopback),
      Entry("lo", 1, "::1", InterfaceKind::kLoopback),
      // An anycast service address on lo is no loopback address, but no
      // interface either.
      Entry("lo", 1, "203.0.113.1", InterfaceKind::kLoopback),
      Entry("eth0", 2, "169.254.3.4", InterfaceKind::kPhysical),
      Entry("eth0", 2, "fe80::1", InterfaceKind::kPhysical),
      Entry("eth0", 2, "0.0.0.0", InterfaceKind::kPhysical),
      Entry("eth0", 2, "192.168.1.2", InterfaceKind::kPhysical),
  };
  EXPECT_EQ(Addresses(RankAddresses(entries, {})), Strings{"192.168.1.2"});
  EXPECT_EQ(Addresses(RankAddresses(entries, {.link_local = true})),
            (Strings{"192.168.1.2", "169.254.3.4", "fe80::1"}));
  EXPECT_EQ(Addresses(RankAddresses(entries, {.loopback = true})),
            (Strings{"192.168.1.2", "127.0.0.1", "203.0.113.1", "::1"}));
}

TEST(RankAddresses, WithinAnInterfaceIpv4ThenTemporaryThenPermanent) {
  InterfaceEntry temporary =
      Entry("eth0", 2, "2001:db8::ffff", InterfaceKind::kPhysical);
  temporary.address.temporary = true;
  const std::vector<InterfaceEntry> entries = {
      Entry("eth0", 2, "2001:db8::2", InterfaceKind::kPhysical), temporary,
      Entry("eth0", 2, "192.168.1.2", InterfaceKind::kPhysical)};
  EXPECT_EQ(Addresses(RankAddresses(entries, {})),
            (Strings{"192.168.1.2", "2001:db8::ffff", "2001:db8::2"}));
}

TEST(ClassifyInterface, KnowsTheNamesOfVirtualNetworks) {
  for (const char* name :
       {"docker0", "br-1a2b3c", "virbr0", "veth12ab", "tun0", "tap1", "wg0",
        "tailscale0", "zt7nnig26", "vmnet8", "vboxnet0", "cni0", "lxcbr0"}) {
    EXPECT_EQ(ClassifyInterface(name, false), InterfaceKind::kVirtual) << name;
  }
  for (const char* name : {"eth0", "enp3s0", "wlan0", "wlp2s0", "usb0"}) {
    EXPECT_EQ(ClassifyInterface(name, true), InterfaceKind::kPhysical) << name;
  }
  for (const char* name : {"bond0", "br0", "eth0.100", "lan", "wan"}) {
    EXPECT_EQ(ClassifyInterface(name, false), InterfaceKind::kLogical) << name;
  }
}

TEST(ListInterfaces, FindsLoopbackOnlyWhenAsked) {
  const std::vector<LocalAddress> all = ListInterfaces({.loopback = true});
  const auto loopback =
      std::find_if(all.begin(), all.end(), [](const LocalAddress& address) {
        return address.ip == *IpAddress::Parse("127.0.0.1");
      });
  ASSERT_NE(loopback, all.end());
  EXPECT_EQ(loopback->kind, InterfaceKind::kLoopback);
  EXPECT_NE(loopback->index, 0u);
  for (const LocalAddress& address : ListInterfaces()) {
    EXPECT_FALSE(address.ip.IsLoopback());
    EXPECT_FALSE(address.ip.IsLinkLocal());
    EXPECT_NE(std::find(all.begin(), all.end(), address), all.end());
  }
}

TEST(RouteSource, IsLoopbackTowardsLoopback) {
  const std::optional<SocketAddress> v4 =
      RouteSource(*SocketAddress::Parse("127.0.0.1:9"));
  ASSERT_TRUE(v4.has_value());
  EXPECT_EQ(*v4, *SocketAddress::Parse("127.0.0.1:0"));
}

}  // namespace
}  // namespace p2pcp::udp
