#include "net/stun/message.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"

namespace p2pcp::stun {
namespace {

// Hexadecimal with blanks; "#" begins a comment.
Bytes FromHexText(const std::string& text) {
  std::string digits;
  bool comment = false;
  for (const char c : text) {
    if (c == '#') comment = true;
    if (c == '\n') comment = false;
    if (!comment && c != ' ' && c != '\n') digits += c;
  }
  return Unhex(digits);
}

Bytes Vector(const std::string& name) {
  std::ifstream file("testdata/rfc5769/" + name + ".txt");
  EXPECT_TRUE(file.is_open()) << name;
  return FromHexText(std::string(std::istreambuf_iterator<char>(file), {}));
}

Bytes EncodeToBytes(const Message& message) {
  Bytes out(kMaxMessageSize);
  out.resize(Encode(message, out));
  return out;
}

TransactionId Id(std::uint8_t first) {
  TransactionId id;
  for (std::size_t i = 0; i < id.size(); ++i) {
    id[i] = static_cast<std::byte>(first + i);
  }
  return id;
}

// A header with the right length, cookie and ID before `attributes`.
Bytes WithHeader(std::uint16_t type, const Bytes& attributes) {
  Bytes message(kHeaderSize);
  ByteWriter writer(message);
  writer.WriteU16(type);
  writer.WriteU16(static_cast<std::uint16_t>(attributes.size()));
  writer.WriteU32(kMagicCookie);
  writer.WriteBytes(Id(1));
  message.insert(message.end(), attributes.begin(), attributes.end());
  return message;
}

constexpr std::uint16_t kSuccessType = 0x0101;

// RFC 5769 section 2.1.
TEST(Rfc5769, SampleRequest) {
  const std::optional<Message> message = Parse(Vector("request"));
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->message_class, MessageClass::kRequest);
  EXPECT_EQ(message->method, kBinding);
  EXPECT_EQ(Hex(message->transaction_id), "b7e7a701bc34d686fa87dfae");
  EXPECT_TRUE(message->fingerprint);
  // PRIORITY is ICE's and must be understood; ICE-CONTROLLED need not be.
  EXPECT_EQ(std::vector<std::uint16_t>(message->not_understood.begin(),
                                       message->not_understood.end()),
            std::vector<std::uint16_t>{0x0024});
}

TEST(Rfc5769, SampleRequestSoftware) {
  const Bytes request = Vector("request");
  EXPECT_EQ(Parse(request)->software, "STUN test client");
}

// RFC 5769 section 2.2.
TEST(Rfc5769, SampleIpv4Response) {
  const Bytes response = Vector("response_ipv4");
  const std::optional<Message> message = Parse(response);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->message_class, MessageClass::kSuccessResponse);
  EXPECT_EQ(message->xor_mapped_address,
            SocketAddress::Parse("192.0.2.1:32853"));
  EXPECT_EQ(message->software, "test vector");
  EXPECT_TRUE(message->fingerprint);
  EXPECT_TRUE(message->not_understood.empty());
}

// RFC 5769 section 2.3.
TEST(Rfc5769, SampleIpv6Response) {
  const Bytes response = Vector("response_ipv6");
  const std::optional<Message> message = Parse(response);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(
      message->xor_mapped_address,
      SocketAddress::Parse("[2001:db8:1234:5678:11:2233:4455:6677]:32853"));
  EXPECT_EQ(message->software, "test vector");
  EXPECT_TRUE(message->fingerprint);
}

// RFC 5769 section 2.4.
TEST(Rfc5769, SampleRequestWithLongTermAuthentication) {
  const std::optional<Message> message = Parse(Vector("request_long_term"));
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->message_class, MessageClass::kRequest);
  EXPECT_FALSE(message->fingerprint);
  EXPECT_TRUE(message->not_understood.empty());
}

TEST(Rfc5769, NoTruncationParses) {
  for (const char* name :
       {"request", "response_ipv4", "response_ipv6", "request_long_term"}) {
    const Bytes whole = Vector(name);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      // A buffer of its own, so that ASan sees a read beyond it.
      Bytes cut = ToBytes(ByteSpan(whole).first(size));
      EXPECT_FALSE(Parse(cut).has_value()) << name << " cut to " << size;
      if (size < kHeaderSize) continue;
      // With the header's length made to fit: only a cut between attributes
      // leaves a message, and never one with a fingerprint.
      ByteWriter length(MutableByteSpan(cut).subspan(2, 2));
      length.WriteU16(static_cast<std::uint16_t>(size - kHeaderSize));
      const std::optional<Message> message = Parse(cut);
      if (message) {
        EXPECT_FALSE(message->fingerprint);
        EXPECT_EQ(size % 4, 0u);
      }
    }
    Bytes longer = whole;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(Parse(longer).has_value()) << name;
  }
}

