// Where this host can be reached: the addresses of its interfaces, what STUN
// servers see, what the router maps. Finds that out, again whenever the host
// has moved, and tells the connector.

#ifndef P2PCP_CMD_NETWORK_OWN_ADDRESSES_H_
#define P2PCP_CMD_NETWORK_OWN_ADDRESSES_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cmd/local_network.h"
#include "cmd/servers.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/connect/connector.h"
#include "net/udp/address_watch.h"
#include "net/udp/event_loop.h"
#include "net/udp/port_mapping.h"
#include "net/udp/resolver.h"

namespace p2pcp::cmd {

// How this program is started as the child that speaks UPnP (upnp_child.h).
inline constexpr char kUpnpChildVerb[] = "upnp-child";

class OwnAddresses {
 public:
  // A name server that has not answered by then is taken for dead.
  static constexpr Duration kResolveTimeout = 10s;

  struct Config {
    std::vector<StunServer> stun_servers;
    bool loopback = false;  // Loopback addresses are candidates.
    udp::PortMapping::Command upnp = {"/proc/self/exe", {kUpnpChildVerb}};
    // This host has other addresses than before; the connector knows already.
    std::function<void()> on_moved;
    std::function<void(const std::string& text)> on_step;  // For -v.
  };
  // All must outlive it. Begins at once.
  OwnAddresses(udp::EventLoop* loop, udp::Resolver* resolver, Random* random,
               LocalNetwork* network, connect::Connector* connector,
               Config config);
  OwnAddresses(const OwnAddresses&) = delete;
  OwnAddresses& operator=(const OwnAddresses&) = delete;

  // The addresses may be others now.
  void Rescan();

 private:
  void AskStun(const StunServer& server);
  // Asks the router for a mapping of the IPv4 socket, anew.
  void MapPort();
  void HandlePortMapped();

  udp::EventLoop* const loop_;
  udp::Resolver* const resolver_;
  Random* const random_;
  LocalNetwork* const network_;
  connect::Connector* const connector_;
  const Config config_;
  // Null where the system does not tell.
  std::unique_ptr<udp::AddressWatch> watch_;
  // Null where this host has no router.
  std::unique_ptr<udp::PortMapping> port_mapping_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_OWN_ADDRESSES_H_
