// LanSocket: datagrams to and from all others on the same networks, by
// multicast over IPv4 and IPv6, on every interface that has a network of its
// own behind it. They never pass a router (TTL and hop limit 1).
//
// One thread; never blocks. Several processes of a host each get everything.

#ifndef P2PCP_NET_UDP_LAN_SOCKET_H_
#define P2PCP_NET_UDP_LAN_SOCKET_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/udp/file_descriptor.h"
#include "net/udp/interfaces.h"

namespace p2pcp::udp {

class LanSocket {
 public:
  // In no registry, and below what systems choose by themselves.
  static constexpr std::uint16_t kPort = 21327;
  // 239.255.0.0/16 is the local scope of RFC 2365; ff12::/16 is link-local and
  // assigned by nobody (RFC 4291 section 2.7).
  static constexpr const char* kGroup4 = "239.255.112.50";
  static constexpr const char* kGroup6 = "ff12::7032:7063";
  // Interfaces that are used: the best ones.
  static constexpr std::size_t kMaxInterfaces = 8;
  static constexpr std::size_t kMaxDatagram = 1500;

  // Fails where neither family can be had.
  static Result<LanSocket> Open(bool ipv4, bool ipv6);

  // One a family, for EventLoop::Watch.
  std::vector<int> fds() const;
  // Uses the interfaces of these addresses from now on, but for loopback and
  // those of containers and tunnels. True if there are any.
  bool Join(std::span<const LocalAddress> addresses);

  // To everybody on each of the interfaces; what can't be sent is lost.
  void Send(ByteSpan datagram);

  struct Received {
    ByteSpan bytes;  // Until the next call.
    std::uint32_t interface = 0;
  };
  // The next one that waits at fd; nullopt if there is none.
  std::optional<Received> Receive(int fd);

 private:
  LanSocket(FileDescriptor v4, FileDescriptor v6);
  void SendOn(std::uint32_t interface, bool v6, ByteSpan datagram);

  FileDescriptor v4_;
  FileDescriptor v6_;
  std::vector<std::uint32_t> interfaces_;
  std::array<std::byte, kMaxDatagram> buffer_;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_LAN_SOCKET_H_
