#include "net/signaling/message.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"

namespace p2pcp::signaling {
namespace {

constexpr VersionRange kOurs = {1, 1};

Nonce NonceOf(std::uint8_t byte) {
  Nonce nonce;
  nonce.fill(std::byte{byte});
  return nonce;
}

std::string HexOf(std::uint8_t byte, int times) {
  std::string hex;
  for (int i = 0; i < times; ++i) hex += Hex(Bytes{std::byte{byte}});
  return hex;
}

std::vector<Message> OneOfEach() {
  std::vector<Message> all(6);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].type = static_cast<MessageType>(i + 1);
    all[i].from = NonceOf(0xaa);
    all[i].to = NonceOf(0xbb);
  }
  all[2].offer_nonce = NonceOf(0xcc);
  all[2].suites = {crypto::Suite::kAes256Gcm, crypto::Suite::kChaCha20Poly1305};
  all[2].handshake = Bytes(49, std::byte{1});
  all[3].handshake = Bytes(51, std::byte{2});
  all[4].sealed = Bytes(45, std::byte{3});
  all[5].reason = ByeReason::kDeclined;
  return all;
}

TEST(SignalingMessage, SurvivesItsEncoding) {
  for (const Message& message : OneOfEach()) {
    const Bytes bytes = message.Encode();
    ASSERT_EQ(bytes.size(), Message::kSize);
    EXPECT_EQ(Message::Decode(bytes, kOurs), message);
  }
}

// PROTOCOL.md, "Messages".
TEST(SignalingMessage, HasTheBytesOfTheProtocol) {
  const std::string names = HexOf(0xaa, 16) + HexOf(0xbb, 16);
  const std::vector<std::string> golden = {
      "01010100" + names,
      "02010100" + names,
      "03010100" + names + HexOf(0xcc, 16) + "020102" + "0031" + HexOf(1, 49),
      "04010100" + names + "0033" + HexOf(2, 51),
      "05010100" + names + "002d" + HexOf(3, 45),
      "06010100" + names + "02",
  };
  const std::vector<Message> all = OneOfEach();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t size = golden[i].size() / 2;
    const Bytes bytes = all[i].Encode();
    EXPECT_EQ(Hex(ByteSpan(bytes).first(size)), golden[i]);
    // Padding.
    EXPECT_EQ(Hex(ByteSpan(bytes).subspan(size)),
              HexOf(0, static_cast<int>(Message::kSize - size)));
  }
}

TEST(SignalingMessage, IsOfOneSizeOnly) {
  const Bytes bytes = OneOfEach()[0].Encode();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(Message::Decode(ByteSpan(bytes).first(size), kOurs));
  }
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(Message::Decode(longer, kOurs));
}

TEST(SignalingMessage, IsRefusedWhereItMakesNoSense) {
  const auto refused = [](const Message& message, std::size_t at,
                          std::uint8_t value) {
    Bytes bytes = message.Encode();
    bytes[at] = std::byte{value};
    return !Message::Decode(bytes, kOurs).has_value();
  };
  const std::vector<Message> all = OneOfEach();
  EXPECT_TRUE(refused(all[0], 0, 0));  // No such type.
  EXPECT_TRUE(refused(all[0], 0, 7));
  EXPECT_TRUE(refused(all[0], 1, 2));      // Versions 2 to 1.
  EXPECT_TRUE(refused(all[5], 36, 5));     // No such reason.
  EXPECT_TRUE(refused(all[2], 52, 17));    // Too many suites.
  EXPECT_TRUE(refused(all[2], 55, 0xff));  // Longer than the message.
  EXPECT_TRUE(refused(all[3], 36, 0xff));
  EXPECT_TRUE(refused(all[4], 36, 0xff));
}

TEST(SignalingMessage, TellsOnlyItsHeaderInAVersionThatWeDoNotSpeak) {
  for (Message message : OneOfEach()) {
    if (message.type == MessageType::kBye) continue;
    message.versions = {7, 9};
    Bytes bytes = message.Encode();
    // Whatever its body may mean there.
    for (std::size_t i = Message::kHeaderSize; i < bytes.size(); ++i) {
      bytes[i] = std::byte{0xff};
    }
    const auto decoded = Message::Decode(bytes, kOurs);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->type, message.type);
    EXPECT_EQ(decoded->versions, message.versions);
    EXPECT_EQ(decoded->from, message.from);
    EXPECT_TRUE(decoded->handshake.empty());
  }
}

