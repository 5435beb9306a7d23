#include "net/crypto/base32.h"

#include "gtest/gtest.h"

namespace p2pcp::crypto {
namespace {

// RFC 4648 section 10, in lower case and without padding.
TEST(Base32, MatchesTheExamplesOfRfc4648) {
  struct Example {
    const char* plain;
    const char* encoded;
  };
  for (const Example& example :
       {Example{"", ""}, Example{"f", "my"}, Example{"fo", "mzxq"},
        Example{"foo", "mzxw6"}, Example{"foob", "mzxw6yq"},
        Example{"fooba", "mzxw6ytb"}, Example{"foobar", "mzxw6ytboi"}}) {
    EXPECT_EQ(Base32(AsBytes(example.plain)), example.encoded);
    const auto decoded = Unbase32(example.encoded);
    ASSERT_TRUE(decoded.has_value()) << example.encoded;
    EXPECT_EQ(AsText(*decoded), example.plain);
  }
}

TEST(Base32, DecodesUpperCase) {
  const auto decoded = Unbase32("MZXW6ytb");
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(AsText(*decoded), "fooba");
}

TEST(Base32, RoundTripsEveryByteAtEveryLength) {
  Bytes bytes;
  for (int i = 0; i < 256; ++i) {
    bytes.push_back(static_cast<std::byte>(i * 37));
    EXPECT_EQ(Unbase32(Base32(bytes)), bytes);
  }
}

TEST(Base32, RefusesOtherCharacters) {
  for (const char* text :
       {"m1", "m0", "m8", "m9", "m=", "m ", "my======", "m\n", "\xc3\xa4xy"}) {
    EXPECT_FALSE(Unbase32(text).has_value()) << text;
  }
}

TEST(Base32, RefusesLengthsThatNoNumberOfBytesGives) {
  for (const char* text : {"a", "aaa", "aaaaaa"}) {
    EXPECT_FALSE(Unbase32(text).has_value()) << text;
  }
}

TEST(Base32, RefusesASecondSpellingOfTheSameBytes) {
  ASSERT_TRUE(Unbase32("my").has_value());
  EXPECT_FALSE(Unbase32("mz").has_value()) << "an unused bit is set";
}

}  // namespace
}  // namespace p2pcp::crypto
