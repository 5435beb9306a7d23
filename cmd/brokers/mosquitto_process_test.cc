#include "cmd/brokers/mosquitto_process.h"

#include "gtest/gtest.h"

namespace p2pcp::cmd {
namespace {

MosquittoOptions At(const char* address) {
  MosquittoOptions options;
  options.listen = *SocketAddress::Parse(address);
  return options;
}

bool Has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(MosquittoConfig, LetsEverybodyInAndKeepsNothing) {
  const std::string text = MosquittoConfig(At("[::1]:1883"), "/x/acl");
  for (const char* line :
       {"listener 1883 ::1", "socket_domain ipv6", "allow_anonymous true",
        "acl_file /x/acl", "persistence false", "retain_available false",
        "max_qos 0", "max_packet_size 2048", "sys_interval 0"}) {
    EXPECT_TRUE(Has(text, line)) << line << "\n" << text;
  }
  EXPECT_EQ(text.find("certfile"), std::string::npos);
  EXPECT_EQ(text.find("password_file"), std::string::npos);
}

TEST(MosquittoConfig, WithUsersNobodyElseComes) {
  MosquittoOptions options = At("192.0.2.1:8883");
  options.tls_cert = "/x/cert.pem";
  options.tls_key = "/x/key.pem";
  options.password_file = "/x/users";
  const std::string text = MosquittoConfig(options, "/x/acl");
  for (const char* line :
       {"certfile /x/cert.pem", "keyfile /x/key.pem", "tls_version tlsv1.2",
        "allow_anonymous false", "password_file /x/users"}) {
    EXPECT_TRUE(Has(text, line)) << line << "\n" << text;
  }
  EXPECT_EQ(text.find("allow_anonymous true"), std::string::npos);
}

// mosquitto reads rules before the first user as those of clients without a
// name, and gives a user no other rules than his.
TEST(MosquittoAcl, GivesEachUserTopicsOfOneLevel) {
  EXPECT_EQ(MosquittoAcl({}), "topic readwrite +\n");
  EXPECT_EQ(MosquittoAcl({"me", "you"}),
            "user me\ntopic readwrite +\nuser you\ntopic readwrite +\n");
}

}  // namespace
}  // namespace p2pcp::cmd
