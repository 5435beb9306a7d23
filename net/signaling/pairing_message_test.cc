#include "net/signaling/pairing_message.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {
namespace {

constexpr VersionRange kOurs = {1, 2};

// One of each type, with all that it carries.
std::vector<PairingMessage> Samples() {
  SeededRandom random(1);
  std::vector<PairingMessage> samples;
  for (const PairingType type :
       {PairingType::kRequest, PairingType::kShare, PairingType::kProof,
        PairingType::kAnswer, PairingType::kRefusal, PairingType::kDone}) {
    PairingMessage message;
    message.type = type;
    message.versions = {1, 3};
    random.Fill(message.enterer);
    random.Fill(message.displayer);
    switch (type) {
      case PairingType::kRequest:
        message.suites = {1, 7};
        break;
      case PairingType::kShare:
        message.version = 2;
        message.suite = 1;
        random.Fill(message.share);
        break;
      case PairingType::kProof:
        random.Fill(message.share);
        random.Fill(message.tag);
        random.Fill(message.identity);
        break;
      case PairingType::kAnswer:
        random.Fill(message.tag);
        random.Fill(message.identity);
        break;
      case PairingType::kRefusal:
        message.refusal = Refusal::kBurnt;
        break;
      case PairingType::kDone:
        message.kept = true;
        random.Fill(message.done_tag);
        break;
    }
    samples.push_back(message);
  }
  return samples;
}

TEST(PairingMessage, IsReadBackAsItWasWritten) {
  for (const PairingMessage& message : Samples()) {
    const Bytes bytes = message.Encode();
    EXPECT_EQ(bytes.size(), PairingMessage::kSize);
    EXPECT_EQ(PairingMessage::Decode(bytes, kOurs), message);
  }
}

TEST(PairingMessage, HasTheBytesOfTheProtocol) {
  PairingMessage share = Samples()[1];
  share.enterer.fill(std::byte{0xbb});
  share.displayer.fill(std::byte{0xaa});
  share.share.fill(std::byte{0x59});
  const std::string hex = Hex(share.Encode());
  EXPECT_EQ(hex.substr(0, 2 * 72),
            "02"                                // Share.
            "0103"                              // Versions 1 to 3.
            "00"                                // Reserved.
            "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"  // r_b
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"  // r_a
            "02"                                // Version.
            "01"                                // Suite.
            // Ya.
            "5959595959595959595959595959595959595959595959595959595959595959"
            "0000");  // Zeros to the end.
  EXPECT_EQ(hex.find_first_not_of('0', 2 * 70), std::string::npos);
}

TEST(PairingMessage, OfAnySizeButItsOwnIsNone) {
  for (const PairingMessage& message : Samples()) {
    Bytes bytes = message.Encode();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(PairingMessage::Decode(ByteSpan(bytes).first(size), kOurs));
    }
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(PairingMessage::Decode(bytes, kOurs));
  }
}

TEST(PairingMessage, RefusesWhatItDoesNotKnow) {
  const auto with = [](std::size_t sample, std::size_t at, int value) {
    Bytes bytes = Samples()[sample].Encode();
    bytes[at] = static_cast<std::byte>(value);
    return PairingMessage::Decode(bytes, kOurs);
  };
  EXPECT_FALSE(with(0, 0, 0));    // No type.
  EXPECT_FALSE(with(0, 0, 7));    // No type.
  EXPECT_FALSE(with(0, 1, 4));    // From version 4 to 3.
  EXPECT_FALSE(with(0, 36, 17));  // Suites.
  EXPECT_TRUE(with(0, 36, 16));
  EXPECT_FALSE(with(4, 36, 5));  // Reason.
  EXPECT_TRUE(with(4, 36, 4));
  EXPECT_FALSE(with(5, 36, 2));  // Kept or not.
}

TEST(PairingMessage, OfARequestInALaterVersionOnlyTheHeaderIsRead) {
  PairingMessage request = Samples()[0];
  request.versions = {3, 9};
  Bytes bytes = request.Encode();
  bytes[36] = std::byte{200};
  const auto read = PairingMessage::Decode(bytes, kOurs);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->versions, request.versions);
  EXPECT_EQ(read->enterer, request.enterer);
  EXPECT_TRUE(read->suites.empty());
}

}  // namespace
}  // namespace p2pcp::signaling
