#include "net/ice/nat.h"

namespace p2pcp::ice {

std::string ToString(const Nat& nat) {
  switch (nat.mapping) {
    case Dependence::kUnknown:
      return "not known";
    case Dependence::kEndpointIndependent:
      return "the same port for every destination (endpoint-independent)";
    case Dependence::kAddressDependent:
    case Dependence::kAddressAndPortDependent:
      return "another port for every destination (symmetric), " +
             ToString(nat.ports);
  }
  return "?";
}

}  // namespace p2pcp::ice
