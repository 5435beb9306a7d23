#include "net/signaling/broker_url.h"

#include <gtest/gtest.h>

#include <string>

#include "net/base/result.h"

namespace p2pcp::signaling {
namespace {

TEST(ParseBroker, FillsInThePortOfTheScheme) {
  const auto plain = ParseBroker("mqtt://broker.example");
  ASSERT_TRUE(plain.ok());
  EXPECT_FALSE(plain->tls);
  EXPECT_EQ(plain->host, "broker.example");
  EXPECT_EQ(plain->port, 1883);
  EXPECT_EQ(plain->user, "");

  const auto tls = ParseBroker("mqtts://broker.example");
  ASSERT_TRUE(tls.ok());
  EXPECT_TRUE(tls->tls);
  EXPECT_EQ(tls->port, 8883);
}

TEST(ParseBroker, TakesUserAndPort) {
  const auto broker = ParseBroker("mqtts://al@ice@192.0.2.1:443");
  ASSERT_TRUE(broker.ok());
  EXPECT_EQ(broker->user, "al@ice");
  EXPECT_EQ(broker->host, "192.0.2.1");
  EXPECT_EQ(broker->port, 443);
  EXPECT_EQ(broker->ToString(), "mqtts://192.0.2.1:443");
}

TEST(ParseBroker, TakesAnIpv6AddressInBrackets) {
  const auto broker = ParseBroker("mqtt://[2001:db8::1]:1884");
  ASSERT_TRUE(broker.ok());
  EXPECT_EQ(broker->host, "2001:db8::1");
  EXPECT_EQ(broker->port, 1884);
  EXPECT_EQ(broker->ToString(), "mqtt://[2001:db8::1]:1884");
  EXPECT_EQ(ParseBroker("mqtt://[::1]")->port, 1883);
}

TEST(ParseBroker, RefusesWhatIsNoBroker) {
  for (const char* url : {"",
                          "mqtt",
                          "mqtt:/",
                          "mqtt://",
                          "http://a",
                          "mqtt://:1883",
                          "mqtt://@a",
                          "mqtt://a:",
                          "mqtt://a:0",
                          "mqtt://a:65536",
                          "mqtt://a:1x",
                          "mqtt://a:+1",
                          "mqtt://2001:db8::1",
                          "mqtt://[::1",
                          "mqtt://[::1]x",
                          "mqtt://[::1]:",
                          "mqtt://[a]",
                          "mqtt://a/b",
                          "mqtt://a b",
                          "mqtt://a\n",
                          "mqtt://u ser@a"}) {
    const auto broker = ParseBroker(url);
    ASSERT_FALSE(broker.ok()) << url;
    EXPECT_EQ(broker.error().code, ErrorCode::kUsage) << url;
  }
  EXPECT_FALSE(ParseBroker("mqtt://" + std::string(254, 'a')).ok());
}

TEST(ParseBroker, RefusesAPasswordWithoutRepeatingIt) {
  const auto broker = ParseBroker("mqtt://alice:hunter2@broker.example");
  ASSERT_FALSE(broker.ok());
  EXPECT_EQ(broker.error().message.find("hunter2"), std::string::npos);
}

}  // namespace
}  // namespace p2pcp::signaling
