// What the interface takes by which datagrams to a peer leave.

#ifndef P2PCP_NET_UDP_LINK_MTU_H_
#define P2PCP_NET_UDP_LINK_MTU_H_

#include <cstddef>
#include <optional>

#include "net/base/socket_address.h"

namespace p2pcp::udp {

// In bytes, headers included. The host may believe less for a while where a
// router has told it so by ICMP, which can be forged: a hint. nullopt: there is
// no way to that address. Sends nothing and does not block.
std::optional<std::size_t> LinkMtu(const SocketAddress& to);

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_LINK_MTU_H_
