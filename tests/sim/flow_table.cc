#include "tests/sim/flow_table.h"

namespace p2pcp::sim {

SocketAddress Project(Dependence dependence, const SocketAddress& remote) {
  switch (dependence) {
    case Dependence::kEndpointIndependent:
      return {};
    case Dependence::kAddressDependent:
      return {.ip = remote.ip};
    case Dependence::kAddressAndPortDependent:
      return {.ip = remote.ip, .port = remote.port};
  }
  return {};
}

bool FlowTable::Admits(TimePoint now, const SocketAddress& remote,
                       bool refresh) {
  const auto flow = open_until_.find(Project(filtering_, remote));
  if (flow == open_until_.end()) return false;
  if (flow->second <= now) {
    open_until_.erase(flow);
    return false;
  }
  if (refresh) flow->second = now + timeout_;
  return true;
}

}  // namespace p2pcp::sim
