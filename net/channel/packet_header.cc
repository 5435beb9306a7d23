#include "net/channel/packet_header.h"

#include "net/base/check.h"

namespace p2pcp::channel {
namespace {

constexpr std::uint8_t kFirstByte = 0xc0;
constexpr std::uint8_t kFirstByteMask = 0xc0;

}  // namespace

bool IsPacket(ByteSpan datagram) {
  return !datagram.empty() && (std::to_integer<std::uint8_t>(datagram[0]) &
                               kFirstByteMask) == kFirstByte;
}

void WritePacketHeader(const PacketHeader& header, MutableByteSpan out) {
  P2PCP_CHECK(out.size() >= PacketHeader::kSize);
  ByteWriter writer(out);
  writer.WriteU8(kFirstByte | static_cast<std::uint8_t>(header.type));
  writer.WriteBytes(header.connection_id);
  writer.WriteU48(header.number.value());
}

std::optional<PacketHeader> ReadPacketHeader(ByteSpan datagram) {
  ByteReader reader(datagram);
  PacketHeader header;
  const std::uint8_t first = reader.ReadU8();
  const ByteSpan id = reader.ReadBytes(header.connection_id.size());
  header.number = PacketNumber(reader.ReadU48());
  if (!reader.ok()) return std::nullopt;
  switch (first) {
    case kFirstByte | static_cast<std::uint8_t>(PacketType::kPayload):
      header.type = PacketType::kPayload;
      break;
    case kFirstByte | static_cast<std::uint8_t>(PacketType::kProbe):
      header.type = PacketType::kProbe;
      break;
    default:
      return std::nullopt;
  }
  CopyBytes(id, header.connection_id);
  return header;
}

}  // namespace p2pcp::channel
