// A stateful firewall without translation, as home routers have for IPv6
// (RFC 6092): what goes out opens the way back.

#ifndef P2PCP_TESTS_SIM_FIREWALL_H_
#define P2PCP_TESTS_SIM_FIREWALL_H_

#include <cstdint>
#include <map>

#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "tests/sim/flow_table.h"
#include "tests/sim/middlebox.h"
#include "tests/sim/simulator.h"

namespace p2pcp::sim {

struct FirewallOptions {
  // RFC 6092 REC-18 wants endpoint-independent or address-dependent; routers
  // of the field mostly look at address and port.
  Dependence filtering = Dependence::kAddressAndPortDependent;
  Duration timeout = std::chrono::seconds(120);
  // Nothing passes, either way: a network that blocks UDP.
  bool blocks_all = false;
};

class Firewall final : public Middlebox {
 public:
  Firewall(Simulator& simulator, const FirewallOptions& options)
      : simulator_(simulator), options_(options) {}

  // Forgets every flow, as a restart does.
  void Flush() { flows_.clear(); }
  std::uint64_t filtered() const { return filtered_; }

 private:
  void HandleOutbound(PacketPtr packet) override;
  void HandleInbound(PacketPtr packet) override;

  Simulator& simulator_;
  FirewallOptions options_;
  std::map<SocketAddress, FlowTable> flows_;  // By inside endpoint.
  std::uint64_t filtered_ = 0;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_FIREWALL_H_
