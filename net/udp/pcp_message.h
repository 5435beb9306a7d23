// What a router is asked for a mapping with: PCP (RFC 6887), and NAT-PMP (RFC
// 6886), which it grew out of. Both at UDP port 5351 of the default router.
//
//  PCP MAP request, 60 bytes                NAT-PMP map request, 12 bytes
//   0   version 2, opcode 1, reserved (2)    0   version 0, opcode 1 (UDP),
//   4   lifetime in seconds (4)                  reserved (2)
//   8   our address, as IPv6 (16)            4   inside port (2)
//  24   nonce (12)                           6   wanted outside port (2)
//  36   protocol 17, reserved (3)            8   lifetime in seconds (4)
//  40   inside port (2), outside port (2)
//  44   outside address, as IPv6 (16)
//
// A response has the top bit of its opcode set. The router is not trusted: its
// bytes give numbers, or are dropped.

#ifndef P2PCP_NET_UDP_PCP_MESSAGE_H_
#define P2PCP_NET_UDP_PCP_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"

namespace p2pcp::udp {

inline constexpr std::uint16_t kPcpPort = 5351;
// RFC 6887 section 7: longer ones are of no use to anybody.
inline constexpr std::size_t kMaxPcpMessage = 1100;

using PcpNonce = std::array<std::byte, 12>;

struct PcpMap {
  IpAddress client;  // IPv4.
  PcpNonce nonce{};
  std::uint16_t inside_port = 0;
  std::uint16_t outside_port = 0;  // Wanted; 0: any.
  std::uint32_t lifetime = 0;      // In seconds; 0 deletes.
};
inline constexpr std::size_t kPcpMapSize = 60;
// REQUIRES: out.size() >= kPcpMapSize.
void WritePcpMap(const PcpMap& request, MutableByteSpan out);

inline constexpr std::size_t kNatPmpMapSize = 12;
// REQUIRES: out.size() >= kNatPmpMapSize.
void WriteNatPmpMap(const PcpMap& request, MutableByteSpan out);
inline constexpr std::size_t kNatPmpAddressSize = 2;
// Asks for the outside address. REQUIRES: out.size() >= kNatPmpAddressSize.
void WriteNatPmpAddress(MutableByteSpan out);

struct PcpResponse {
  enum class Kind : std::uint8_t {
    kPcpMap,
    kNatPmpMap,
    kNatPmpAddress,
    // It speaks another version than the request's, or none of the opcode.
    kUnsupported,
  };
  Kind kind = Kind::kUnsupported;
  std::uint8_t version = 0;
  std::uint16_t result = 0;  // 0: success.
  std::uint32_t lifetime = 0;
  PcpNonce nonce{};
  std::uint16_t inside_port = 0;
  SocketAddress outside;  // What of it the response has.
};
// nullopt: no response, or none to what we ask for.
std::optional<PcpResponse> ReadPcpResponse(ByteSpan datagram);

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_PCP_MESSAGE_H_