// CRC-32 finds every single flipped bit, and so must Parse. (A flip in the
// header of an attribute may hide FINGERPRINT; it is then a message without.)
TEST(Rfc5769, NoFlippedBitPassesTheFingerprint) {
  const Bytes whole = Vector("response_ipv4");
  for (std::size_t i = 0; i < whole.size() * 8; ++i) {
    Bytes flipped = whole;
    flipped[i / 8] ^= std::byte{1} << (i % 8);
    const std::optional<Message> message = Parse(flipped);
    EXPECT_FALSE(message && message->fingerprint) << "bit " << i;
  }
}

TEST(Message, GoldenRequest) {
  Message message;
  message.transaction_id = Id(0x10);
  message.fingerprint = true;
  EXPECT_EQ(Hex(EncodeToBytes(message)),
            "0001"                      // Binding request
            "0008"                      // length
            "2112a442"                  // magic cookie
            "101112131415161718191a1b"  // transaction ID
            "80280004"                  // FINGERPRINT
            "1196d274");
}

TEST(Message, GoldenSuccessResponse) {
  Message message;
  message.message_class = MessageClass::kSuccessResponse;
  message.transaction_id = Id(0x10);
  message.xor_mapped_address = SocketAddress::Parse("192.0.2.1:32853");
  message.mapped_address = SocketAddress::Parse("192.0.2.1:32853");
  message.software = "p2pcp";
  EXPECT_EQ(Hex(EncodeToBytes(message)),
            "0101"                      // Binding success response
            "0024"                      // length
            "2112a442"                  // magic cookie
            "101112131415161718191a1b"  // transaction ID
            "80220005"
            "7032706370000000"  // SOFTWARE, padded
            "00200008"
            "0001a147e112a643"  // XOR-MAPPED-ADDRESS
            "00010008"
            "00018055c0000201"  // MAPPED-ADDRESS
  );
}

TEST(Message, GoldenErrorResponse) {
  Message message;
  message.message_class = MessageClass::kErrorResponse;
  message.transaction_id = Id(0x10);
  message.error = ErrorCode{kUnknownAttribute, "no"};
  message.unknown_attributes.Add(0x0003);
  EXPECT_EQ(Hex(EncodeToBytes(message)),
            "0111"                      // Binding error response
            "0014"                      // length
            "2112a442"                  // magic cookie
            "101112131415161718191a1b"  // transaction ID
            "00090006"
            "000004146e6f0000"  // ERROR-CODE 420 "no", padded
            "000a0002"
            "00030000"  // UNKNOWN-ATTRIBUTES
  );
}

TEST(Message, RoundTrip) {
  SeededRandom random(7);
  const std::string text(763, 'x');
  for (int i = 0; i < 3000; ++i) {
    Message message;
    message.message_class = static_cast<MessageClass>(random.Below(4));
    message.method = static_cast<std::uint16_t>(random.Below(0x100));
    random.Fill(message.transaction_id);
    const auto address = [&random]() -> std::optional<SocketAddress> {
      if (random.Below(3) == 0) return std::nullopt;
      const auto port = static_cast<std::uint16_t>(random.Below(65536));
      const auto ip = random.Array<16>();
      return SocketAddress{*IpAddress::FromBytes(ByteSpan(ip).first(
                               random.Below(2) == 0 ? 4 : 16)),
                           port};
    };
    message.xor_mapped_address = address();
    message.mapped_address = address();
    if (random.Below(2) == 0) {
      message.error =
          ErrorCode{static_cast<int>(300 + random.Below(400)),
                    std::string_view(text).substr(0, random.Below(100))};
    }
    for (std::uint64_t n = random.Below(AttributeTypes::kCapacity + 3); n > 0;
         --n) {
      message.unknown_attributes.Add(
          static_cast<std::uint16_t>(random.NextU64()));
    }
    message.software = std::string_view(text).substr(
        0, random.Below(10) == 0 ? 763 : random.Below(20));
    message.fingerprint = random.Below(2) == 0;

    const Bytes bytes = EncodeToBytes(message);
    ASSERT_GE(bytes.size(), kHeaderSize);
    EXPECT_EQ(bytes.size() % 4, 0u);
    const std::optional<Message> parsed = Parse(bytes);
    ASSERT_TRUE(parsed.has_value()) << Hex(bytes);
    EXPECT_EQ(*parsed, message) << Hex(bytes);
    // Nothing is written where it does not fit.
    Bytes small(random.Below(bytes.size()));
    EXPECT_EQ(Encode(message, small), 0u);
  }
}

