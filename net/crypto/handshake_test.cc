#include "net/crypto/handshake.h"

#include <optional>

#include "gtest/gtest.h"

namespace p2pcp::crypto {
namespace {

class HandshakeTest : public testing::Test {
 protected:
  Handshake Initiator(const std::optional<Psk>& psk,
                      std::string_view prologue = "prologue") {
    return Handshake::Initiator(alice_, bob_.public_key(), psk,
                                AsBytes(prologue), random_);
  }
  Handshake Responder(const std::optional<Psk>& psk,
                      std::string_view prologue = "prologue") {
    return Handshake::Responder(bob_, alice_.public_key(), psk,
                                AsBytes(prologue), random_);
  }
  // Both messages between the two.
  static void Run(Handshake& initiator, Handshake& responder) {
    ASSERT_TRUE(responder.ReadMessage(initiator.WriteMessage({})).ok());
    ASSERT_TRUE(initiator.ReadMessage(responder.WriteMessage({})).ok());
  }

  SeededRandom random_{7};
  const Identity alice_ = Identity::Generate(random_);
  const Identity bob_ = Identity::Generate(random_);
  const Psk psk_{Key(random_.Array<32>())};
};

TEST_F(HandshakeTest, BothSidesEndWithTheSameKeys) {
  for (const auto& psk : {std::optional<Psk>(), std::optional<Psk>(psk_)}) {
    Handshake initiator = Initiator(psk);
    Handshake responder = Responder(psk);
    const Bytes offer = initiator.WriteMessage(AsBytes("offer"));
    EXPECT_EQ(offer.size(), 5 + Handshake::kOverhead);
    const Result<Bytes> offered = responder.ReadMessage(offer);
    ASSERT_TRUE(offered.ok());
    EXPECT_EQ(AsText(*offered), "offer");
    const Result<Bytes> answered =
        initiator.ReadMessage(responder.WriteMessage(AsBytes("answer")));
    ASSERT_TRUE(answered.ok());
    EXPECT_EQ(AsText(*answered), "answer");

    ASSERT_TRUE(initiator.complete());
    ASSERT_TRUE(responder.complete());
    const SessionKeys at_initiator = initiator.Split();
    const SessionKeys at_responder = responder.Split();
    EXPECT_EQ(at_initiator.send, at_responder.receive);
    EXPECT_EQ(at_initiator.receive, at_responder.send);
    EXPECT_FALSE(at_initiator.send == at_initiator.receive);
    EXPECT_EQ(at_initiator.handshake_hash, at_responder.handshake_hash);
  }
}

TEST_F(HandshakeTest, EverySessionHasItsOwnKeys) {
  Handshake initiator1 = Initiator(psk_), responder1 = Responder(psk_);
  Handshake initiator2 = Initiator(psk_), responder2 = Responder(psk_);
  Run(initiator1, responder1);
  Run(initiator2, responder2);
  EXPECT_FALSE(initiator1.Split().send == initiator2.Split().send);
  EXPECT_NE(initiator1.Split().handshake_hash,
            initiator2.Split().handshake_hash);
}

TEST_F(HandshakeTest, AnotherPskPrologueOrPatternIsRefused) {
  const Bytes offer = Initiator(psk_).WriteMessage({});
  const Psk other{Key(random_.Array<32>())};
  for (Handshake responder :
       {Responder(other), Responder(std::nullopt), Responder(psk_, "prologuf"),
        Responder(psk_, "")}) {
    const Result<Bytes> read = responder.ReadMessage(offer);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().code, ErrorCode::kAuthenticationFailed);
  }
}

TEST_F(HandshakeTest, AStrangerIsRefusedOnBothSides) {
  const Identity mallory = Identity::Generate(random_);
  Handshake forger = Handshake::Initiator(mallory, bob_.public_key(), psk_,
                                          AsBytes("prologue"), random_);
  EXPECT_FALSE(Responder(psk_).ReadMessage(forger.WriteMessage({})).ok());

  Handshake initiator = Initiator(psk_);
  Handshake impostor = Handshake::Responder(mallory, alice_.public_key(), psk_,
                                            AsBytes("prologue"), random_);
  EXPECT_FALSE(impostor.ReadMessage(initiator.WriteMessage({})).ok());
}

TEST_F(HandshakeTest, AMessageSentBackIsRefused) {
  Handshake initiator = Initiator(psk_);
  const Bytes offer = initiator.WriteMessage({});
  EXPECT_FALSE(initiator.ReadMessage(offer).ok());
}

TEST_F(HandshakeTest, AChangedBitOrTruncationIsRefusedAndTheTrueMessageAfter) {
  Handshake initiator = Initiator(psk_);
  Handshake responder = Responder(psk_);
  const Bytes offer = initiator.WriteMessage(AsBytes("offer"));
  for (std::size_t i = 0; i < offer.size(); ++i) {
    Bytes changed = offer;
    changed[i] ^= std::byte{1};
    EXPECT_FALSE(responder.ReadMessage(changed).ok()) << i;
    EXPECT_FALSE(responder.ReadMessage(ByteSpan(offer).first(i)).ok()) << i;
  }
  EXPECT_FALSE(responder.complete());
  ASSERT_TRUE(responder.ReadMessage(offer).ok());

  const Bytes answer = responder.WriteMessage(AsBytes("answer"));
  for (std::size_t i = 0; i < answer.size(); ++i) {
    Bytes changed = answer;
    changed[i] ^= std::byte{1};
    EXPECT_FALSE(initiator.ReadMessage(changed).ok()) << i;
    EXPECT_FALSE(initiator.ReadMessage(ByteSpan(answer).first(i)).ok()) << i;
  }
  EXPECT_FALSE(initiator.complete());
  ASSERT_TRUE(initiator.ReadMessage(answer).ok());
  EXPECT_EQ(initiator.Split().send, responder.Split().receive);
}

TEST_F(HandshakeTest, AnAnswerToAnotherOfferIsRefused) {
  Handshake initiator1 = Initiator(psk_), initiator2 = Initiator(psk_);
  Handshake responder = Responder(psk_);
  initiator1.WriteMessage({});
  ASSERT_TRUE(responder.ReadMessage(initiator2.WriteMessage({})).ok());
  const Bytes answer = responder.WriteMessage({});
  EXPECT_FALSE(initiator1.ReadMessage(answer).ok());
  EXPECT_TRUE(initiator2.ReadMessage(answer).ok());
}

TEST_F(HandshakeTest, RepeatedAndUntimelyMessagesAreRefused) {
  Handshake initiator = Initiator(psk_);
  Handshake responder = Responder(psk_);
  EXPECT_FALSE(initiator.ReadMessage(Bytes(100)).ok()) << "before our own";
  const Bytes offer = initiator.WriteMessage({});
  ASSERT_TRUE(responder.ReadMessage(offer).ok());
  EXPECT_FALSE(responder.ReadMessage(offer).ok());
  const Bytes answer = responder.WriteMessage({});
  EXPECT_FALSE(responder.ReadMessage(offer).ok());
  ASSERT_TRUE(initiator.ReadMessage(answer).ok());
  EXPECT_FALSE(initiator.ReadMessage(answer).ok());
  EXPECT_EQ(initiator.Split().send, responder.Split().receive);
}

TEST_F(HandshakeTest, OversizedMessagesAreRefused) {
  Handshake responder = Responder(psk_);
  EXPECT_FALSE(responder.ReadMessage(Bytes(Handshake::kMaxMessage + 1)).ok());
  Handshake initiator = Initiator(psk_);
  const Bytes largest(Handshake::kMaxMessage - Handshake::kOverhead);
  EXPECT_TRUE(responder.ReadMessage(initiator.WriteMessage(largest)).ok());
}

TEST_F(HandshakeTest, SplitBeforeTheEndIsABug) {
  EXPECT_DEATH(Initiator(psk_).Split(), "bug");
}

}  // namespace
}  // namespace p2pcp::crypto
