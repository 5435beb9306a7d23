#include "net/crypto/tls/turn_auth.h"

#include <gtest/gtest.h>

namespace p2pcp::crypto {
namespace {

// RFC 8489 section 9.2.2.
TEST(TurnAuth, KeyByTheLetter) {
  EXPECT_EQ(Hex(MakeTurnKey("user", "realm", "pass")),
            "8493fbc53ba582fb4c044c456bdc40eb");
}

// RFC 2202 section 3, test case 1 has a key of 20 bytes; this is case 2's
// message under MD5("user:realm:pass"), as `openssl dgst -sha1 -mac hmac` says.
TEST(TurnAuth, MacByTheLetter) {
  EXPECT_EQ(Hex(MakeTurnMac(MakeTurnKey("user", "realm", "pass"),
                            AsBytes("what do ya want for nothing?"))),
            "543ff194a3bdb98c43c9235e7bfbd0c00022085b");
}

}  // namespace
}  // namespace p2pcp::crypto
