// SocketAddress to and from the kernel's sockaddr.

#ifndef P2PCP_NET_UDP_SOCKADDR_H_
#define P2PCP_NET_UDP_SOCKADDR_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <optional>

#include "net/base/socket_address.h"

namespace p2pcp::udp {

union Sockaddr {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

// Fills `out` and returns how many bytes of it count.
socklen_t ToSockaddr(const SocketAddress& address, Sockaddr* out);

// nullopt for anything but IPv4 and IPv6.
std::optional<SocketAddress> FromSockaddr(const Sockaddr& address);

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_SOCKADDR_H_
