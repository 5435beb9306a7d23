#include "net/signaling/mqtt_tls_error.h"

#include "gtest/gtest.h"

namespace p2pcp::signaling {
namespace {

TEST(MqttTlsError, SaysWhatIsWrongWithTheCertificate) {
  Broker broker = *ParseBroker("mqtts://h");
  const char unknown[] =
      "OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify "
      "failed";
  EXPECT_NE(DescribeTlsError(broker, unknown).find("--broker-ca"),
            std::string::npos);
  broker.ca_file = "/my/ca";
  EXPECT_NE(DescribeTlsError(broker, unknown).find("(by '/my/ca')"),
            std::string::npos);
  const char name[] = "Error: host name verification failed.";
  EXPECT_TRUE(IsTlsCause(name));
  EXPECT_FALSE(IsTlsCause(unknown));
  EXPECT_EQ(DescribeTlsError(broker, name),
            "TLS: its certificate is not for 'h'");
}

TEST(MqttTlsError, SaysHowABrokerWithoutTlsIsNamed) {
  const Broker broker = *ParseBroker("mqtts://h");
  for (const char* log :
       {"OpenSSL Error[0]: error:0A000126:SSL routines::unexpected eof while "
        "reading",
        "OpenSSL Error[0]: error:0A00010B:SSL routines::wrong version "
        "number"}) {
    EXPECT_EQ(DescribeTlsError(broker, log),
              "TLS: it does not answer in it; without TLS it is mqtt://");
  }
}

TEST(MqttTlsError, PassesOnWhatItDoesNotKnow) {
  const Broker broker = *ParseBroker("mqtts://h");
  EXPECT_EQ(DescribeTlsError(broker, "something"), "TLS: something");
  EXPECT_EQ(DescribeTlsError(broker, ""), "TLS failed");
}

}  // namespace
}  // namespace p2pcp::signaling
