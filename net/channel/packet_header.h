// The clear header of every packet (PROTOCOL.md 2.1); all of it is associated
// data:
//
//    0               1               2               3
//   |1 1 0 0 0 0 0 T|  connection id, 40 bits, chosen by the receiver
//   |               |  packet number, 48 bits, big-endian
//
// T: 0 payload, 1 probe. The first byte is 192 or more, so no STUN, DTLS, RTP
// or other packet that shares the socket is taken for ours (RFC 9443).

#ifndef P2PCP_NET_CHANNEL_PACKET_HEADER_H_
#define P2PCP_NET_CHANNEL_PACKET_HEADER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"

namespace p2pcp::channel {

enum class PacketType : std::uint8_t { kPayload = 0, kProbe = 1 };

using ConnectionId = std::array<std::byte, 5>;

struct PacketHeader {
  static constexpr std::size_t kSize = 12;

  PacketType type = PacketType::kPayload;
  ConnectionId connection_id{};
  PacketNumber number;

  friend bool operator==(const PacketHeader&, const PacketHeader&) = default;
};

// What every packet to that connection begins with, but for the last bit, T.
std::array<std::byte, 6> PacketPrefix(const ConnectionId& id);

// Whether a datagram can be one of ours, by its first byte: for whoever shares
// a socket among several users.
bool IsPacket(ByteSpan datagram);

// REQUIRES: out.size() >= PacketHeader::kSize.
void WritePacketHeader(const PacketHeader& header, MutableByteSpan out);

// nullopt if datagram is too short for a header or of no known type.
std::optional<PacketHeader> ReadPacketHeader(ByteSpan datagram);

}  // namespace p2pcp::channel

#endif  // P2PCP_NET_CHANNEL_PACKET_HEADER_H_
