#include "net/udp/pcp_message.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::udp {
namespace {

constexpr std::uint8_t kPcpVersion = 2;
constexpr std::uint8_t kNatPmpVersion = 0;
constexpr std::uint8_t kOpAddress = 0;  // NAT-PMP.
constexpr std::uint8_t kOpMap = 1;      // PCP; in NAT-PMP: for UDP.
constexpr std::uint8_t kResponse = 0x80;
constexpr std::uint8_t kUdp = 17;
// UNSUPP_VERSION of both, UNSUPP_OPCODE of PCP and of NAT-PMP.
constexpr std::uint16_t kUnsupportedVersion = 1;
constexpr std::uint16_t kPcpUnsupportedOpcode = 4;
constexpr std::uint16_t kNatPmpUnsupportedOpcode = 5;

// ::ffff:0:0/96.
constexpr std::array<std::byte, 12> kMappedPrefix = {
    std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
    std::byte{0}, std::byte{0}, std::byte{0},    std::byte{0},
    std::byte{0}, std::byte{0}, std::byte{0xff}, std::byte{0xff}};

void WriteAsV6(ByteWriter& writer, const IpAddress& ip) {
  P2PCP_CHECK(ip.is_v4());
  writer.WriteBytes(kMappedPrefix);
  writer.WriteBytes(ip.bytes());
}

}  // namespace

void WritePcpMap(const PcpMap& request, MutableByteSpan out) {
  ByteWriter writer(out.first(kPcpMapSize));
  writer.WriteU8(kPcpVersion);
  writer.WriteU8(kOpMap);
  writer.WriteU16(0);
  writer.WriteU32(request.lifetime);
  WriteAsV6(writer, request.client);
  writer.WriteBytes(request.nonce);
  writer.WriteU8(kUdp);
  writer.WriteU8(0);
  writer.WriteU16(0);
  writer.WriteU16(request.inside_port);
  writer.WriteU16(request.outside_port);
  WriteAsV6(writer, IpAddress());  // Any outside address.
  P2PCP_CHECK(writer.ok() && writer.size() == kPcpMapSize);
}

void WriteNatPmpMap(const PcpMap& request, MutableByteSpan out) {
  ByteWriter writer(out.first(kNatPmpMapSize));
  writer.WriteU8(kNatPmpVersion);
  writer.WriteU8(kOpMap);
  writer.WriteU16(0);
  writer.WriteU16(request.inside_port);
  // RFC 6886 section 3.4: a mapping is deleted with outside port 0.
  writer.WriteU16(request.lifetime == 0 ? 0 : request.outside_port);
  writer.WriteU32(request.lifetime);
  P2PCP_CHECK(writer.ok() && writer.size() == kNatPmpMapSize);
}

void WriteNatPmpAddress(MutableByteSpan out) {
  out[0] = std::byte{kNatPmpVersion};
  out[1] = std::byte{kOpAddress};
}

std::optional<PcpResponse> ReadPcpResponse(ByteSpan datagram) {
  if (datagram.size() > kMaxPcpMessage) return std::nullopt;
  ByteReader reader(datagram);
  PcpResponse response;
  response.version = reader.ReadU8();
  const std::uint8_t opcode = reader.ReadU8();
  if (!reader.ok() || (opcode & kResponse) == 0) return std::nullopt;
  if (response.version == kNatPmpVersion) {
    response.result = reader.ReadU16();
    if (!reader.ok()) return std::nullopt;
    if (response.result == kUnsupportedVersion ||
        response.result == kNatPmpUnsupportedOpcode) {
      return response;
    }
    reader.ReadU32();  // Seconds since the router's start.
    if (opcode == (kResponse | kOpAddress)) {
      response.kind = PcpResponse::Kind::kNatPmpAddress;
      const auto ip = IpAddress::FromBytes(reader.ReadBytes(4));
      if (!ip || !reader.ok()) return std::nullopt;
      response.outside.ip = *ip;
      return response;
    }
    if (opcode != (kResponse | kOpMap)) return std::nullopt;
    response.kind = PcpResponse::Kind::kNatPmpMap;
    response.inside_port = reader.ReadU16();
    response.outside.port = reader.ReadU16();
    response.lifetime = reader.ReadU32();
    if (!reader.ok()) return std::nullopt;
    return response;
  }
  reader.ReadU8();
  response.result = reader.ReadU8();
  response.lifetime = reader.ReadU32();
  reader.ReadU32();      // Epoch.
  reader.ReadBytes(12);  // Reserved.
  if (!reader.ok()) return std::nullopt;
  if (response.version != kPcpVersion ||
      response.result == kUnsupportedVersion ||
      response.result == kPcpUnsupportedOpcode) {
    return response;
  }
  if (opcode != (kResponse | kOpMap)) return std::nullopt;
  response.kind = PcpResponse::Kind::kPcpMap;
  const ByteSpan nonce = reader.ReadBytes(response.nonce.size());
  const std::uint8_t protocol = reader.ReadU8();
  reader.ReadU8();
  reader.ReadU16();
  response.inside_port = reader.ReadU16();
  response.outside.port = reader.ReadU16();
  const auto ip = IpAddress::FromBytes(reader.ReadBytes(16));
  if (!reader.ok() || !ip || protocol != kUdp) return std::nullopt;
  std::ranges::copy(nonce, response.nonce.begin());
  response.outside.ip = *ip;
  return response;
}

}  // namespace p2pcp::udp
