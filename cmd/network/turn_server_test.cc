#include "cmd/network/turn_server.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

namespace p2pcp::cmd {
namespace {

TEST(TurnServer, IsNamedByAUrl) {
  const Result<TurnServer> plain = ParseTurnServer("turn://me@relay.example");
  ASSERT_TRUE(plain.ok());
  EXPECT_FALSE(plain->tls);
  EXPECT_EQ(plain->user, "me");
  EXPECT_EQ(plain->host, "relay.example");
  EXPECT_EQ(plain->port, 3478);
  const Result<TurnServer> tls =
      ParseTurnServer("turns://a.b@[2001:db8::1]:443");
  ASSERT_TRUE(tls.ok());
  EXPECT_TRUE(tls->tls);
  EXPECT_EQ(tls->host, "2001:db8::1");
  EXPECT_EQ(tls->port, 443);
  EXPECT_EQ(ParseTurnServer("turns://me@relay.example")->port, 5349);
}

TEST(TurnServer, RefusesWhatIsNone) {
  for (const char* url : {"", "turn://", "turn://relay.example",
                          "turn://@relay.example", "http://me@relay.example",
                          "turn://me@", "turn://me@host:", "turn://me@host:0",
                          "turn://me@host:70000", "turn://me@host:x",
                          "turn://me@[2001:db8::1", "turn://me:secret@host"}) {
    EXPECT_FALSE(ParseTurnServer(url).ok()) << url;
  }
}

TEST(TurnServer, TakesThePasswordFromTheFirstLineOfAPrivateFile) {
  const std::string folder = testing::TempDir() + "/turn_server_test";
  mkdir(folder.c_str(), 0700);  // It may be there.
  const std::string file = folder + "/password";
  std::ofstream(file) << "correct horse\nand more\n";
  ASSERT_EQ(chmod(file.c_str(), 0600), 0);
  const Result<TurnServer> server =
      ReadTurnServer("turn://me@relay.example", file);
  ASSERT_TRUE(server.ok()) << server.error().message;
  EXPECT_EQ(server->password, "correct horse");
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  EXPECT_FALSE(ReadTurnServer("turn://me@relay.example", file).ok());
}

}  // namespace
}  // namespace p2pcp::cmd
