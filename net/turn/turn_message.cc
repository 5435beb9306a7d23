#include "net/turn/turn_message.h"

#include <algorithm>
#include <cstring>

#include "net/base/check.h"

namespace p2pcp::turn {
namespace {

constexpr std::uint32_t kMagicCookie = 0x2112a442;
// RFC 8656 section 18 and RFC 8489 section 18.3.
enum Attribute : std::uint16_t {
  kUsername = 0x0006,
  kMessageIntegrity = 0x0008,
  kErrorCode = 0x0009,
  kChannelNumber = 0x000c,
  kLifetime = 0x000d,
  kXorPeerAddress = 0x0012,
  kData = 0x0013,
  kRealm = 0x0014,
  kNonce = 0x0015,
  kXorRelayedAddress = 0x0016,
  kRequestedTransport = 0x0019,
  kXorMappedAddress = 0x0020,
};
constexpr std::uint32_t kUdp = std::uint32_t{17} << 24;
constexpr std::uint8_t kFamily4 = 1;
constexpr std::uint8_t kFamily6 = 2;
constexpr std::size_t kMacAttributeSize =
    4 + std::tuple_size_v<crypto::TurnMac>;

std::size_t Padded(std::size_t size) { return (size + 3) / 4 * 4; }

// Cookie and transaction id: what addresses are masked with.
std::array<std::byte, 16> Mask(const TransactionId& id) {
  std::array<std::byte, 16> mask;
  ByteWriter writer(mask);
  writer.WriteU32(kMagicCookie);
  writer.WriteBytes(id);
  return mask;
}

// Writes a message; its length is filled in at the end.
class MessageWriter {
 public:
  MessageWriter(Method method, Class message_class, const TransactionId& id,
                MutableByteSpan out)
      : out_(out), writer_(out), id_(id) {
    writer_.WriteU16(static_cast<std::uint16_t>(
        static_cast<unsigned>(method) | static_cast<unsigned>(message_class)));
    writer_.WriteU16(0);
    writer_.WriteU32(kMagicCookie);
    writer_.WriteBytes(id);
  }

  void Add(Attribute type, ByteSpan value) {
    writer_.WriteU16(type);
    writer_.WriteU16(static_cast<std::uint16_t>(value.size()));
    writer_.WriteBytes(value);
    for (std::size_t i = value.size(); i % 4 != 0; ++i) writer_.WriteU8(0);
  }
  void AddU32(Attribute type, std::uint32_t value) {
    std::array<std::byte, 4> bytes;
    ByteWriter(bytes).WriteU32(value);
    Add(type, bytes);
  }
  void AddAddress(Attribute type, const SocketAddress& address) {
    std::array<std::byte, 20> value;
    ByteWriter writer(value);
    writer.WriteU8(0);
    writer.WriteU8(address.ip.is_v6() ? kFamily6 : kFamily4);
    writer.WriteU16(address.port ^ (kMagicCookie >> 16));
    const auto mask = Mask(id_);
    const ByteSpan ip = address.ip.bytes();
    for (std::size_t i = 0; i < ip.size(); ++i) {
      writer.WriteU8(std::to_integer<std::uint8_t>(ip[i] ^ mask[i]));
    }
    Add(type, ByteSpan(value).first(writer.size()));
  }
  void AddIntegrity(const crypto::TurnKey& key) {
    // The length counts the attribute; the MAC covers what stands before it.
    SetLength(writer_.size() + kMacAttributeSize);
    Add(kMessageIntegrity,
        crypto::MakeTurnMac(key, ByteSpan(out_).first(writer_.size())));
  }
  // 0 if there was not enough room.
  std::size_t Finish() {
    if (!writer_.ok()) return 0;
    SetLength(writer_.size());
    return writer_.size();
  }

 private:
  void SetLength(std::size_t size) {
    if (!writer_.ok()) return;
    ByteWriter(out_.subspan(2, 2))
        .WriteU16(static_cast<std::uint16_t>(size - kHeaderSize));
  }

