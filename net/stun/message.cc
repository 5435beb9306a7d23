#include "net/stun/message.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::stun {
namespace {

// RFC 8489 section 18.3.
constexpr std::uint16_t kMappedAddress = 0x0001;
constexpr std::uint16_t kUsername = 0x0006;
constexpr std::uint16_t kMessageIntegrity = 0x0008;
constexpr std::uint16_t kErrorCode = 0x0009;
constexpr std::uint16_t kUnknownAttributes = 0x000A;
constexpr std::uint16_t kRealm = 0x0014;
constexpr std::uint16_t kNonce = 0x0015;
constexpr std::uint16_t kMessageIntegritySha256 = 0x001C;
constexpr std::uint16_t kPasswordAlgorithm = 0x001D;
constexpr std::uint16_t kUserhash = 0x001E;
constexpr std::uint16_t kXorMappedAddress = 0x0020;
constexpr std::uint16_t kSoftware = 0x8022;
constexpr std::uint16_t kOtherAddress = 0x802C;  // RFC 5780 section 9.1.
constexpr std::uint16_t kFingerprint = 0x8028;

// Types below this one must be understood (RFC 8489 section 14).
constexpr std::uint16_t kComprehensionOptional = 0x8000;

// RFC 5780 section 7.2.
constexpr std::uint32_t kChangeIp = 4;
constexpr std::uint32_t kChangePort = 2;

constexpr std::uint8_t kFamilyV4 = 1;
constexpr std::uint8_t kFamilyV6 = 2;

// RFC 8489 sections 14.8 and 14.14: below 128 characters, that is 763 bytes.
constexpr std::size_t kMaxTextSize = 763;

constexpr std::size_t kAttributeHeaderSize = 4;
constexpr std::size_t kFingerprintSize = kAttributeHeaderSize + 4;

// RFC 8489 section 14.7: "STUN" in ASCII.
constexpr std::uint32_t kFingerprintXor = 0x5354554E;

// The CRC-32 of ITU V.42 (and zlib), as section 14.7 demands, bit by bit: a
// STUN message is short and rare.
std::uint32_t Crc32(std::uint32_t crc, ByteSpan bytes) {
  crc = ~crc;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) {
      crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
    }
  }
  return ~crc;
}

// RFC 8489 section 5, figure 3: the class's two bits stand among the method's.
std::uint16_t EncodeType(MessageClass message_class, std::uint16_t method) {
  const auto c = static_cast<std::uint16_t>(message_class);
  return static_cast<std::uint16_t>((method & 0x000F) | (method & 0x0070) << 1 |
                                    (method & 0x0F80) << 2 | (c & 1) << 4 |
                                    (c & 2) << 7);
}

MessageClass DecodeClass(std::uint16_t type) {
  return static_cast<MessageClass>((type >> 4 & 1) | (type >> 7 & 2));
}

std::uint16_t DecodeMethod(std::uint16_t type) {
  return static_cast<std::uint16_t>((type & 0x000F) | (type >> 1 & 0x0070) |
                                    (type >> 2 & 0x0F80));
}

std::size_t Padding(std::size_t size) { return (4 - size % 4) % 4; }

// What addresses are XORed with (RFC 8489 section 14.2): the cookie, then the
// transaction ID; zeros for MAPPED-ADDRESS.
using Mask = std::array<std::uint8_t, 16>;

