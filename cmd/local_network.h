// This host's end of the network: the UDP sockets and the addresses that a
// peer may reach them at.

#ifndef P2PCP_CMD_LOCAL_NETWORK_H_
#define P2PCP_CMD_LOCAL_NETWORK_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/ice/candidate.h"
#include "net/udp/file_descriptor.h"
#include "net/udp/udp_socket.h"

namespace p2pcp::cmd {

class LocalNetwork {
 public:
  struct Config {
    std::uint16_t port = 0;  // 0: any.
    bool ipv4 = true;
    bool ipv6 = true;
  };
  // One socket a family. A family that this host does not have is left out;
  // fails if there is none, or the port is taken.
  static Result<LocalNetwork> Open(const Config& config);

  std::vector<udp::UdpSocket>& sockets() { return sockets_; }
  // The socket of the address's family; nullopt if there is none.
  std::optional<std::uint8_t> SocketFor(const IpAddress& address) const;
  // Takes over one more IPv4 socket, which gets the next number.
  bool Adopt(udp::FileDescriptor fd);
  // Every usable interface address with the port of its family's socket, best
  // first, and up to two IPv6 link-local ones. Read anew at each call.
  std::vector<ice::Candidate> HostCandidates(bool loopback) const;

  // Whether this host has other addresses than at the last call (false at the
  // first), without those of containers, virtual machines and tunnels:
  // these come and go while the host stays where it is.
  bool Moved();

 private:
  std::vector<udp::UdpSocket> sockets_;
  std::optional<std::vector<IpAddress>> addresses_;  // As of Moved().
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_LOCAL_NETWORK_H_
