#include "net/crypto/verify_digits.h"

#include "gtest/gtest.h"

namespace p2pcp::crypto {
namespace {

Psk PskOf(int first) {
  Psk psk;
  for (std::size_t i = 0; i < Key::kSize; ++i) {
    psk.key.bytes[i] = static_cast<std::byte>(first + static_cast<int>(i));
  }
  return psk;
}

// net/signaling/PAIRING.md has the same example.
TEST(VerifyDigits, AreThoseOfTheDocument) {
  EXPECT_EQ(VerifyDigits(PskOf(0)), "992906");
}

TEST(VerifyDigits, DifferForAnotherSecret) {
  EXPECT_NE(VerifyDigits(PskOf(0)), VerifyDigits(PskOf(1)));
}

}  // namespace
}  // namespace p2pcp::crypto
