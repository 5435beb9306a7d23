#include "net/base/socket_address.h"

#include "gtest/gtest.h"

namespace p2pcp {
namespace {

IpAddress Ip(const char* text) { return IpAddress::Parse(text).value(); }

TEST(SocketAddress, PrintsWhatItParses) {
  for (const char* text : {"192.0.2.1:7", "[2001:db8::1]:65535", "0.0.0.0:0"}) {
    const auto address = SocketAddress::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(SocketAddress, RefusesWhatIsNotAnEndpoint) {
  for (const char* text :
       {"", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:7x",
        "192.0.2.1:-1", "2001:db8::1:7", "[192.0.2.1]:7", "host:7", ":7"}) {
    EXPECT_FALSE(SocketAddress::Parse(text)) << text;
  }
}

TEST(SocketAddress, MappedAddressesAreIpv4) {
  EXPECT_EQ(Ip("::ffff:192.0.2.1"), Ip("192.0.2.1"));
  EXPECT_TRUE(Ip("::ffff:192.0.2.1").is_v4());
}

TEST(SocketAddress, Classifies) {
  EXPECT_TRUE(Ip("127.0.0.2").IsLoopback());
  EXPECT_TRUE(Ip("::1").IsLoopback());
  EXPECT_FALSE(Ip("::").IsLoopback());
  EXPECT_TRUE(Ip("::").IsUnspecified());
  EXPECT_TRUE(Ip("224.0.0.1").IsMulticast());
  EXPECT_TRUE(Ip("ff02::1").IsMulticast());
  EXPECT_TRUE(Ip("255.255.255.255").IsBroadcast());
  EXPECT_TRUE(Ip("169.254.3.4").IsLinkLocal());
  EXPECT_TRUE(Ip("fe80::1").IsLinkLocal());
  for (const char* text :
       {"10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1"}) {
    EXPECT_TRUE(Ip(text).IsPrivate()) << text;
  }
  for (const char* text : {"172.32.0.1", "100.128.0.1", "8.8.8.8", "2000::1"}) {
    EXPECT_FALSE(Ip(text).IsPrivate()) << text;
  }
}

TEST(SocketAddress, TakesFourOrSixteenBytes) {
  EXPECT_EQ(IpAddress::FromBytes(Unhex("c0000201")), Ip("192.0.2.1"));
  EXPECT_FALSE(IpAddress::FromBytes(Unhex("c00002")));
}

}  // namespace
}  // namespace p2pcp
