#include "net/crypto/key.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "net/crypto/test_vectors.h"

namespace p2pcp::crypto {
namespace {

X25519Point Point(ByteSpan bytes) {
  X25519Point point;
  CopyBytes(bytes, point);
  return point;
}

// RFC 7748 section 6.1.
TEST(X25519, AgreesAsInRfc7748) {
  const TestVector vector = ReadTestVectors("testdata/x25519/rfc7748.txt")[0];
  const auto alice =
      X25519KeyPair::FromSecret(Key(vector.Get("alice_private")));
  const auto bob = X25519KeyPair::FromSecret(Key(vector.Get("bob_private")));
  EXPECT_EQ(alice.point, Point(vector.Get("alice_public")));
  EXPECT_EQ(bob.point, Point(vector.Get("bob_public")));

  Key at_alice, at_bob;
  ASSERT_TRUE(X25519(alice.secret, bob.point, at_alice));
  ASSERT_TRUE(X25519(bob.secret, alice.point, at_bob));
  EXPECT_EQ(at_alice, Key(vector.Get("shared")));
  EXPECT_EQ(at_bob, at_alice);
}

// RFC 7748 section 6.1: the all-zero result must be checked for.
TEST(X25519, RefusesPointsOfSmallOrder) {
  const TestVector vector = ReadTestVectors("testdata/x25519/rfc7748.txt")[0];
  const Key secret(vector.Get("alice_private"));
  Key shared;
  X25519Point point{};
  EXPECT_FALSE(X25519(secret, point, shared)) << "0";
  point[0] = std::byte{1};
  EXPECT_FALSE(X25519(secret, point, shared)) << "1";
}

TEST(Key, ComparesByContent) {
  Key a, b;
  EXPECT_EQ(a, b);
  b.bytes[31] = std::byte{1};
  EXPECT_FALSE(a == b);
}

TEST(Key, IsWipedByItsDestructor) {
  alignas(Key) std::array<std::byte, sizeof(Key)> memory;
  Key* const key = new (memory.data()) Key;
  key->bytes.fill(std::byte{0x5a});
  key->~Key();
  EXPECT_TRUE(std::all_of(memory.begin(), memory.end(),
                          [](std::byte byte) { return byte == std::byte{0}; }));
}

}  // namespace
}  // namespace p2pcp::crypto