// RFC 8489 section 5, figure 3.
TEST(Message, MessageTypesInterleaveClassAndMethod) {
  const struct {
    MessageClass message_class;
    std::uint16_t method;
    const char* type;
  } kCases[] = {
      {MessageClass::kRequest, kBinding, "0001"},
      {MessageClass::kIndication, kBinding, "0011"},
      {MessageClass::kSuccessResponse, kBinding, "0101"},
      {MessageClass::kErrorResponse, kBinding, "0111"},
      {MessageClass::kRequest, 0x003, "0003"},        // Allocate (TURN)
      {MessageClass::kErrorResponse, 0x004, "0114"},  // Refresh (TURN)
      {MessageClass::kErrorResponse, 0x0ff, "03ff"},
      {MessageClass::kRequest, 0x080, "0200"},
      {MessageClass::kRequest, 0x010, "0020"},
  };
  for (const auto& item : kCases) {
    Message message;
    message.message_class = item.message_class;
    message.method = item.method;
    const Bytes bytes = EncodeToBytes(message);
    EXPECT_EQ(Hex(bytes).substr(0, 4), item.type);
  }
}

TEST(Message, RefusesMalformedAttributes) {
  const char* kMalformed[] = {
      "0020",                    // half a header
      "00200008",                // no value
      "002000080001a147e112a6",  // cut value
      "00200009"
      "0001a147e112a64300000000",  // a byte too many for IPv4
      "00200008"
      "0002a147e112a643",  // IPv6 with four bytes
      "00200008"
      "0003a147e112a643",  // family 3
      "00200004"
      "0001a147",  // no address
      "00010000",  // empty MAPPED-ADDRESS
      "00090003"
      "00000400",  // ERROR-CODE too short
      "00090004"
      "00000264",  // class 2
      "00090004"
      "00000764",  // class 7
      "00090004"
      "00000464",  // number 100
      "000a0001"
      "00000000",  // half an attribute type
      "80220005"
      "70327063"
      "7000",  // padding cut off
      "80280004"
      "00000000",  // wrong FINGERPRINT
      "80280002"
      "0000"
      "0000",  // short FINGERPRINT
      "8022ffff"
      "00000000",  // length beyond the message
  };
  for (const char* attribute : kMalformed) {
    EXPECT_FALSE(Parse(WithHeader(kSuccessType, Unhex(attribute))).has_value())
        << attribute;
  }
}

TEST(Message, FingerprintMustBeLast) {
  Message message;
  message.fingerprint = true;
  message.transaction_id = Id(1);
  Bytes bytes = EncodeToBytes(message);
  const Bytes more = Unhex("80220000");
  bytes.insert(bytes.end(), more.begin(), more.end());
  ByteWriter length(MutableByteSpan(bytes).subspan(2, 2));
  length.WriteU16(static_cast<std::uint16_t>(bytes.size() - kHeaderSize));
  EXPECT_FALSE(Parse(bytes).has_value());
}

// RFC 8489 section 14: "only the first occurrence needs to be processed".
TEST(Message, TheFirstOfTwoCounts) {
  const Bytes bytes = WithHeader(kSuccessType, Unhex("00010008"
                                                     "00010001c0000201"
                                                     "00010008"
                                                     "00010002c0000202"));
  EXPECT_EQ(Parse(bytes)->mapped_address, SocketAddress::Parse("192.0.2.1:1"));
}

// RFC 8489 section 14.5: an attacker could append them.
TEST(Message, IgnoresWhatFollowsMessageIntegrity) {
  const std::string integrity = "00080014" + std::string(40, '0');
  const Bytes bytes =
      WithHeader(kSuccessType, Unhex(integrity + "00010008"
                                                 "00010001c0000201"
                                                 "00030000"));
  const std::optional<Message> message = Parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_FALSE(message->mapped_address.has_value());
  EXPECT_TRUE(message->not_understood.empty());
}

TEST(Message, ListsWhatMustBeUnderstoodAndIsNot) {
  const Bytes bytes =
      WithHeader(0x0001, Unhex("00020004"
                               "00000000"  // RESPONSE-ADDRESS of RFC 3489
                               "7fff0000"  // the last required one
                               "80000000"
                               "ffff0000"  // optional ones
                               "00060001"
                               "61000000"  // USERNAME
                               ));
  const std::optional<Message> message = Parse(bytes);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(std::vector<std::uint16_t>(message->not_understood.begin(),
                                       message->not_understood.end()),
            (std::vector<std::uint16_t>{0x0002, 0x7fff}));
}