Mask XorMask(const TransactionId& id) {
  Mask mask;
  for (int i = 0; i < 4; ++i) {
    mask[i] = static_cast<std::uint8_t>(kMagicCookie >> (24 - 8 * i));
  }
  std::transform(id.begin(), id.end(), mask.begin() + 4,
                 [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
  return mask;
}

std::uint16_t PortMask(const Mask& mask) {
  return static_cast<std::uint16_t>(mask[0] << 8 | mask[1]);
}

std::optional<SocketAddress> ReadAddress(ByteSpan value, const Mask& mask) {
  ByteReader reader(value);
  reader.ReadU8();  // Reserved.
  const std::uint8_t family = reader.ReadU8();
  const std::uint16_t port = reader.ReadU16() ^ PortMask(mask);
  if (reader.remaining() != (family == kFamilyV4   ? 4u
                             : family == kFamilyV6 ? 16u
                                                   : ~0u)) {
    return std::nullopt;
  }
  std::array<std::byte, 16> ip;
  const ByteSpan masked = reader.rest();
  for (std::size_t i = 0; i < masked.size(); ++i) {
    ip[i] = masked[i] ^ std::byte{mask[i]};
  }
  const std::optional<IpAddress> address =
      IpAddress::FromBytes(ByteSpan(ip).first(masked.size()));
  if (!reader.ok() || !address) return std::nullopt;
  return SocketAddress{*address, port, 0};
}

std::optional<ErrorCode> ReadErrorCode(ByteSpan value) {
  ByteReader reader(value);
  reader.ReadU16();  // Reserved.
  const int hundreds = reader.ReadU8() & 7;
  const int number = reader.ReadU8();
  if (!reader.ok() || hundreds < 3 || hundreds > 6 || number > 99 ||
      reader.remaining() > kMaxTextSize) {
    return std::nullopt;
  }
  return ErrorCode{hundreds * 100 + number, AsText(reader.rest())};
}

class Writer {
 public:
  explicit Writer(MutableByteSpan out) : out_(out), bytes_(out) {}

  void Header(const Message& message) {
    bytes_.WriteU16(EncodeType(message.message_class, message.method));
    bytes_.WriteU16(0);  // The length, see Finish.
    bytes_.WriteU32(kMagicCookie);
    bytes_.WriteBytes(message.transaction_id);
  }

  void Address(std::uint16_t type, const SocketAddress& address,
               const Mask& mask) {
    const ByteSpan ip = address.ip.bytes();
    AttributeHeader(type, 4 + ip.size());
    bytes_.WriteU8(0);
    bytes_.WriteU8(address.ip.is_v6() ? kFamilyV6 : kFamilyV4);
    bytes_.WriteU16(address.port ^ PortMask(mask));
    for (std::size_t i = 0; i < ip.size(); ++i) {
      bytes_.WriteU8(std::to_integer<std::uint8_t>(ip[i]) ^ mask[i]);
    }
  }

  void Error(const ErrorCode& error) {
    P2PCP_CHECK(error.code >= 300 && error.code <= 699);
    P2PCP_CHECK(error.reason.size() <= kMaxTextSize);
    AttributeHeader(kErrorCode, 4 + error.reason.size());
    bytes_.WriteU16(0);
    bytes_.WriteU8(static_cast<std::uint8_t>(error.code / 100));
    bytes_.WriteU8(static_cast<std::uint8_t>(error.code % 100));
    bytes_.WriteBytes(AsBytes(error.reason));
    Pad(error.reason.size());
  }

  void Unknown(const AttributeTypes& types) {
    AttributeHeader(kUnknownAttributes, 2 * types.size());
    for (const std::uint16_t type : types) bytes_.WriteU16(type);
    Pad(2 * types.size());
  }

  void Change(const ChangeRequest& change) {
    AttributeHeader(kChangeRequest, 4);
    bytes_.WriteU32((change.ip ? kChangeIp : 0) |
                    (change.port ? kChangePort : 0));
  }

  void Software(std::string_view software) {
    P2PCP_CHECK(software.size() <= kMaxTextSize);
    AttributeHeader(kSoftware, software.size());
    bytes_.WriteBytes(AsBytes(software));
    Pad(software.size());
  }

  // The size of the message, 0 if it did not fit.
  std::size_t Finish(bool fingerprint) {
    if (fingerprint) {
      // The checksum covers the length of the message with FINGERPRINT.
      SetLength(bytes_.size() + kFingerprintSize);
      AttributeHeader(kFingerprint, 4);
      if (!bytes_.ok()) return 0;
      const ByteSpan covered =
          bytes_.written().first(bytes_.size() - kAttributeHeaderSize);
      bytes_.WriteU32(Crc32(0, covered) ^ kFingerprintXor);
    }
    if (!bytes_.ok()) return 0;
    SetLength(bytes_.size());
    return bytes_.size();
  }

 private:
  void AttributeHeader(std::uint16_t type, std::size_t size) {
    bytes_.WriteU16(type);
    bytes_.WriteU16(static_cast<std::uint16_t>(size));
  }
  void Pad(std::size_t size) {
    for (std::size_t i = 0; i < Padding(size); ++i) bytes_.WriteU8(0);
  }
  void SetLength(std::size_t message_size) {
    if (!bytes_.ok()) return;
    ByteWriter length(out_.subspan(2, 2));
    length.WriteU16(static_cast<std::uint16_t>(message_size - kHeaderSize));
  }

  MutableByteSpan out_;
  ByteWriter bytes_;
};

}  // namespace

bool IsStunMessage(ByteSpan datagram) {
  // Of every datagram; most are packets, whose first byte is larger.
  if (datagram.size() < kHeaderSize ||
      datagram[0] >= std::byte{kFirstByteBelow}) {
    return false;
  }
  ByteReader reader(datagram.subspan(4));
  return reader.ReadU32() == kMagicCookie;
}

std::optional<Message> Parse(ByteSpan datagram) {
  if (!IsStunMessage(datagram) || datagram.size() > kMaxMessageSize) {
    return std::nullopt;
  }
  Message message;
  ByteReader reader(datagram);
  const std::uint16_t type = reader.ReadU16();
  message.message_class = DecodeClass(type);
  message.method = DecodeMethod(type);
  if (reader.ReadU16() != datagram.size() - kHeaderSize) return std::nullopt;
  reader.ReadU32();  // The cookie.
  CopyBytes(reader.ReadBytes(message.transaction_id.size()),
            message.transaction_id);

  const Mask mask = XorMask(message.transaction_id);
  bool after_integrity = false;
  while (reader.remaining() > 0) {
    // All before it, which a fingerprint covers.
    const ByteSpan before =
        datagram.first(datagram.size() - reader.remaining());
    const std::uint16_t attribute = reader.ReadU16();
    const ByteSpan value = reader.ReadBytes(reader.ReadU16());
    reader.ReadBytes(Padding(value.size()));
    if (!reader.ok()) return std::nullopt;

    if (attribute == kFingerprint) {
      ByteReader crc(value);
      const std::uint32_t expected = Crc32(0, before) ^ kFingerprintXor;
      if (crc.ReadU32() != expected || !crc.AtEnd() || !reader.AtEnd()) {
        return std::nullopt;
      }
      message.fingerprint = true;
      continue;
    }
    if (after_integrity) continue;
    if (attribute == kChangeRequest && value.size() == 4) {
      if (message.change_request) continue;
      const std::uint32_t flags = ByteReader(value).ReadU32();
      message.change_request = {.ip = (flags & kChangeIp) != 0,
                                .port = (flags & kChangePort) != 0};
      continue;
    }
    switch (attribute) {
      case kXorMappedAddress:
        if (message.xor_mapped_address) break;
        message.xor_mapped_address = ReadAddress(value, mask);
        if (!message.xor_mapped_address) return std::nullopt;
        break;
      case kMappedAddress:
        if (message.mapped_address) break;
        message.mapped_address = ReadAddress(value, Mask{});
        if (!message.mapped_address) return std::nullopt;
        break;
      case kErrorCode:
        if (message.error) break;
        message.error = ReadErrorCode(value);
        if (!message.error) return std::nullopt;
        break;
      case kUnknownAttributes: {
        if (!message.unknown_attributes.empty()) break;
        if (value.size() % 2 != 0) return std::nullopt;
        ByteReader types(value);
        while (types.remaining() > 0) {
          message.unknown_attributes.Add(types.ReadU16());
        }
        break;
      }
      case kOtherAddress:
        if (!message.other_address) {
          message.other_address = ReadAddress(value, Mask{});
        }
        break;
      case kSoftware:
        if (value.size() > kMaxTextSize) return std::nullopt;
        if (message.software.empty()) message.software = AsText(value);
        break;
      case kMessageIntegrity:
      case kMessageIntegritySha256:
        after_integrity = true;
        break;
      case kUsername:
      case kRealm:
      case kNonce:
      case kPasswordAlgorithm:
      case kUserhash:
        break;
      default:
        if (attribute < kComprehensionOptional) {
          message.not_understood.Add(attribute);
        }
        break;
    }
  }
  return message;
}

std::size_t Encode(const Message& message, MutableByteSpan out) {
  P2PCP_CHECK(message.method < 0x100);
  Writer writer(out);
  writer.Header(message);
  if (!message.software.empty()) writer.Software(message.software);
  if (message.change_request) writer.Change(*message.change_request);
  if (message.error) writer.Error(*message.error);
  if (!message.unknown_attributes.empty()) {
    writer.Unknown(message.unknown_attributes);
  }
  if (message.xor_mapped_address) {
    writer.Address(kXorMappedAddress, *message.xor_mapped_address,
                   XorMask(message.transaction_id));
  }
  if (message.mapped_address) {
    writer.Address(kMappedAddress, *message.mapped_address, Mask{});
  }
  if (message.other_address) {
    writer.Address(kOtherAddress, *message.other_address, Mask{});
  }
  return writer.Finish(message.fingerprint);
}

}  // namespace p2pcp::stun
