#include "net/udp/link_mtu.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "net/udp/file_descriptor.h"
#include "net/udp/sockaddr.h"

namespace p2pcp::udp {

std::optional<std::size_t> LinkMtu(const SocketAddress& to) {
  const bool v6 = to.ip.is_v6();
  const FileDescriptor fd(
      socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return std::nullopt;
  // Connecting a datagram socket looks up the route, and does no more.
  Sockaddr address;
  const socklen_t size = ToSockaddr(to, &address);
  if (connect(fd.get(), &address.any, size) != 0) return std::nullopt;
  int mtu = 0;
  socklen_t mtu_size = sizeof(mtu);
  if (getsockopt(fd.get(), v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                 v6 ? IPV6_MTU : IP_MTU, &mtu, &mtu_size) != 0 ||
      mtu <= 0) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(mtu);
}

}  // namespace p2pcp::udp