TEST(SignalingMessage, SaysGoodbyeInAnyVersion) {
  Message bye = OneOfEach()[5];
  bye.versions = {7, 9};
  bye.reason = ByeReason::kVersionMismatch;
  EXPECT_EQ(Message::Decode(bye.Encode(), kOurs), bye);
}

TEST(SignalingMessage, NeverReadsBeyondRandomBytes) {
  SeededRandom random(1);
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes(Message::kSize);
    random.Fill(bytes);
    bytes[0] = static_cast<std::byte>(1 + i % 6);
    bytes[1] = bytes[2] = std::byte{1};
    const auto message = Message::Decode(bytes, kOurs);
    if (!message.has_value()) continue;
    EXPECT_LE(message->handshake.size(), Message::kSize);
    EXPECT_LE(message->suites.size(), 16u);
  }
}

TEST(VersionRange, FindsTheHighestCommonVersion) {
  EXPECT_EQ((VersionRange{1, 1}.Common({1, 1})), 1);
  EXPECT_EQ((VersionRange{1, 4}.Common({3, 9})), 4);
  EXPECT_EQ((VersionRange{3, 9}.Common({1, 4})), 4);
  EXPECT_EQ((VersionRange{1, 2}.Common({3, 4})), std::nullopt);
  EXPECT_EQ((VersionRange{3, 4}.Common({1, 2})), std::nullopt);
}

std::vector<ice::Candidate> SomeCandidates() {
  ice::Candidate host;
  host.address = *SocketAddress::Parse("192.0.2.1:5000");
  host.priority = 0x01020304;
  ice::Candidate mapped;
  mapped.type = ice::CandidateType::kMapped;
  mapped.address = *SocketAddress::Parse("[2001:db8::1]:443");
  mapped.priority = 5;
  return {host, mapped};
}

TEST(Candidates, HaveTheBytesOfTheProtocol) {
  EXPECT_EQ(Hex(EncodeCandidates(SomeCandidates())),
            "02"
            "00"
            "04"
            "c0000201"
            "1388"
            "01020304"
            "03"
            "06"
            "20010db8000000000000000000000001"
            "01bb"
            "00000005");
}

TEST(Candidates, SurviveTheirEncoding) {
  for (const std::size_t count : {std::size_t{0}, ice::kMaxCandidates}) {
    const std::vector<ice::Candidate> sent(count, SomeCandidates()[1]);
    const Bytes bytes = EncodeCandidates(sent);
    ByteReader reader(bytes);
    EXPECT_EQ(DecodeCandidates(reader), sent);
    EXPECT_TRUE(reader.AtEnd());
  }
}

TEST(Candidates, AreRefusedWhenCutShortOrTooMany) {
  Bytes bytes = EncodeCandidates(SomeCandidates());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ByteReader reader(ByteSpan(bytes).first(size));
    EXPECT_TRUE(DecodeCandidates(reader).empty());
    EXPECT_FALSE(reader.ok());
  }
  bytes = Bytes(1 + 17 * 12);
  bytes[0] = std::byte{17};
  ByteReader reader(bytes);
  DecodeCandidates(reader);
  EXPECT_FALSE(reader.ok());
}

TEST(Candidates, LeaveOutWhatIsNeverSignalled) {
  std::vector<ice::Candidate> sent = SomeCandidates();
  sent[0].type = ice::CandidateType::kPeerReflexive;
  sent[1].address.port = 0;
  Bytes bytes = EncodeCandidates(sent);
  ByteReader reader(bytes);
  EXPECT_TRUE(DecodeCandidates(reader).empty());
  EXPECT_TRUE(reader.AtEnd());
  // A type that a later version may add.
  bytes = EncodeCandidates(SomeCandidates());
  bytes[1] = std::byte{9};
  ByteReader later(bytes);
  EXPECT_EQ(DecodeCandidates(later).size(), 1u);
}

}  // namespace
}  // namespace p2pcp::signaling
