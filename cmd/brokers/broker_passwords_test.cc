#include "cmd/brokers/broker_passwords.h"

#include <sys/stat.h>

#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace p2pcp::cmd {
namespace {

class BrokerPasswords : public testing::Test {
 protected:
  // The passwords that the brokers of these URLs get; or the error.
  std::string Read(const std::string& text,
                   const std::vector<std::string>& urls, mode_t mode = 0600) {
    const std::string file = testing::TempDir() + "/broker_passwords_test";
    std::ofstream(file) << text;
    chmod(file.c_str(), mode);
    std::vector<signaling::Broker> brokers;
    for (const std::string& url : urls) {
      brokers.push_back(*signaling::ParseBroker(url));
    }
    const Status status = ReadBrokerPasswords(file, &brokers);
    if (!status.ok()) {
      EXPECT_EQ(status.error().code, ErrorCode::kUsage);
      return "error: " + status.error().message;
    }
    std::string passwords;
    for (const auto& broker : brokers) passwords += broker.password + "|";
    return passwords;
  }
};

TEST_F(BrokerPasswords, OneLineIsThePasswordOfTheOneUser) {
  EXPECT_EQ(Read("a pass word\n", {"mqtts://me@h", "mqtt://public"}),
            "a pass word||");
  EXPECT_EQ(Read("x", {"mqtts://me@h", "mqtt://me@h"}), "x|x|");
}

TEST_F(BrokerPasswords, OnePasswordIsNotGivenToTwoOperators) {
  EXPECT_NE(
      Read("secret", {"mqtts://me@h", "mqtts://me@other"}).find("error: "),
      std::string::npos);
  EXPECT_NE(Read("secret", {"mqtts://me@h", "mqtts://you@h"}).find("error: "),
            std::string::npos);
}

TEST_F(BrokerPasswords, LinesNameTheirBroker) {
  const std::string text =
      "mqtts://me@h p w\n\nmqtts://me@h:8884 other\r\nmqtt://me@h plain\n"
      "mqtts://me@elsewhere unused\n";
  EXPECT_EQ(Read(text, {"mqtts://me@h:8883", "mqtts://me@h:8884", "mqtt://me@h",
                        "mqtts://h"}),
            "p w|other|plain||");
}

TEST_F(BrokerPasswords, AMissingOneIsAnErrorThatShowsNoSecret) {
  for (const char* text :
       {"mqtts://me@other hunter2\n", "mqtts://me@h hunter2\nhunter2\n",
        "mqtts://h hunter2\n", "mqtts://me:hunter2@h\n", ""}) {
    const std::string error = Read(text, {"mqtts://me@h"});
    EXPECT_EQ(error.find("error: "), 0u) << text;
    EXPECT_EQ(error.find("hunter2"), std::string::npos) << error;
  }
}

TEST_F(BrokerPasswords, AFileThatOthersMayReadIsRefusedWithWhatMendsIt) {
  const std::string error = Read("x", {"mqtts://me@h"}, 0644);
  EXPECT_NE(error.find("chmod 600 '"), std::string::npos) << error;
}

}  // namespace
}  // namespace p2pcp::cmd
