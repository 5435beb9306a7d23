#include "net/base/socket_address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "net/base/check.h"

namespace p2pcp {

IpAddress IpAddress::V4(std::array<std::uint8_t, 4> bytes) {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.begin());
  return address;
}

IpAddress IpAddress::V6(std::array<std::uint8_t, 16> bytes) {
  static constexpr std::array<std::uint8_t, 12> kMappedPrefix = {
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes.begin())) {
    return V4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  IpAddress address;
  address.v6_ = true;
  address.bytes_ = bytes;
  return address;
}

std::optional<IpAddress> IpAddress::FromBytes(ByteSpan bytes) {
  if (bytes.size() == 4) {
    std::array<std::uint8_t, 4> v4;
    std::memcpy(v4.data(), bytes.data(), 4);
    return V4(v4);
  }
  if (bytes.size() == 16) {
    std::array<std::uint8_t, 16> v6;
    std::memcpy(v6.data(), bytes.data(), 16);
    return V6(v6);
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  const std::string terminated(text);
  std::array<std::uint8_t, 16> bytes;
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    return V4({bytes[0], bytes[1], bytes[2], bytes[3]});
  }
  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
    return V6(bytes);
  }
  return std::nullopt;
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  P2PCP_CHECK(inet_ntop(v6_ ? AF_INET6 : AF_INET, bytes_.data(), text,
                        sizeof(text)) != nullptr);
  return text;
}

bool IpAddress::IsUnspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(),
                     [](std::uint8_t b) { return b == 0; });
}

bool IpAddress::IsLoopback() const {
  if (!v6_) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1,
                                        [](std::uint8_t b) { return b == 0; });
}

bool IpAddress::IsMulticast() const {
  return v6_ ? bytes_[0] == 0xff : (bytes_[0] & 0xf0) == 0xe0;
}

bool IpAddress::IsBroadcast() const {
  return !v6_ && std::all_of(bytes_.begin(), bytes_.begin() + 4,
                             [](std::uint8_t b) { return b == 255; });
}

bool IpAddress::IsLinkLocal() const {
  if (v6_) return bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
  return bytes_[0] == 169 && bytes_[1] == 254;
}

bool IpAddress::IsPrivate() const {
  if (v6_) return (bytes_[0] & 0xfe) == 0xfc;
  return bytes_[0] == 10 || (bytes_[0] == 172 && (bytes_[1] & 0xf0) == 16) ||
         (bytes_[0] == 192 && bytes_[1] == 168) ||
         (bytes_[0] == 100 && (bytes_[1] & 0xc0) == 64);
}

std::optional<SocketAddress> SocketAddress::Parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);
  const bool bracketed =
      host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const std::optional<IpAddress> ip = IpAddress::Parse(host);
  if (!ip || (host.find(':') != std::string_view::npos) != bracketed) {
    return std::nullopt;
  }
  std::uint16_t port = 0;
  const char* end = port_text.data() + port_text.size();
  const auto [parsed, ec] = std::from_chars(port_text.data(), end, port);
  if (ec != std::errc() || parsed != end) return std::nullopt;
  return SocketAddress{*ip, port};
}

std::string SocketAddress::ToString() const {
  const std::string port_text = std::to_string(port);
  return ip.is_v6() ? "[" + ip.ToString() + "]:" + port_text
                    : ip.ToString() + ":" + port_text;
}

}  // namespace p2pcp
