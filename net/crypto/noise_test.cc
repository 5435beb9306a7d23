#include "net/crypto/noise.h"

#include <algorithm>
#include <optional>
#include <string>

#include "gtest/gtest.h"
#include "net/crypto/hash.h"
#include "net/crypto/test_vectors.h"

namespace p2pcp::crypto {
namespace {

X25519Point Point(ByteSpan bytes) {
  X25519Point point;
  CopyBytes(bytes, point);
  return point;
}

Bytes HashOf(ByteSpan first, ByteSpan second) {
  Bytes message = ToBytes(first);
  message.insert(message.end(), second.begin(), second.end());
  Bytes hash(kNoiseHashSize);
  Hash(message, hash);
  return hash;
}

NoiseKk Side(const TestVector& vector, NoiseKk::Role role) {
  const std::string prefix =
      role == NoiseKk::Role::kInitiator ? "init_" : "resp_";
  std::optional<Psk> psk;
  if (vector.Has("psk")) psk = Psk{Key(vector.Get("psk"))};
  return NoiseKk(
      role, X25519KeyPair::FromSecret(Key(vector.Get(prefix + "static"))),
      X25519KeyPair::FromSecret(Key(vector.Get(prefix + "ephemeral"))),
      Point(vector.Get(prefix + "remote_static")), psk, vector.Get("prologue"));
}

class NoiseVectors : public testing::TestWithParam<int> {
 protected:
  const TestVector vector_ = ReadTestVectors(
      "testdata/noise/kk_25519_chachapoly_blake2b.txt")[GetParam()];
  NoiseKk initiator_ = Side(vector_, NoiseKk::Role::kInitiator);
  NoiseKk responder_ = Side(vector_, NoiseKk::Role::kResponder);
};

TEST_P(NoiseVectors, HandshakeMessagesMatch) {
  const Bytes first = initiator_.WriteMessage(vector_.Get("payload1"));
  EXPECT_EQ(Hex(first), vector_.Text("ciphertext1"));
  EXPECT_EQ(responder_.ReadMessage(first), vector_.Get("payload1"));
  EXPECT_FALSE(initiator_.complete());
  EXPECT_FALSE(responder_.complete());

  const Bytes second = responder_.WriteMessage(vector_.Get("payload2"));
  EXPECT_EQ(Hex(second), vector_.Text("ciphertext2"));
  EXPECT_EQ(initiator_.ReadMessage(second), vector_.Get("payload2"));
  EXPECT_TRUE(initiator_.complete());
  EXPECT_TRUE(responder_.complete());
}

TEST_P(NoiseVectors, HandshakeHashMatches) {
  ASSERT_TRUE(
      responder_.ReadMessage(initiator_.WriteMessage(vector_.Get("payload1"))));
  const Bytes after_first = vector_.Get("handshake_hash");
  EXPECT_EQ(Hex(initiator_.symmetric_state().handshake_hash()),
            Hex(after_first));
  EXPECT_EQ(Hex(responder_.symmetric_state().handshake_hash()),
            Hex(after_first));

  // The second message adds its ephemeral key and then the rest.
  const Bytes second = vector_.Get("ciphertext2");
  const Bytes ephemeral = HashOf(after_first, ByteSpan(second).first(32));
  const Bytes after_second = HashOf(ephemeral, ByteSpan(second).subspan(32));
  ASSERT_TRUE(
      initiator_.ReadMessage(responder_.WriteMessage(vector_.Get("payload2"))));
  EXPECT_EQ(Hex(initiator_.symmetric_state().handshake_hash()),
            Hex(after_second));
  EXPECT_EQ(Hex(responder_.symmetric_state().handshake_hash()),
            Hex(after_second));
}

TEST_P(NoiseVectors, SplitGivesTheTransportKeysOfBothDirections) {
  ASSERT_TRUE(
      responder_.ReadMessage(initiator_.WriteMessage(vector_.Get("payload1"))));
  ASSERT_TRUE(
      initiator_.ReadMessage(responder_.WriteMessage(vector_.Get("payload2"))));
  Key from_initiator, from_responder;
  responder_.symmetric_state().Split(from_initiator, from_responder);
  NoiseCipherState initiator(from_initiator), responder(from_responder);
  for (int i = 3; i <= 6; ++i) {
    const std::string number = std::to_string(i);
    Bytes message;
    (i % 2 == 1 ? initiator : responder)
        .EncryptWithAd({}, vector_.Get("payload" + number), message);
    EXPECT_EQ(Hex(message), vector_.Text("ciphertext" + number));
  }
}

TEST_P(NoiseVectors, DecryptionOfTransportMessagesMatches) {
  ASSERT_TRUE(
      responder_.ReadMessage(initiator_.WriteMessage(vector_.Get("payload1"))));
  ASSERT_TRUE(
      initiator_.ReadMessage(responder_.WriteMessage(vector_.Get("payload2"))));
  Key from_initiator, from_responder;
  initiator_.symmetric_state().Split(from_initiator, from_responder);
  NoiseCipherState initiator(from_initiator);
  EXPECT_FALSE(initiator.DecryptWithAd({}, vector_.Get("ciphertext5")))
      << "out of order";
  EXPECT_EQ(initiator.DecryptWithAd({}, vector_.Get("ciphertext3")),
            vector_.Get("payload3"));
  EXPECT_EQ(initiator.DecryptWithAd({}, vector_.Get("ciphertext5")),
            vector_.Get("payload5"));
}

INSTANTIATE_TEST_SUITE_P(Patterns, NoiseVectors, testing::Values(0, 1),
                         [](const testing::TestParamInfo<int>& info) {
                           return std::string(info.param == 0 ? "KK"
                                                              : "KKpsk0");
                         });

// A forged ephemeral key of small order would make the shared secrets known.
TEST(NoiseKk, RefusesAnEphemeralKeyOfSmallOrder) {
  const TestVector vector =
      ReadTestVectors("testdata/noise/kk_25519_chachapoly_blake2b.txt")[1];
  NoiseKk initiator = Side(vector, NoiseKk::Role::kInitiator);
  NoiseKk responder = Side(vector, NoiseKk::Role::kResponder);
  Bytes message = initiator.WriteMessage({});
  std::fill_n(message.begin(), 32, std::byte{0});
  EXPECT_FALSE(responder.ReadMessage(message).has_value());
}

TEST(NoiseKkDeathTest, SpeakingOutOfTurnIsABug) {
  const TestVector vector =
      ReadTestVectors("testdata/noise/kk_25519_chachapoly_blake2b.txt")[1];
  NoiseKk initiator = Side(vector, NoiseKk::Role::kInitiator);
  NoiseKk responder = Side(vector, NoiseKk::Role::kResponder);
  EXPECT_DEATH(responder.WriteMessage({}), "bug");
  EXPECT_DEATH(initiator.ReadMessage({}), "bug");
  initiator.WriteMessage({});
  EXPECT_DEATH(initiator.WriteMessage({}), "bug");
}

}  // namespace
}  // namespace p2pcp::crypto
