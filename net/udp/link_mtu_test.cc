#include "net/udp/link_mtu.h"

#include <gtest/gtest.h>

#include "net/base/socket_address.h"

namespace p2pcp::udp {
namespace {

// Loopback's is 65536 unless somebody has changed it (and IPv4 counts one
// less); IPv6 runs on nothing below 1280.
TEST(LinkMtu, IsThatOfTheInterfaceOnTheWay) {
  const auto v4 = LinkMtu(*SocketAddress::Parse("127.0.0.1:9"));
  ASSERT_TRUE(v4.has_value());
  EXPECT_GE(*v4, 1280u);
  const auto v6 = LinkMtu(*SocketAddress::Parse("[::1]:9"));
  ASSERT_TRUE(v6.has_value());
  EXPECT_GE(*v6, 1280u);
}

TEST(LinkMtu, ThereIsNoneWithoutAWay) {
  // A datagram socket may not send to everybody unless it asked to.
  EXPECT_FALSE(LinkMtu(*SocketAddress::Parse("255.255.255.255:9")).has_value());
}

}  // namespace
}  // namespace p2pcp::udp
