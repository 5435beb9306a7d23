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
#include "net/ice/nat.h"
#include "net/ice/port_model.h"

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

// --- The NAT ---

ice::Nat SomeNat() {
  ice::Nat nat;
  nat.mapping = ice::Dependence::kAddressAndPortDependent;
  nat.filtering = ice::Dependence::kAddressDependent;
  nat.reading = 7;
  nat.ports = {.allocation = ice::PortAllocation::kSequential,
               .last = 20017,
               .step = -2};
  nat.external = {*IpAddress::Parse("203.0.113.7"),
                  *IpAddress::Parse("203.0.113.8")};
  return nat;
}

ice::Nat Decoded(ByteSpan bytes, bool* ok) {
  ByteReader reader(bytes);
  ice::Nat nat = DecodeNat(reader);
  *ok = reader.AtEnd();
  return nat;
}

TEST(NatCodec, RoundTripsAndHasTheseBytes) {
  const Bytes bytes = EncodeNat(SomeNat());
  const std::vector<int> golden = {0,    17,   3,    2,   7,   2, 0x4e,
                                   0x31, 0xff, 0xfe, 2,   203, 0, 113,
                                   7,    203,  0,    113, 8};
  ASSERT_EQ(bytes.size(), golden.size());
  for (std::size_t i = 0; i < golden.size(); ++i) {
    EXPECT_EQ(std::to_integer<int>(bytes[i]), golden[i]) << i;
  }
  bool ok = false;
  EXPECT_EQ(Decoded(bytes, &ok), SomeNat());
  EXPECT_TRUE(ok);
  ice::Nat block;
  block.ports = {
      .allocation = ice::PortAllocation::kBlock, .low = 30720, .high = 31231};
  EXPECT_EQ(Decoded(EncodeNat(block), &ok), block);
  EXPECT_TRUE(ok);
}

TEST(NatCodec, RefusesWhatIsCutOff) {
  const Bytes bytes = EncodeNat(SomeNat());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    bool ok = true;
    EXPECT_EQ(Decoded(ByteSpan(bytes).first(size), &ok), ice::Nat()) << size;
    EXPECT_FALSE(ok) << size;
  }
  // The length is right and the content is not.
  Bytes shorter = bytes;
  shorter.pop_back();
  shorter[1] = std::byte{16};
  bool ok = true;
  EXPECT_EQ(Decoded(shorter, &ok), ice::Nat());
  EXPECT_FALSE(ok);
}

TEST(NatCodec, TakesWhatItDoesNotKnowForUnknown) {
  Bytes bytes = EncodeNat(SomeNat());
  bytes[2] = std::byte{9};   // mapping
  bytes[5] = std::byte{77};  // allocation
  bytes[1] = std::byte{18};  // One byte more, of a later version.
  bytes.push_back(std::byte{1});
  bool ok = false;
  const ice::Nat nat = Decoded(bytes, &ok);
  EXPECT_TRUE(ok);
  EXPECT_EQ(nat.mapping, ice::Dependence::kUnknown);
  EXPECT_EQ(nat.ports, ice::PortModel());
  EXPECT_EQ(nat.external.size(), 2u);
  EXPECT_EQ(Decoded(Bytes(2), &ok), ice::Nat());
  EXPECT_TRUE(ok);
}

TEST(NatCodec, TakesNonsenseForUnknown) {
  bool ok = false;
  ice::Nat nat = SomeNat();
  nat.ports.step = 0;
  EXPECT_EQ(Decoded(EncodeNat(nat), &ok).ports, ice::PortModel());
  nat.ports.step = -32768;
  EXPECT_EQ(Decoded(EncodeNat(nat), &ok).ports, ice::PortModel());
  nat.ports = {
      .allocation = ice::PortAllocation::kBlock, .low = 2000, .high = 1000};
  EXPECT_EQ(Decoded(EncodeNat(nat), &ok).ports, ice::PortModel());
}

}  // namespace
}  // namespace p2pcp::signaling
