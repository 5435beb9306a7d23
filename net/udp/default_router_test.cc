#include "net/udp/default_router.h"

#include <gtest/gtest.h>

namespace p2pcp::udp {
namespace {

constexpr char kColumns[] =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t"
    "Window\tIRTT\n";

TEST(DefaultRouter, IsTheOneOfTheLeastMetric) {
  // As a machine with Wi-Fi and a cable prints it, little-endian.
  const auto router = ParseDefaultRouter(
      std::string(kColumns) +
      "wlan0\t00000000\t0100000A\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
      "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
      "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n");
  ASSERT_TRUE(router);
  EXPECT_EQ(router->ToString(), "192.168.1.1");
}

TEST(DefaultRouter, IsNoneWithoutAGateway) {
  EXPECT_FALSE(ParseDefaultRouter(""));
  EXPECT_FALSE(ParseDefaultRouter(kColumns));
  EXPECT_FALSE(ParseDefaultRouter(
      std::string(kColumns) +
      "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"
      "rubbish\n"));
}

}  // namespace
}  // namespace p2pcp::udp
