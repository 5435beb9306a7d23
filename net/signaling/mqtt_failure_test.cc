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
  EXPECT_THAT(DescribeFailure(broker, MOSQ_ERR_EAI, EAI_NONAME, "", false),
              AllOf(HasSubstr("cannot resolve 'broker.example'"),
                    HasSubstr(gai_strerror(EAI_NONAME))));
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_ERRNO, EINTR, "", false),
            "no answer to the call");
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_ERRNO, ECONNREFUSED, "", false),
            "Connection refused");
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_KEEPALIVE, 0, "", false),
            "the broker fell silent");
}

TEST(MqttFailure, TakesTheLogForTheCauseWhereTlsFails) {
  const Broker broker = *ParseBroker("mqtts://h");
  const std::string log = "Error: host name verification failed.";
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_TLS, 0, log, false),
            "TLS: its certificate is not for 'h'");
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_ERRNO, EPROTO, log, false),
            "TLS: its certificate is not for 'h'");
  EXPECT_EQ(DescribeFailure(broker, MOSQ_ERR_ERRNO, EPROTO, "", false),
            "Protocol error");
}

// Its first bytes are an alert, which is no MQTT, or there are none.
TEST(MqttFailure, SuggestsTlsWhereNobodyAnswersInMqtt) {
  const Broker clear = *ParseBroker("mqtt://h");
  for (const int result : {MOSQ_ERR_CONN_LOST, MOSQ_ERR_PROTOCOL}) {
    EXPECT_THAT(DescribeFailure(clear, result, 0, "", false),
                HasSubstr("with TLS it is mqtts://"));
    EXPECT_THAT(DescribeFailure(clear, result, 0, "", true),
                Not(HasSubstr("mqtts")));
    EXPECT_THAT(
        DescribeFailure(*ParseBroker("mqtts://h"), result, 0, "", false),
        Not(HasSubstr("mqtts")));
  }
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
