// For tests: hosts, NATs and datagrams in memory, on virtual time. Each host
// has one IPv4 address and stands on the public network or behind a NAT of its
// own; hosts given the same NAT are neighbours on its LAN. No NAT hairpins.

#ifndef P2PCP_NET_ICE_VIRTUAL_NETWORK_H_
#define P2PCP_NET_ICE_VIRTUAL_NETWORK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"

namespace p2pcp::ice {

// RFC 4787's mapping and filtering, by their old names.
enum class NatKind {
  kFullCone,           // Endpoint-independent mapping and filtering.
  kAddressRestricted,  // Endpoint-independent mapping, address-dep. filtering.
  kPortRestricted,     // ..., address- and port-dependent filtering.
  kSymmetric,          // Address- and port-dependent mapping and filtering.
};

class VirtualNat {
 public:
  VirtualNat(NatKind kind, IpAddress ip) : kind_(kind), ip_(ip) {}

  const IpAddress& ip() const { return ip_; }
  // The source that the world sees.
  SocketAddress Outbound(const SocketAddress& from, const SocketAddress& to);
  // Where a packet from outside goes, if it may pass.
  std::optional<SocketAddress> Inbound(const SocketAddress& from,
                                       const SocketAddress& to) const;
  // Forgets every mapping; new ones get new ports.
  void Reboot() { mappings_.clear(); }

 private:
  struct Mapping {
    SocketAddress inside;
    std::optional<SocketAddress> only{};  // kSymmetric: the one destination.
    std::uint16_t port = 0;
    std::set<SocketAddress> contacted{};
  };

  NatKind kind_;
  IpAddress ip_;
  std::uint16_t next_port_ = 40000;
  std::vector<Mapping> mappings_;
};

struct VirtualDatagram {
  SocketAddress from;
  SocketAddress to;
  Bytes bytes;
};

class VirtualNetwork {
 public:
  using Receiver = std::function<void(TimePoint, const VirtualDatagram&)>;

  explicit VirtualNetwork(Duration one_way) : one_way_(one_way) {}

  // nat: nullptr for a host on the public network; must outlive this.
  void AddHost(const IpAddress& ip, VirtualNat* nat, Receiver receiver);
  // From the socket at `from` of one of the hosts.
  void Send(TimePoint now, VirtualDatagram datagram);
  // Past all NATs and filters, as from anywhere in the public network.
  void Inject(TimePoint now, VirtualDatagram datagram) {
    Route(now, std::move(datagram));
  }

  std::optional<TimePoint> NextArrival() const;
  void Deliver(TimePoint now);

  // Sees each datagram as it leaves the sender's NAT and may change it; true
  // drops it.
  std::function<bool(TimePoint, VirtualDatagram&)> tap;
  std::uint64_t sent() const { return sent_; }
  // Datagrams that reached an address where nobody is.
  const std::vector<VirtualDatagram>& strays() const { return strays_; }

 private:
  struct Host {
    IpAddress ip;
    VirtualNat* nat = nullptr;
    Receiver receiver;
  };

  void Route(TimePoint now, VirtualDatagram datagram);
  const Host* FindHost(const IpAddress& ip, const VirtualNat* nat) const;

  Duration one_way_;
  std::uint64_t sent_ = 0;
  std::uint64_t sequence_ = 0;
  std::vector<Host> hosts_;
  std::vector<VirtualDatagram> strays_;
  std::map<std::pair<TimePoint, std::uint64_t>,
           std::tuple<const VirtualNat*, VirtualDatagram>>
      in_flight_;
};

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_VIRTUAL_NETWORK_H_
