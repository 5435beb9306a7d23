// The addresses of this host that a peer might reach, best first, and which of
// them the system would send from.

#ifndef P2PCP_NET_UDP_INTERFACES_H_
#define P2PCP_NET_UDP_INTERFACES_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/base/socket_address.h"

namespace p2pcp::udp {

// How likely it is that the other side of a link is a real network.
enum class InterfaceKind : std::uint8_t {
  kPhysical,  // A device stands behind it (/sys/class/net/NAME/device).
  kLogical,   // Bonds, VLANs, bridges, and the links of network namespaces.
  kVirtual,   // Containers, virtual machines, tunnels: by name.
  kLoopback,
};

struct LocalAddress {
  std::string name;         // The interface's.
  std::uint32_t index = 0;  // The interface's; scope of a link-local address.
  IpAddress ip;
  InterfaceKind kind = InterfaceKind::kPhysical;
  // An IPv6 privacy address (RFC 8981): preferred, since it says less.
  bool temporary = false;

  friend bool operator==(const LocalAddress&, const LocalAddress&) = default;
};

struct InterfaceOptions {
  bool loopback = false;    // 127.0.0.1 and ::1 too.
  bool link_local = false;  // 169.254/16 and fe80::/10 too.
};

// More are of no use to anyone: a host with hundreds of container bridges
// keeps its best.
inline constexpr std::size_t kMaxLocalAddresses = 64;

// What the system says of one address; only ListInterfaces and tests make it.
struct InterfaceEntry {
  LocalAddress address;
  bool up = true;      // Interface up and running.
  bool usable = true;  // Neither tentative, nor a duplicate, nor deprecated.
};

// The choice and the order behind ListInterfaces: by kind, global before
// link-local, then by interface; IPv4 before IPv6, temporary before permanent.
std::vector<LocalAddress> RankAddresses(std::vector<InterfaceEntry> entries,
                                        const InterfaceOptions& options);

// kVirtual by the name alone, else kPhysical where has_device says so.
InterfaceKind ClassifyInterface(const std::string& name, bool has_device);

// Empty where the system does not tell. Reads a few files of /proc and /sys;
// quick enough for the loop.
std::vector<LocalAddress> ListInterfaces(
    const InterfaceOptions& options = InterfaceOptions());

// The local address that a datagram to `to` would leave with, port 0; nullopt
// without a route. Sends nothing.
std::optional<SocketAddress> RouteSource(const SocketAddress& to);

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_INTERFACES_H_
