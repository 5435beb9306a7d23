// What one side knows of the NAT that it is behind: told to the peer beside the
// candidates, so that both choose the same tactics.

#ifndef P2PCP_NET_ICE_NAT_H_
#define P2PCP_NET_ICE_NAT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/base/socket_address.h"
#include "net/ice/port_model.h"
#include "net/stun/behaviour.h"

namespace p2pcp::ice {

using Dependence = stun::Dependence;

struct Nat {
  // More than a pool of outside addresses needs.
  static constexpr std::size_t kMaxExternal = 4;

  Dependence mapping = Dependence::kUnknown;
  Dependence filtering = Dependence::kUnknown;
  PortModel ports;
  // Counts the measurements of ports: a sequence moves on.
  std::uint8_t reading = 0;
  // The IPv4 addresses that servers have seen, the one seen last first.
  std::vector<IpAddress> external;

  // Known to show every destination another port.
  bool hard() const {
    return mapping == Dependence::kAddressDependent ||
           mapping == Dependence::kAddressAndPortDependent;
  }

  friend bool operator==(const Nat&, const Nat&) = default;
};

// For people: "endpoint-independent", "another port for every destination:
// random ports", "not known".
std::string ToString(const Nat& nat);

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_NAT_H_
