#include "net/channel/packet_header.h"

#include <cstring>

#include "net/base/check.h"

namespace p2pcp::channel {
namespace {

constexpr std::uint8_t kFirstByte = 0xc0;
constexpr std::uint8_t kFirstByteMask = 0xc0;

}  // namespace

std::array<std::byte, 6> PacketPrefix(const ConnectionId& id) {
  std::array<std::byte, 6> prefix{std::byte{kFirstByte}};
  std::memcpy(&prefix[1], id.data(), id.size());
  return prefix;
}

bool IsPacket(ByteSpan datagram) {
  return !datagram.empty() && (std::to_integer<std::uint8_t>(datagram[0]) &
                               kFirstByteMask) == kFirstByte;
}

void WritePacketHeader(const PacketHeader& header, MutableByteSpan out) {
  P2PCP_CHECK(out.size() >= PacketHeader::kSize);
  const std::uint64_t number = header.number.value();
  P2PCP_CHECK(number >> 48 == 0);
  out[0] = static_cast<std::byte>(kFirstByte |
                                  static_cast<std::uint8_t>(header.type));
  std::memcpy(&out[1], header.connection_id.data(),
              header.connection_id.size());
  StoreBigEndian<6>(&out[6], number);
}

std::optional<PacketHeader> ReadPacketHeader(ByteSpan datagram) {
  if (datagram.size() < PacketHeader::kSize) return std::nullopt;
  PacketHeader header;
  switch (std::to_integer<std::uint8_t>(datagram[0])) {
    case kFirstByte | static_cast<std::uint8_t>(PacketType::kPayload):
      header.type = PacketType::kPayload;
      break;
    case kFirstByte | static_cast<std::uint8_t>(PacketType::kProbe):
      header.type = PacketType::kProbe;
      break;
    default:
      return std::nullopt;
  }
  std::memcpy(header.connection_id.data(), &datagram[1],
              header.connection_id.size());
  header.number = PacketNumber(LoadBigEndian<6>(&datagram[6]));
  return header;
}

}  // namespace p2pcp::channel
