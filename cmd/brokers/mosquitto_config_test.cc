#include "cmd/brokers/mosquitto_config.h"

#include <sys/stat.h>

#include <fstream>

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

class MosquittoUsers : public ::testing::Test {
 protected:
  // What comes of a file of users with that text.
  Status Read(const std::string& text, mode_t mode = 0600) {
    const std::string file = testing::TempDir() + "/users";
    std::ofstream(file) << text;
    EXPECT_EQ(chmod(file.c_str(), mode), 0);
    MosquittoOptions options = At("[::1]:1883");
    options.password_file = file;
    return ReadMosquittoFiles(options, files_);
  }

  MosquittoFiles files_;
};

TEST_F(MosquittoUsers, AreThoseWithAHash) {
  const Status read = Read("# ours\nme:$7$101$a$b\n\nyou:$7$101$c$d\n");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(files_.names, (std::vector<std::string>{"me", "you"}));
}

TEST_F(MosquittoUsers, HaveNoPlainPasswords) {
  const Status read = Read("me:$7$101$a$b\nyou:secret\n");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, ErrorCode::kUsage);
  EXPECT_NE(read.error().message.find("--password-file"), std::string::npos);
  EXPECT_NE(read.error().message.find("line 2 "), std::string::npos);
}

TEST_F(MosquittoUsers, AreAtLeastOne) { EXPECT_FALSE(Read("# none\n").ok()); }

TEST_F(MosquittoUsers, AreNobodyElsesToRead) {
  EXPECT_FALSE(Read("me:$7$101$a$b\n", 0640).ok());
}

}  // namespace
}  // namespace p2pcp::cmd
