#include "tests/lab/link_emulator/packet.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::lab {
namespace {

constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::size_t kIpv6HeaderSize = 40;

std::uint8_t U8(ByteSpan bytes, std::size_t at) {
  return std::to_integer<std::uint8_t>(bytes[at]);
}

std::uint16_t U16(ByteSpan bytes, std::size_t at) {
  return static_cast<std::uint16_t>(U8(bytes, at) << 8 | U8(bytes, at + 1));
}

void PutU16(MutableByteSpan bytes, std::size_t at, std::size_t value) {
  bytes[at] = static_cast<std::byte>(value >> 8 & 0xff);
  bytes[at + 1] = static_cast<std::byte>(value & 0xff);
}

std::uint16_t Fold(std::uint32_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum & 0xffff);
}

}  // namespace

PacketPtr PacketPool::Get() {
  if (free_.empty()) {
    packets_.emplace_back().buffer.resize(capacity_);
    free_.push_back(&packets_.back());
  }
  Packet* packet = free_.back();
  free_.pop_back();
  packet->size = 0;
  return PacketPtr(packet, Recycler(this));
}

PacketPtr PacketPool::Copy(ByteSpan bytes) {
  P2PCP_CHECK(bytes.size() <= capacity_);
  PacketPtr packet = Get();
  packet->size = bytes.size();
  CopyBytes(bytes, packet->bytes());
  return packet;
}

std::uint32_t SumWords(ByteSpan bytes, std::uint32_t sum) {
  std::size_t at = 0;
  for (; at + 1 < bytes.size(); at += 2) sum += U16(bytes, at);
  if (at < bytes.size()) sum += std::uint32_t{U8(bytes, at)} << 8;
  return sum;
}

std::optional<UdpLayout> FindUdp(ByteSpan packet) {
  if (packet.empty()) return std::nullopt;
  UdpLayout layout;
  const int version = U8(packet, 0) >> 4;
  if (version == 4) {
    if (packet.size() < 20) return std::nullopt;
    layout.udp = std::size_t{U8(packet, 0) & 0x0fu} * 4;
    // More fragments to come, or not the first one (RFC 791).
    const bool fragment = (U16(packet, 6) & 0x3fff) != 0;
    if (layout.udp < 20 || fragment || U8(packet, 9) != kProtocolUdp ||
        U16(packet, 2) != packet.size()) {
      return std::nullopt;
    }
  } else if (version == 6) {
    layout.v6 = true;
    layout.udp = kIpv6HeaderSize;
    if (packet.size() < kIpv6HeaderSize || U8(packet, 6) != kProtocolUdp ||
        U16(packet, 4) != packet.size() - kIpv6HeaderSize) {
      return std::nullopt;
    }
  } else {
    return std::nullopt;
  }
  if (packet.size() < layout.payload() ||
      U16(packet, layout.udp + 4) != packet.size() - layout.udp) {
    return std::nullopt;
  }
  return layout;
}

void FinishUdp(const UdpLayout& layout, MutableByteSpan packet) {
  P2PCP_CHECK(packet.size() >= layout.payload() &&
              packet.size() <= kMaxPacketSize);
  const std::size_t udp_size = packet.size() - layout.udp;
  ByteSpan addresses;
  if (layout.v6) {
    PutU16(packet, 4, udp_size);
    addresses = packet.subspan(8, 32);
  } else {
    PutU16(packet, 2, packet.size());
    PutU16(packet, 10, 0);
    PutU16(packet, 10, Fold(SumWords(packet.first(layout.udp), 0)));
    addresses = packet.subspan(12, 8);
  }
  PutU16(packet, layout.udp + 4, udp_size);
  PutU16(packet, layout.udp + 6, 0);
  // The pseudo header of RFC 768 and of RFC 8200 section 8.1 sum up alike.
  const std::uint32_t pseudo =
      SumWords(addresses, kProtocolUdp + static_cast<std::uint32_t>(udp_size));
  const std::uint16_t checksum =
      Fold(SumWords(packet.subspan(layout.udp), pseudo));
  PutU16(packet, layout.udp + 6, checksum == 0 ? 0xffff : checksum);
}

void SwapEndpoints(const UdpLayout& layout, MutableByteSpan packet) {
  const std::size_t source = layout.v6 ? 8 : 12;
  const std::size_t size = layout.v6 ? 16 : 4;
  const auto addresses = packet.begin() + static_cast<std::ptrdiff_t>(source);
  const auto width = static_cast<std::ptrdiff_t>(size);
  std::swap_ranges(addresses, addresses + width, addresses + width);
  const auto ports = packet.begin() + static_cast<std::ptrdiff_t>(layout.udp);
  std::swap_ranges(ports, ports + 2, ports + 2);
}

}  // namespace p2pcp::lab
