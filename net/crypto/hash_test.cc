#include "net/crypto/hash.h"

#include <array>
#include <cstdint>
#include <string>

#include "gtest/gtest.h"
#include "net/crypto/test_vectors.h"

namespace p2pcp::crypto {
namespace {

TEST(Hash, MatchesTheKnownAnswers) {
  for (const TestVector& vector :
       ReadTestVectors("testdata/blake2/blake2b.txt")) {
    const Bytes in = vector.Get("in");
    std::array<std::byte, kMaxHashSize> hash;
    if (vector.Has("key")) {
      KeyedHash(vector.Get("key"), in, hash);
    } else {
      Hash(in, hash);
    }
    EXPECT_EQ(Hex(hash), vector.Text("hash")) << in.size() << " bytes";
  }
}

// The generator of RFC 7693 appendix E.
Bytes SelfTestSequence(std::size_t size, std::uint32_t seed) {
  std::uint32_t a = 0xDEAD4BAD * seed;
  std::uint32_t b = 1;
  Bytes bytes;
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint32_t t = a + b;
    a = b;
    b = t;
    bytes.push_back(static_cast<std::byte>(t >> 24));
  }
  return bytes;
}

TEST(Hash, PassesTheSelfTestOfRfc7693) {
  Bytes hashes;
  for (const std::uint32_t hash_size : {20, 32, 48, 64}) {
    for (const std::uint32_t in_size : {0, 3, 128, 129, 255, 1024}) {
      const Bytes in = SelfTestSequence(in_size, in_size);
      Bytes hash(hash_size);
      Hash(in, hash);
      hashes.insert(hashes.end(), hash.begin(), hash.end());
      KeyedHash(SelfTestSequence(hash_size, hash_size), in, hash);
      hashes.insert(hashes.end(), hash.begin(), hash.end());
    }
  }
  std::array<std::byte, 32> of_hashes;
  Hash(hashes, of_hashes);
  const TestVector vector =
      ReadTestVectors("testdata/blake2/rfc7693_selftest.txt")[0];
  EXPECT_EQ(Hex(of_hashes), vector.Text("hash"));
}

TEST(RunningHash, IsTheHashOfAllThatCame) {
  RunningHash running;
  Bytes all;
  for (std::size_t size : {0, 1, 127, 128, 129, 1000}) {
    const Bytes piece =
        SelfTestSequence(size, static_cast<std::uint32_t>(size));
    running.Update(piece);
    all.insert(all.end(), piece.begin(), piece.end());
    std::array<std::byte, RunningHash::kSize> hash;
    Hash(all, hash);
    // More may follow.
    EXPECT_EQ(running.Finish(), hash) << size;
    EXPECT_EQ(running.Finish(), hash) << size;
  }
  running.Reset();
  std::array<std::byte, RunningHash::kSize> none;
  Hash({}, none);
  EXPECT_EQ(running.Finish(), none);
}

TEST(KeyedHash, AnotherSizeIsAnotherHashAndNoPrefix) {
  const Key key;
  const std::string longer = Hex(KeyedHash(key, AsBytes("topic"), 32));
  const std::string shorter = Hex(KeyedHash(key, AsBytes("topic"), 20));
  EXPECT_EQ(shorter.size(), 40u);
  EXPECT_NE(longer.substr(0, 40), shorter);
}

TEST(DeriveKey, IsTheDocumentedHash) {
  const Key key;
  const Bytes context = Unhex("0102");
  // The size of the label, the label, the context.
  const Bytes message = Unhex("026b750102");
  EXPECT_EQ(DeriveKey(key, "ku", context),
            Key(KeyedHash(key, message, Key::kSize)));
}

TEST(DeriveKey, LabelAndContextDoNotRunIntoEachOther) {
  const Key key;
  EXPECT_FALSE(DeriveKey(key, "ab", AsBytes("c")) ==
               DeriveKey(key, "a", AsBytes("bc")));
  EXPECT_FALSE(DeriveKey(key, "a") == DeriveKey(key, "b"));
}

TEST(ConstantTimeEqual, ComparesSizeAndContent) {
  EXPECT_TRUE(ConstantTimeEqual({}, {}));
  EXPECT_TRUE(ConstantTimeEqual(AsBytes("ab"), AsBytes("ab")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("ab"), AsBytes("ac")));
  EXPECT_FALSE(ConstantTimeEqual(AsBytes("ab"), AsBytes("a")));
}

TEST(HashDeathTest, KeyAndSizesOutOfBoundsAreBugs) {
  std::array<std::byte, 65> out;
  EXPECT_DEATH(Hash({}, out), "bug");
  EXPECT_DEATH(Hash({}, MutableByteSpan(out).first(0)), "bug");
  EXPECT_DEATH(KeyedHash({}, {}, 32), "bug");
  EXPECT_DEATH(KeyedHash(out, {}, 32), "bug");
}

}  // namespace
}  // namespace p2pcp::crypto
