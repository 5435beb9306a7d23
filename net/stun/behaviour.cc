#include "net/stun/behaviour.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>

namespace p2pcp::stun {

Dependence ClassifyMapping(std::span<const Observation> observations) {
  std::set<IpAddress> servers;
  std::map<SocketAddress, std::set<IpAddress>> seen;
  for (const Observation& observation : observations) {
    servers.insert(observation.server.ip);
    seen[observation.mapped].insert(observation.server.ip);
  }
  if (servers.size() < 2) return Dependence::kUnknown;
  std::size_t most = 0;
  for (const auto& [mapped, by] : seen) most = std::max(most, by.size());
  // A server that sees two addresses has seen the mapping change with the port.
  bool same_address_same = false;
  bool same_address_differs = false;
  for (std::size_t i = 0; i < observations.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const Observation& a = observations[i];
      const Observation& b = observations[j];
      if (a.server.ip != b.server.ip || a.server == b.server) continue;
      (a.mapped == b.mapped ? same_address_same : same_address_differs) = true;
    }
  }
  if (2 * most > servers.size() && !same_address_differs) {
    return Dependence::kEndpointIndependent;
  }
  return same_address_same && !same_address_differs
             ? Dependence::kAddressDependent
             : Dependence::kAddressAndPortDependent;
}

}  // namespace p2pcp::stun
