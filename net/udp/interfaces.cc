#include "net/udp/interfaces.h"

#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string_view>
#include <tuple>
#include <utility>

#include "net/base/bytes.h"
#include "net/udp/file_descriptor.h"
#include "net/udp/sockaddr.h"

namespace p2pcp::udp {
namespace {

// Names that container engines, hypervisors and VPNs give their interfaces.
// A peer elsewhere hardly ever shares such a network.
constexpr std::array<std::string_view, 23> kVirtualPrefixes = {
    "br-",       "cali",  "cilium", "cni",  "docker", "dummy",
    "flannel",   "ifb",   "lxc",    "lxd",  "podman", "nordlynx",
    "tailscale", "tap",   "tun",    "utun", "vbox",   "veth",
    "virbr",     "vmnet", "vnet",   "wg",   "zt"};

// IFA_F_* of every IPv6 address, by address and interface. getifaddrs does not
// tell them.
using Ipv6Flags = std::map<std::pair<IpAddress, std::uint32_t>, unsigned>;

// /proc/net/if_inet6: address, index, prefix length, scope, flags (all
// hexadecimal) and name, one address a line.
Ipv6Flags ReadIpv6Flags() {
  Ipv6Flags flags;
  std::ifstream file("/proc/net/if_inet6");
  std::string line;
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string address;
    unsigned index = 0;
    unsigned prefix_length = 0;
    unsigned scope = 0;
    unsigned value = 0;
    fields >> address >> std::hex >> index >> prefix_length >> scope >> value;
    const std::optional<IpAddress> ip = IpAddress::FromBytes(Unhex(address));
    if (fields && ip) flags[{*ip, index}] = value;
  }
  return flags;
}

bool HasDevice(const std::string& name) {
  const std::string path = "/sys/class/net/" + name + "/device";
  return access(path.c_str(), F_OK) == 0;
}

}  // namespace

InterfaceKind ClassifyInterface(const std::string& name, bool has_device) {
  const bool is_virtual = std::any_of(
      kVirtualPrefixes.begin(), kVirtualPrefixes.end(),
      [&name](std::string_view prefix) { return name.starts_with(prefix); });
  if (is_virtual) return InterfaceKind::kVirtual;
  return has_device ? InterfaceKind::kPhysical : InterfaceKind::kLogical;
}

std::vector<LocalAddress> RankAddresses(std::vector<InterfaceEntry> entries,
                                        const InterfaceOptions& options) {
  std::vector<LocalAddress> addresses;
  for (InterfaceEntry& entry : entries) {
    LocalAddress& address = entry.address;
    if (address.ip.IsLoopback()) address.kind = InterfaceKind::kLoopback;
    const bool wanted =
        entry.up && entry.usable && !address.ip.IsUnspecified() &&
        !address.ip.IsMulticast() && !address.ip.IsBroadcast() &&
        (options.loopback || address.kind != InterfaceKind::kLoopback) &&
        (options.link_local || !address.ip.IsLinkLocal());
    if (wanted) addresses.push_back(std::move(address));
  }
  const auto rank = [](const LocalAddress& address) {
    return std::tuple(address.kind, address.ip.IsLinkLocal(), address.index,
                      address.ip.is_v6(), !address.temporary, address.ip);
  };
  std::sort(addresses.begin(), addresses.end(),
            [&rank](const LocalAddress& a, const LocalAddress& b) {
              return rank(a) < rank(b);
            });
  if (addresses.size() > kMaxLocalAddresses) {
    addresses.resize(kMaxLocalAddresses);
  }
  return addresses;
}

std::vector<LocalAddress> ListInterfaces(const InterfaceOptions& options) {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first,
                                                               &freeifaddrs);
  const Ipv6Flags ipv6_flags = ReadIpv6Flags();
  std::vector<InterfaceEntry> entries;
  for (const ifaddrs* item = first; item != nullptr; item = item->ifa_next) {
    if (item->ifa_addr == nullptr) continue;
    const int family = item->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    Sockaddr sockaddr;
    std::memcpy(&sockaddr, item->ifa_addr,
                family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    const std::optional<SocketAddress> address = FromSockaddr(sockaddr);
    if (!address) continue;
    InterfaceEntry entry;
    entry.address.name = item->ifa_name;
    entry.address.index = if_nametoindex(item->ifa_name);
    entry.address.ip = address->ip;
    entry.address.kind =
        (item->ifa_flags & IFF_LOOPBACK) != 0
            ? InterfaceKind::kLoopback
            : ClassifyInterface(entry.address.name, HasDevice(item->ifa_name));
    entry.up =
        (item->ifa_flags & IFF_UP) != 0 && (item->ifa_flags & IFF_RUNNING) != 0;
    const auto flags = ipv6_flags.find({entry.address.ip, entry.address.index});
    if (flags != ipv6_flags.end()) {
      entry.usable = (flags->second & (IFA_F_TENTATIVE | IFA_F_DADFAILED |
                                       IFA_F_DEPRECATED)) == 0;
      entry.address.temporary = (flags->second & IFA_F_TEMPORARY) != 0;
    }
    entries.push_back(std::move(entry));
  }
  return RankAddresses(std::move(entries), options);
}

std::optional<SocketAddress> RouteSource(const SocketAddress& to) {
  const FileDescriptor fd(
      socket(to.ip.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return std::nullopt;
  Sockaddr address;
  const socklen_t size = ToSockaddr(to, &address);
  if (connect(fd.get(), &address.any, size) != 0) return std::nullopt;
  socklen_t local_size = sizeof(address);
  if (getsockname(fd.get(), &address.any, &local_size) != 0) {
    return std::nullopt;
  }
  std::optional<SocketAddress> source = FromSockaddr(address);
  if (source) source->port = 0;
  return source;
}

}  // namespace p2pcp::udp
