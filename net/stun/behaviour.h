// How a NAT maps, by the classes of RFC 4787 section 4.1, as far as what STUN
// servers see of one socket can tell. Never a reason not to try something:
// servers lie, and NATs change their mind.

#ifndef P2PCP_NET_STUN_BEHAVIOUR_H_
#define P2PCP_NET_STUN_BEHAVIOUR_H_

#include <cstdint>
#include <span>

#include "net/base/socket_address.h"

namespace p2pcp::stun {

// How much of the remote endpoint counts (RFC 4787 sections 4.1 and 5).
enum class Dependence : std::uint8_t {
  kUnknown = 0,
  kEndpointIndependent = 1,
  kAddressDependent = 2,
  kAddressAndPortDependent = 3,
};

struct Observation {
  SocketAddress server;
  SocketAddress mapped;

  friend bool operator==(const Observation&, const Observation&) = default;
};

// The class of what several servers see of one socket.
// kUnknown: fewer than two servers, by IP address, have answered.
// kEndpointIndependent: more than half of them agree (one of three may be
// wrong). Else kAddressDependent if two ports of one address agree and no such
// two differ, and the worst where nothing tells.
Dependence ClassifyMapping(std::span<const Observation> observations);

}  // namespace p2pcp::stun

#endif  // P2PCP_NET_STUN_BEHAVIOUR_H_
