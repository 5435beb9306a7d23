#include "cmd/brokers/broker_report.h"

#include "gtest/gtest.h"

namespace p2pcp::cmd {
namespace {

BrokerReport TwoBrokers() {
  return BrokerReport({*signaling::ParseBroker("mqtts://me@a"),
                       *signaling::ParseBroker("mqtt://b:1")});
}

Error Down(const char* why) {
  return Error{ErrorCode::kRendezvousUnreachable, why};
}

TEST(BrokerReport, WarnsOnceWhenTheLastOneHasFailed) {
  BrokerReport report = TwoBrokers();
  report.HandleDown(0, Down("a: wrong password"));
  EXPECT_FALSE(report.TakeWarning());
  report.HandleDown(1, Down("b: \x1b[2Jrefused"));
  const auto warning = report.TakeWarning();
  ASSERT_TRUE(warning);
  EXPECT_NE(warning->find("a: wrong password"), std::string::npos);
  EXPECT_EQ(warning->find('\x1b'), std::string::npos);
  report.HandleDown(0, Down("a: wrong password"));
  EXPECT_FALSE(report.TakeWarning());
}

TEST(BrokerReport, DoesNotWarnOnceOneHasBeenUp) {
  BrokerReport report = TwoBrokers();
  report.HandleUp();
  report.HandleDown(0, Down("x"));
  report.HandleDown(1, Down("y"));
  EXPECT_FALSE(report.TakeWarning());
  EXPECT_TRUE(report.was_up());
}

TEST(BrokerReport, SaysOfEachWhyItCannotBeReached) {
  BrokerReport report = TwoBrokers();
  report.HandleDown(1, Down("b: refused"));
  const Error error = report.Unreachable();
  EXPECT_EQ(error.code, ErrorCode::kRendezvousUnreachable);
  EXPECT_NE(error.message.find("mqtts://a:8883: no answer"), std::string::npos)
      << error.message;
  EXPECT_NE(error.message.find("b: refused"), std::string::npos);
}

}  // namespace
}  // namespace p2pcp::cmd
