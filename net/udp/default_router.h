// The router that this host sends IPv4 to where it knows no better.

#ifndef P2PCP_NET_UDP_DEFAULT_ROUTER_H_
#define P2PCP_NET_UDP_DEFAULT_ROUTER_H_

#include <optional>
#include <string_view>

#include "net/base/socket_address.h"

namespace p2pcp::udp {

// nullopt without one. Reads /proc/net/route.
std::optional<IpAddress> DefaultRouter();
// The same from the text of that file: the route of the least metric.
std::optional<IpAddress> ParseDefaultRouter(std::string_view table);

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_DEFAULT_ROUTER_H_
