#include "net/signaling/mqtt_failure.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netdb.h>

#include <cerrno>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace p2pcp::signaling {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(MqttFailure, TellsAHostWithoutAddressFromOneThatDoesNotAnswer) {
  const Broker broker = *ParseBroker("mqtt://broker.example");
  EXPECT_THAT(DescribeFailure(broker, MOSQ_ERR_EAI, EAI_NONAME, ""),
              AllOf(HasSubstr("cannot resolve 'broker.example'"),
                    HasSubstr(gai_strerror(EAI_NONAME))));
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_ERRNO, EINTR, ""),
            "no answer to the call");
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_ERRNO, ECONNREFUSED, ""),
            "Connection refused");
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_KEEPALIVE, 0, ""),
            "the broker fell silent");
}

TEST(MqttFailure, TakesTheLogForTheCauseWhereTlsFails) {
  const Broker broker = *ParseBroker("mqtts://h");
  const std::string log = "Error: host name verification failed.";
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_TLS, 0, log),
            "TLS: its certificate is not for 'h'");
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_ERRNO, EPROTO, log),
            "TLS: its certificate is not for 'h'");
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_ERRNO, EPROTO, ""),
            "Protocol error");
}

// MQTT 5 section 3.2.2.2 and MQTT 3.1.1 table 3.1 have other numbers.
TEST(MqttFailure, SaysWhatIsMissingWhereTheAccountIsRefused) {
  const Broker nobody = *ParseBroker("mqtt://h");
  const Broker somebody = *ParseBroker("mqtt://me@h");
  for (const auto& [version5, reason] :
       {std::pair(true, int{MQTT_RC_NOT_AUTHORIZED}),
        std::pair(true, int{MQTT_RC_BAD_USERNAME_OR_PASSWORD}),
        std::pair(false, int{CONNACK_REFUSED_NOT_AUTHORIZED}),
        std::pair(false, int{CONNACK_REFUSED_BAD_USERNAME_PASSWORD})}) {
    EXPECT_THAT(DescribeRefusal(nobody, version5, reason),
                HasSubstr("it may want a user (USER@HOST)"));
    EXPECT_THAT(DescribeRefusal(somebody, version5, reason),
                HasSubstr("user or password is wrong"));
  }
  EXPECT_THAT(DescribeRefusal(nobody, true, MQTT_RC_SERVER_UNAVAILABLE),
              Not(HasSubstr("user")));
}

}  // namespace
}  // namespace p2pcp::signaling
