#include "net/crypto/public_key.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "net/crypto/test_vectors.h"

namespace p2pcp::crypto {
namespace {

// RFC 8032 section 7.1, test 1.
PublicKey ExampleKey() {
  const TestVector vector = ReadTestVectors("testdata/ed25519/rfc8032.txt")[0];
  return PublicKey::FromBytes(vector.Get("public")).value();
}

TEST(PublicKey, TextRoundTrips) {
  for (const TestVector& vector :
       ReadTestVectors("testdata/ed25519/rfc8032.txt")) {
    const auto key = PublicKey::FromBytes(vector.Get("public"));
    ASSERT_TRUE(key.has_value());
    const std::string text = key->ToString();
    EXPECT_EQ(text.size(), PublicKey::kTextSize);
    EXPECT_EQ(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567"),
              std::string::npos);
    EXPECT_EQ(PublicKey::Parse(text), key);
  }
}

// Keys are exchanged between versions of the program: neither form may change.
TEST(PublicKey, TextAndFingerprintStayWhatTheyAre) {
  EXPECT_EQ(ExampleKey().ToString(),
            "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkeni26rm");
  EXPECT_EQ(Fingerprint(ExampleKey()),
            "dm2r-pt22-6cwi-nohp-5ccf-feem-ix24-pydz");
}

TEST(PublicKey, ParseIgnoresCaseAndBlanksAround) {
  std::string text = ExampleKey().ToString();
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  EXPECT_EQ(PublicKey::Parse(" \t" + text + "\r\n"), ExampleKey());
}

TEST(PublicKey, ParseNoticesEverySingleTypo) {
  const std::string text = ExampleKey().ToString();
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char c : std::string("abcdefghijklmnopqrstuvwxyz234567")) {
      if (c == text[i]) continue;
      std::string typo = text;
      typo[i] = c;
      EXPECT_FALSE(PublicKey::Parse(typo).has_value()) << typo;
    }
  }
}

TEST(PublicKey, ParseNoticesSwappedNeighbours) {
  const std::string text = ExampleKey().ToString();
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == text[i + 1]) continue;
    std::string typo = text;
    std::swap(typo[i], typo[i + 1]);
    EXPECT_FALSE(PublicKey::Parse(typo).has_value()) << typo;
  }
}

TEST(PublicKey, ParseRefusesEveryTruncationAndExtension) {
  const std::string text = ExampleKey().ToString();
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(PublicKey::Parse(text.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(PublicKey::Parse(text + "a").has_value());
}

TEST(PublicKey, FromBytesRefusesWhatNoKeyCanBeAgreedWith) {
  // Points of order 1, 2, 4 and 8, then one that is not on the curve.
  for (const char* hex :
       {"0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "0200000000000000000000000000000000000000000000000000000000000000"}) {
    EXPECT_FALSE(PublicKey::FromBytes(Unhex(hex)).has_value()) << hex;
  }
}

TEST(PublicKey, FromBytesRefusesOtherSizes) {
  const auto bytes = ExampleKey().bytes();
  EXPECT_FALSE(PublicKey::FromBytes(ByteSpan(bytes).first(31)).has_value());
  Bytes longer = ToBytes(bytes);
  longer.push_back(std::byte{0});
  EXPECT_FALSE(PublicKey::FromBytes(longer).has_value());
}

TEST(Fingerprint, IsEightGroupsOfFour) {
  const std::string text = Fingerprint(ExampleKey());
  ASSERT_EQ(text.size(), 8u * 4 + 7);
  for (std::size_t i = 4; i < text.size(); i += 5) EXPECT_EQ(text[i], '-');
}

TEST(Verify, RefusesAChangedMessageOrSignature) {
  for (const TestVector& vector :
       ReadTestVectors("testdata/ed25519/rfc8032.txt")) {
    const PublicKey key = PublicKey::FromBytes(vector.Get("public")).value();
    Bytes message = vector.Get("message");
    Signature signature;
    CopyBytes(vector.Get("signature"), signature);
    EXPECT_TRUE(Verify(key, message, signature));
    signature[5] ^= std::byte{1};
    EXPECT_FALSE(Verify(key, message, signature));
    signature[5] ^= std::byte{1};
    message.push_back(std::byte{0});
    EXPECT_FALSE(Verify(key, message, signature));
  }
}

}  // namespace
}  // namespace p2pcp::crypto
