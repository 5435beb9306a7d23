#include "net/udp/sockaddr.h"

#include <array>
#include <cstdint>
#include <cstring>

#include "net/base/bytes.h"

namespace p2pcp::udp {

socklen_t ToSockaddr(const SocketAddress& address, Sockaddr* out) {
  const ByteSpan ip = address.ip.bytes();
  if (address.ip.is_v6()) {
    out->v6 = {};
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(address.port);
    out->v6.sin6_scope_id = address.scope_id;
    std::memcpy(&out->v6.sin6_addr, ip.data(), ip.size());
    return sizeof(out->v6);
  }
  out->v4 = {};
  out->v4.sin_family = AF_INET;
  out->v4.sin_port = htons(address.port);
  std::memcpy(&out->v4.sin_addr, ip.data(), ip.size());
  return sizeof(out->v4);
}

std::optional<SocketAddress> FromSockaddr(const Sockaddr& address) {
  if (address.any.sa_family == AF_INET) {
    std::array<std::uint8_t, 4> ip;
    std::memcpy(ip.data(), &address.v4.sin_addr, ip.size());
    return SocketAddress{IpAddress::V4(ip), ntohs(address.v4.sin_port), 0};
  }
  if (address.any.sa_family == AF_INET6) {
    std::array<std::uint8_t, 16> ip;
    std::memcpy(ip.data(), &address.v6.sin6_addr, ip.size());
    return SocketAddress{IpAddress::V6(ip), ntohs(address.v6.sin6_port),
                         address.v6.sin6_scope_id};
  }
  return std::nullopt;
}

}  // namespace p2pcp::udp