// RFC 5780 sections 7.2 and 7.4.
TEST(Message, AsksForAnAnswerFromElsewhereAndHearsFromWhere) {
  for (const auto& [change, flags] :
       {std::pair(ChangeRequest{.ip = true, .port = true}, "00000006"),
        std::pair(ChangeRequest{.ip = true, .port = false}, "00000004"),
        std::pair(ChangeRequest{.ip = false, .port = true}, "00000002")}) {
    const Bytes request =
        WithHeader(0x0001, Unhex(std::string("00030004") + flags));
    const std::optional<Message> message = Parse(request);
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->change_request, change);
    EXPECT_TRUE(message->not_understood.empty());
    std::array<std::byte, 64> out;
    const std::size_t size = Encode(*message, out);
    EXPECT_EQ(ToBytes(ByteSpan(out).first(size)), request);
  }
  // One that has another size is not understood.
  EXPECT_EQ(Parse(WithHeader(0x0001, Unhex("00030000")))->not_understood.size(),
            1u);

  const Bytes response = WithHeader(0x0101, Unhex("802c0008"
                                                  "00010d97"
                                                  "c6336402"));
  const std::optional<Message> message = Parse(response);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->other_address, SocketAddress::Parse("198.51.100.2:3479"));
  std::array<std::byte, 64> out;
  const std::size_t size = Encode(*message, out);
  EXPECT_EQ(ToBytes(ByteSpan(out).first(size)), response);
  // Nobody depends on it.
  const auto broken = Parse(WithHeader(0x0101, Unhex("802c0004"
                                                     "00010d97")));
  ASSERT_TRUE(broken.has_value());
  EXPECT_FALSE(broken->other_address.has_value());
}

TEST(Message, TheListOfUnknownAttributesIsBounded) {
  Bytes attributes;
  for (int i = 0; i < 200; ++i) {
    const Bytes attribute = Unhex("00030000");
    attributes.insert(attributes.end(), attribute.begin(), attribute.end());
  }
  const std::optional<Message> message = Parse(WithHeader(0x0001, attributes));
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->not_understood.size(), AttributeTypes::kCapacity);
}

TEST(Message, RefusesWhatIsLongerThanAnyBindingMessage) {
  EXPECT_TRUE(Parse(WithHeader(kSuccessType, Unhex("c0010000"))).has_value());
  Bytes attributes;
  while (attributes.size() + kHeaderSize <= kMaxMessageSize) {
    const Bytes attribute = Unhex("c0010000");
    attributes.insert(attributes.end(), attribute.begin(), attribute.end());
  }
  EXPECT_FALSE(Parse(WithHeader(kSuccessType, attributes)).has_value());
}

TEST(IsStunMessage, NeedsTypeBelowFourCookieAndAHeader) {
  const Bytes message = WithHeader(0x0001, {});
  EXPECT_TRUE(IsStunMessage(message));
  for (std::size_t size = 0; size < kHeaderSize; ++size) {
    EXPECT_FALSE(IsStunMessage(ByteSpan(message).first(size)));
  }
  for (int first = 0; first < 256; ++first) {
    Bytes other = message;
    other[0] = static_cast<std::byte>(first);
    EXPECT_EQ(IsStunMessage(other), first < 4);
  }
  for (std::size_t i = 4; i < 8; ++i) {
    Bytes other = message;
    other[i] ^= std::byte{1};
    EXPECT_FALSE(IsStunMessage(other));
  }
}

TEST(Parse, SurvivesRandomBytes) {
  SeededRandom random(11);
  for (int i = 0; i < 20000; ++i) {
    Bytes attributes(random.Below(120) & ~std::uint64_t{3});
    random.Fill(attributes);
    // Types and lengths that occur, so that the parser gets far.
    for (std::size_t at = 0; at + 4 <= attributes.size();) {
      static constexpr std::uint16_t kTypes[] = {
          1, 6, 8, 9, 0x0a, 0x20, 0x1c, 3, 0x8022, 0x8028, 0xc001};
      ByteWriter header(MutableByteSpan(attributes).subspan(at, 4));
      const std::size_t size = random.Below(24);
      header.WriteU16(kTypes[random.Below(std::size(kTypes))]);
      header.WriteU16(static_cast<std::uint16_t>(size));
      at += 4 + (size + 3) / 4 * 4;
    }
    const Bytes bytes = WithHeader(
        static_cast<std::uint16_t>(random.Below(0x4000)), attributes);
    const std::optional<Message> message = Parse(bytes);
    if (!message) continue;
    // What was understood survives a round trip.
    Message again = *message;
    again.not_understood = {};
    const Bytes encoded = EncodeToBytes(again);
    EXPECT_EQ(Parse(encoded), again);
  }
}

}  // namespace
}  // namespace p2pcp::stun