  MutableByteSpan out_;
  ByteWriter writer_;
  TransactionId id_;
};

std::optional<SocketAddress> ReadAddress(ByteSpan value,
                                         const TransactionId& id) {
  ByteReader reader(value);
  reader.ReadU8();
  const std::uint8_t family = reader.ReadU8();
  const auto port =
      static_cast<std::uint16_t>(reader.ReadU16() ^ (kMagicCookie >> 16));
  const std::size_t size = family == kFamily6 ? 16 : 4;
  if (family != kFamily4 && family != kFamily6) return std::nullopt;
  const ByteSpan masked = reader.ReadBytes(size);
  if (!reader.AtEnd()) return std::nullopt;
  std::array<std::byte, 16> bytes;
  const auto mask = Mask(id);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = masked[i] ^ mask[i];
  const auto ip = IpAddress::FromBytes(ByteSpan(bytes).first(size));
  if (!ip || port == 0) return std::nullopt;
  return SocketAddress{*ip, port, 0};
}

}  // namespace

std::size_t WriteRequest(const Request& request, MutableByteSpan out) {
  P2PCP_CHECK(request.user.size() <= kMaxRealm &&
              request.realm.size() <= kMaxRealm &&
              request.nonce.size() <= kMaxNonce);
  MessageWriter writer(request.method, Class::kRequest, request.id, out);
  if (request.method == Method::kAllocate) {
    writer.AddU32(kRequestedTransport, kUdp);
  }
  if (request.lifetime) writer.AddU32(kLifetime, *request.lifetime);
  if (request.channel) {
    writer.AddU32(kChannelNumber, std::uint32_t{*request.channel} << 16);
  }
  if (request.peer) writer.AddAddress(kXorPeerAddress, *request.peer);
  if (request.key) {
    writer.Add(kUsername, AsBytes(request.user));
    writer.Add(kRealm, AsBytes(request.realm));
    writer.Add(kNonce, AsBytes(request.nonce));
    writer.AddIntegrity(*request.key);
  }
  const std::size_t size = writer.Finish();
  P2PCP_CHECK(size > 0);
  return size;
}

std::size_t WriteSendIndication(const TransactionId& id,
                                const SocketAddress& peer, ByteSpan data,
                                MutableByteSpan out) {
  MessageWriter writer(Method::kSend, Class::kIndication, id, out);
  writer.AddAddress(kXorPeerAddress, peer);
  writer.Add(kData, data);
  return writer.Finish();
}

std::size_t WriteChannelData(std::uint16_t channel, ByteSpan data, bool padded,
                             MutableByteSpan out) {
  ByteWriter writer(out);
  writer.WriteU16(channel);
  writer.WriteU16(static_cast<std::uint16_t>(data.size()));
  writer.WriteBytes(data);
  for (std::size_t i = data.size(); padded && i % 4 != 0; ++i) {
    writer.WriteU8(0);
  }
  P2PCP_CHECK(writer.ok() && data.size() <= 0xffff);
  return writer.size();
}

std::optional<Response> ReadMessage(ByteSpan message) {
  ByteReader reader(message);
  Response response;
  const std::uint16_t type = reader.ReadU16();
  const std::uint16_t length = reader.ReadU16();
  if (reader.ReadU32() != kMagicCookie) return std::nullopt;
  const ByteSpan id = reader.ReadBytes(response.id.size());
  if (!reader.ok() || (type & 0xc000) != 0 || length % 4 != 0 ||
      length != reader.remaining()) {
    return std::nullopt;
  }
  std::ranges::copy(id, response.id.begin());
  response.message_class = static_cast<Class>(type & 0x110);
  response.method = static_cast<Method>(type & ~0x110);
  while (reader.remaining() > 0) {
    const std::uint16_t attribute = reader.ReadU16();
    const std::uint16_t size = reader.ReadU16();
    const ByteSpan value = reader.ReadBytes(size);
    reader.ReadBytes(Padded(size) - size);
    if (!reader.ok()) return std::nullopt;
    switch (attribute) {
      case kErrorCode:
        if (value.size() < 4) return std::nullopt;
        response.error = (std::to_integer<int>(value[2]) & 7) * 100 +
                         std::to_integer<int>(value[3]);
        response.reason = AsText(value.subspan(4));
        break;
      case kRealm:
        if (size <= kMaxRealm) response.realm = AsText(value);
        break;
      case kNonce:
        if (size <= kMaxNonce) response.nonce = AsText(value);
        break;
      case kLifetime: {
        ByteReader number(value);
        response.lifetime = number.ReadU32();
        if (!number.AtEnd()) return std::nullopt;
        break;
      }
      case kXorRelayedAddress:
        response.relayed = ReadAddress(value, response.id);
        break;
      case kXorMappedAddress:
        response.mapped = ReadAddress(value, response.id);
        break;
      case kXorPeerAddress:
        response.peer = ReadAddress(value, response.id);
        break;
      case kData:
        response.data = value;
        break;
      default:
        break;
    }
  }
  return response;
}

std::optional<ChannelData> ReadChannelData(ByteSpan message) {
  ByteReader reader(message);
  ChannelData result;
  result.channel = reader.ReadU16();
  const std::uint16_t size = reader.ReadU16();
  if (!reader.ok() || result.channel < kMinChannel ||
      result.channel > kMaxChannel || reader.remaining() < size) {
    return std::nullopt;
  }
  result.data = reader.ReadBytes(size);
  return result;
}

std::optional<std::size_t> StreamMessageSize(ByteSpan stream) {
  if (stream.size() < 4) return std::nullopt;
  ByteReader reader(stream);
  const std::uint16_t type = reader.ReadU16();
  const std::size_t size = reader.ReadU16();
  if (type >= kMinChannel && type <= kMaxChannel) {
    return kChannelHeaderSize + Padded(size);
  }
  if ((type & 0xc000) != 0 || size % 4 != 0) return 0;
  return kHeaderSize + size;
}

}  // namespace p2pcp::turn
