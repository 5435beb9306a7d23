#include "net/crypto/signaling_keys.h"

#include "gtest/gtest.h"
#include "net/base/random.h"

namespace p2pcp::crypto {
namespace {

class SignalingKeysTest : public testing::Test {
 protected:
  SeededRandom random_{11};
  const Identity alice_ = Identity::Generate(random_);
  const Identity bob_ = Identity::Generate(random_);
};

TEST_F(SignalingKeysTest, BothSidesDeriveTheSame) {
  const SignalingKeys at_alice = DeriveSignalingKeys(alice_, bob_.public_key());
  const SignalingKeys at_bob = DeriveSignalingKeys(bob_, alice_.public_key());
  EXPECT_EQ(at_alice.topic, at_bob.topic);
  EXPECT_EQ(at_alice.send, at_bob.receive);
  EXPECT_EQ(at_alice.receive, at_bob.send);
}

TEST_F(SignalingKeysTest, AllThreeDiffer) {
  const SignalingKeys keys = DeriveSignalingKeys(alice_, bob_.public_key());
  EXPECT_FALSE(keys.topic == keys.send);
  EXPECT_FALSE(keys.topic == keys.receive);
  EXPECT_FALSE(keys.send == keys.receive);
}

TEST_F(SignalingKeysTest, AnotherPeerHasOthers) {
  const Identity carol = Identity::Generate(random_);
  const SignalingKeys with_bob = DeriveSignalingKeys(alice_, bob_.public_key());
  const SignalingKeys with_carol =
      DeriveSignalingKeys(alice_, carol.public_key());
  EXPECT_FALSE(with_bob.topic == with_carol.topic);
  EXPECT_FALSE(with_bob.send == with_carol.send);
}

}  // namespace
}  // namespace p2pcp::crypto
