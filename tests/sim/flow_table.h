// Which remote endpoints may send to an inside endpoint: RFC 4787's three
// kinds of filtering, with time-outs. Shared by Nat and Firewall.

#ifndef P2PCP_TESTS_SIM_FLOW_TABLE_H_
#define P2PCP_TESTS_SIM_FLOW_TABLE_H_

#include <map>

#include "net/base/socket_address.h"
#include "net/base/time.h"

namespace p2pcp::sim {

// How much of the remote endpoint a rule looks at (RFC 4787 sections 4.1, 5).
enum class Dependence {
  kEndpointIndependent,
  kAddressDependent,
  kAddressAndPortDependent,
};

// The part of remote that counts.
SocketAddress Project(Dependence dependence, const SocketAddress& remote);

class FlowTable {
 public:
  FlowTable(Dependence filtering, Duration timeout)
      : filtering_(filtering), timeout_(timeout) {}

  // The inside has sent to remote.
  void Open(TimePoint now, const SocketAddress& remote) {
    open_until_[Project(filtering_, remote)] = now + timeout_;
  }
  // Whether remote may send in. refresh: doing so keeps the way open.
  bool Admits(TimePoint now, const SocketAddress& remote, bool refresh);

 private:
  Dependence filtering_;
  Duration timeout_;
  std::map<SocketAddress, TimePoint> open_until_;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_FLOW_TABLE_H_
