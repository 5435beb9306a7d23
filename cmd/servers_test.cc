#include "cmd/servers.h"

#include <sys/stat.h>

#include <fstream>

#include "gtest/gtest.h"

namespace p2pcp::cmd {
namespace {

Options With(std::vector<std::string> brokers, std::vector<std::string> stun) {
  Options options;
  options.brokers = std::move(brokers);
  options.stun_servers = std::move(stun);
  return options;
}

TEST(ChooseServers, DefaultsAreOfSeveralOperators) {
  const auto servers = ChooseServers({});
  ASSERT_TRUE(servers.ok());
  EXPECT_GE(servers->brokers.size(), 3u);
  EXPECT_TRUE(servers->brokers[0].tls);
  ASSERT_GE(servers->stun_servers.size(), 2u);
  EXPECT_NE(servers->stun_servers[0].host, servers->stun_servers[1].host);
  EXPECT_FALSE(servers->loopback);
}

TEST(ChooseServers, GivesTlsBrokersTheirAuthorities) {
  const std::string file = testing::TempDir() + "/servers_test_ca";
  Options options = With({"mqtts://a", "mqtt://b"}, {});
  options.broker_ca = file;
  std::ofstream(file) << "no certificate\n";
  EXPECT_EQ(ChooseServers(options).error().code, ErrorCode::kUsage);
  std::ofstream(file) << "-----BEGIN CERTIFICATE-----\n";
  const auto servers = ChooseServers(options);
  ASSERT_TRUE(servers.ok());
  EXPECT_EQ(servers->brokers[0].ca_file, file);
  EXPECT_EQ(servers->brokers[1].ca_file, "");
}

TEST(ChooseServers, SaysThatAPasswordWithoutTlsCanBeRead) {
  const std::string file = testing::TempDir() + "/servers_test_password";
  std::ofstream(file) << "x\n";
  chmod(file.c_str(), 0600);
  const auto warnings = [&](const char* url) {
    Options options = With({url}, {});
    options.broker_password_file = file;
    const auto servers = ChooseServers(options);
    EXPECT_TRUE(servers.ok());
    EXPECT_EQ(servers->brokers[0].password, "x");
    return servers->warnings.size();
  };
  EXPECT_EQ(warnings("mqtt://me@192.0.2.1"), 1u);
  EXPECT_EQ(warnings("mqtts://me@192.0.2.1"), 0u);
  EXPECT_EQ(warnings("mqtt://me@127.0.0.1"), 0u);
}

TEST(ChooseServers, TakesEveryFormOfAStunServer) {
  const auto servers =
      ChooseServers(With({"mqtt://b"}, {"s", "s:1", "192.0.2.1", "192.0.2.1:2",
                                        "2001:db8::1", "[2001:db8::1]:3"}));
  ASSERT_TRUE(servers.ok());
  const std::vector<std::pair<std::string, int>> expected = {
      {"s", 3478},           {"s", 1},
      {"192.0.2.1", 3478},   {"192.0.2.1", 2},
      {"2001:db8::1", 3478}, {"2001:db8::1", 3}};
  ASSERT_EQ(servers->stun_servers.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(servers->stun_servers[i].host, expected[i].first);
    EXPECT_EQ(servers->stun_servers[i].port, expected[i].second);
  }
}

TEST(ChooseServers, RefusesWhatIsNoServer) {
  for (const char* stun :
       {"", ":1", "s:", "s:x", "s:0", "s:65536", "192.0.2.1:0", "a:b:1"}) {
    const auto servers = ChooseServers(With({"mqtt://b"}, {stun}));
    ASSERT_FALSE(servers.ok()) << stun;
    EXPECT_EQ(servers.error().code, ErrorCode::kUsage);
  }
  EXPECT_FALSE(ChooseServers(With({"http://b"}, {"s"})).ok());
  EXPECT_FALSE(
      ChooseServers(With(std::vector<std::string>(9, "mqtt://b"), {"s"})).ok());
}

TEST(ChooseServers, NoticesLoopback) {
  EXPECT_TRUE(ChooseServers(With({"mqtt://localhost"}, {"s"}))->loopback);
  EXPECT_TRUE(ChooseServers(With({"mqtt://b"}, {"127.0.0.1:1"}))->loopback);
  EXPECT_TRUE(ChooseServers(With({"mqtt://[::1]"}, {"s"}))->loopback);
  EXPECT_FALSE(ChooseServers(With({"mqtt://b"}, {"s"}))->loopback);
}

}  // namespace
}  // namespace p2pcp::cmd
