#include "net/crypto/envelope.h"

#include "gtest/gtest.h"
#include "net/crypto/test_vectors.h"

namespace p2pcp::crypto {
namespace {

// Gives the bytes it was made with, once.
class FixedRandom final : public Random {
 public:
  explicit FixedRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
  void Fill(MutableByteSpan out) override {
    ASSERT_EQ(out.size(), bytes_.size());
    CopyBytes(bytes_, out);
  }

 private:
  Bytes bytes_;
};

TEST(Envelope, MatchesTheVectorOfTheDraft) {
  const TestVector vector =
      ReadTestVectors("testdata/chacha20poly1305/draft_xchacha.txt")[0];
  const Key key(vector.Get("key"));
  FixedRandom random(vector.Get("iv"));
  const Bytes envelope =
      SealEnvelope(key, vector.Get("aad"), vector.Get("pt"), random);
  EXPECT_EQ(Hex(envelope),
            vector.Text("iv") + vector.Text("ct") + vector.Text("tag"));
  EXPECT_EQ(OpenEnvelope(key, vector.Get("aad"), envelope), vector.Get("pt"));
}

TEST(Envelope, RoundTripsAndIsLongerByTheOverhead) {
  SeededRandom random(1);
  const Key key(random.Array<32>());
  for (const std::size_t size : {0, 1, 63, 64, 65, 984}) {
    Bytes plaintext(size);
    random.Fill(plaintext);
    const Bytes envelope =
        SealEnvelope(key, AsBytes("version topic"), plaintext, random);
    EXPECT_EQ(envelope.size(), size + kEnvelopeOverhead);
    EXPECT_EQ(OpenEnvelope(key, AsBytes("version topic"), envelope), plaintext);
  }
}

TEST(Envelope, TwoOfTheSameContentDiffer) {
  SeededRandom random(2);
  const Key key;
  EXPECT_NE(SealEnvelope(key, {}, AsBytes("hello"), random),
            SealEnvelope(key, {}, AsBytes("hello"), random));
}

TEST(Envelope, OneChangedBitAnywhereIsRefused) {
  SeededRandom random(3);
  const Key key(random.Array<32>());
  const Bytes envelope = SealEnvelope(key, {}, AsBytes("hello"), random);
  for (std::size_t i = 0; i < envelope.size() * 8; ++i) {
    Bytes changed = envelope;
    changed[i / 8] ^= static_cast<std::byte>(1 << (i % 8));
    EXPECT_FALSE(OpenEnvelope(key, {}, changed).has_value()) << i;
  }
}

TEST(Envelope, EveryTruncationIsRefused) {
  SeededRandom random(4);
  const Key key;
  const Bytes envelope = SealEnvelope(key, {}, AsBytes("hello"), random);
  for (std::size_t size = 0; size < envelope.size(); ++size) {
    EXPECT_FALSE(
        OpenEnvelope(key, {}, ByteSpan(envelope).first(size)).has_value())
        << size;
  }
}

TEST(Envelope, AnotherKeyOrAssociatedDataIsRefused) {
  SeededRandom random(5);
  const Key key(random.Array<32>());
  const Key other(random.Array<32>());
  const Bytes envelope =
      SealEnvelope(key, AsBytes("topic 1"), AsBytes("hello"), random);
  EXPECT_FALSE(OpenEnvelope(other, AsBytes("topic 1"), envelope).has_value());
  EXPECT_FALSE(OpenEnvelope(key, AsBytes("topic 2"), envelope).has_value());
  EXPECT_TRUE(OpenEnvelope(key, AsBytes("topic 1"), envelope).has_value());
}

}  // namespace
}  // namespace p2pcp::crypto
