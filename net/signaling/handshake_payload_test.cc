#include "net/signaling/handshake_payload.h"

#include "gtest/gtest.h"
#include "net/signaling/message.h"
#include "net/signaling/world_for_tests.h"

namespace p2pcp::signaling {
namespace {

HandshakePayload Decode(ByteSpan bytes, bool ok = true) {
  ByteReader reader(bytes);
  HandshakePayload payload = HandshakePayload::Decode(reader);
  EXPECT_EQ(reader.ok(), ok);
  return payload;
}

class HandshakePayloadTest : public testing::Test {
 protected:
  const std::vector<ice::Candidate> candidates_ = {
      simulated::CandidateAt(1, 5), simulated::CandidateAt(2, 4)};
};

TEST_F(HandshakePayloadTest, WithoutAHandOverItIsAListOfCandidates) {
  const HandshakePayload payload{candidates_, {}};
  EXPECT_EQ(payload.Encode(), EncodeCandidates(candidates_));
  EXPECT_TRUE(Decode(payload.Encode()).hand_over.empty());
}

TEST_F(HandshakePayloadTest, CarriesAHandOverBehindThem) {
  const HandshakePayload payload{candidates_, Bytes(160, std::byte{7})};
  const Bytes bytes = payload.Encode();
  const std::size_t list = EncodeCandidates(candidates_).size();
  // type 1, length 160
  EXPECT_EQ(Hex(ByteSpan(bytes).subspan(list, 4)), "0100a007");
  const HandshakePayload again = Decode(bytes);
  EXPECT_EQ(again.candidates.size(), 2u);
  EXPECT_EQ(again.hand_over, payload.hand_over);
}

TEST_F(HandshakePayloadTest, CarriesWhatIsKnownOfTheNat) {
  HandshakePayload payload{candidates_, Bytes(3, std::byte{7})};
  payload.nat.mapping = ice::Dependence::kAddressAndPortDependent;
  payload.nat.reading = 5;
  payload.nat.external = {*IpAddress::Parse("203.0.113.7")};
  const Bytes bytes = payload.Encode();
  const std::size_t list = EncodeCandidates(candidates_).size();
  // type 2, length 13
  EXPECT_EQ(Hex(ByteSpan(bytes).subspan(list, 3)), "02000d");
  const HandshakePayload again = Decode(bytes);
  EXPECT_EQ(again.nat, payload.nat);
  EXPECT_EQ(again.hand_over, payload.hand_over);
}

TEST_F(HandshakePayloadTest, PassesOverWhatALaterVersionAdds) {
  Bytes bytes = EncodeCandidates(candidates_);
  for (const char* more : {"090002ffff", "0100017e", "080000"}) {
    const Bytes extension = Unhex(more);
    bytes.insert(bytes.end(), extension.begin(), extension.end());
  }
  EXPECT_EQ(Decode(bytes).hand_over, Bytes{std::byte{0x7e}});
}

TEST_F(HandshakePayloadTest, WhatIsCutOffIsRefused) {
  const HandshakePayload payload{candidates_, Bytes(160, std::byte{7})};
  const Bytes bytes = payload.Encode();
  const std::size_t list = EncodeCandidates(candidates_).size();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Decode(ByteSpan(bytes).first(size), size == list);
  }
}

}  // namespace
}  // namespace p2pcp::signaling
