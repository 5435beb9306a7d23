// IP addresses and UDP endpoints as values: parse, print, compare, classify.
// No sockets here; net/udp converts to and from sockaddr.

#ifndef P2PCP_NET_BASE_SOCKET_ADDRESS_H_
#define P2PCP_NET_BASE_SOCKET_ADDRESS_H_

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/base/bytes.h"

namespace p2pcp {

// An IPv4 or IPv6 address. IPv4-mapped IPv6 addresses are stored as IPv4.
class IpAddress {
 public:
  // The unspecified IPv4 address, 0.0.0.0.
  IpAddress() = default;
  static IpAddress V4(std::array<std::uint8_t, 4> bytes);
  static IpAddress V6(std::array<std::uint8_t, 16> bytes);
  // 4 or 16 bytes in network order; nullopt for any other size.
  static std::optional<IpAddress> FromBytes(ByteSpan bytes);
  // Numeric forms only ("192.0.2.1", "2001:db8::1"); no scope, no brackets.
  static std::optional<IpAddress> Parse(std::string_view text);

  bool is_v4() const { return !v6_; }
  bool is_v6() const { return v6_; }
  // 4 or 16 bytes in network order.
  ByteSpan bytes() const {
    return std::as_bytes(std::span(bytes_)).first(v6_ ? 16 : 4);
  }
  std::string ToString() const;

  bool IsUnspecified() const;
  bool IsLoopback() const;
  bool IsMulticast() const;
  bool IsBroadcast() const;  // 255.255.255.255 only.
  bool IsLinkLocal() const;  // 169.254/16, fe80::/10.
  // RFC 1918, RFC 6598 (100.64/10) and RFC 4193 (fc00::/7).
  bool IsPrivate() const;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  bool v6_ = false;
  std::array<std::uint8_t, 16> bytes_{};
};

struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;
  // Interface index of a link-local IPv6 address, otherwise 0.
  std::uint32_t scope_id = 0;

  // "192.0.2.1:7" or "[2001:db8::1]:7".
  static std::optional<SocketAddress> Parse(std::string_view text);
  std::string ToString() const;

  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

}  // namespace p2pcp

#endif  // P2PCP_NET_BASE_SOCKET_ADDRESS_H_
