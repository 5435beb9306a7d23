#include "net/ice/virtual_network.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::ice {

SocketAddress VirtualNat::Outbound(const SocketAddress& from,
                                   const SocketAddress& to) {
  auto mapping = std::ranges::find_if(mappings_, [&](const Mapping& m) {
    return m.inside == from && (!m.only || *m.only == to);
  });
  if (mapping == mappings_.end()) {
    mappings_.push_back({.inside = from, .port = next_port_++});
    mapping = std::prev(mappings_.end());
    if (kind_ == NatKind::kSymmetric) mapping->only = to;
  }
  mapping->contacted.insert(to);
  return {.ip = ip_, .port = mapping->port};
}

std::optional<SocketAddress> VirtualNat::Inbound(
    const SocketAddress& from, const SocketAddress& to) const {
  for (const Mapping& mapping : mappings_) {
    if (mapping.port != to.port) continue;
    const bool passes =
        kind_ == NatKind::kFullCone ||
        (kind_ == NatKind::kAddressRestricted
             ? std::ranges::any_of(mapping.contacted,
                                   [&](const SocketAddress& peer) {
                                     return peer.ip == from.ip;
                                   })
             : mapping.contacted.contains(from));
    if (passes) return mapping.inside;
  }
  return std::nullopt;
}

void VirtualNetwork::AddHost(const IpAddress& ip, VirtualNat* nat,
                             Receiver receiver) {
  hosts_.push_back({ip, nat, std::move(receiver)});
}

const VirtualNetwork::Host* VirtualNetwork::FindHost(
    const IpAddress& ip, const VirtualNat* nat) const {
  const auto host = std::ranges::find_if(
      hosts_, [&](const Host& h) { return h.ip == ip && h.nat == nat; });
  return host == hosts_.end() ? nullptr : &*host;
}

void VirtualNetwork::Send(TimePoint now, VirtualDatagram datagram) {
  ++sent_;
  const auto sender = std::ranges::find(hosts_, datagram.from.ip, &Host::ip);
  P2PCP_CHECK(sender != hosts_.end());
  VirtualNat* nat = sender->nat;
  if (nat && FindHost(datagram.to.ip, nat)) {
    if (tap && tap(now, datagram)) return;
    in_flight_.emplace(std::pair(now + one_way_, sequence_++),
                       std::tuple(nat, std::move(datagram)));
    return;
  }
  if (nat) datagram.from = nat->Outbound(datagram.from, datagram.to);
  if (tap && tap(now, datagram)) return;
  Route(now, std::move(datagram));
}

void VirtualNetwork::Route(TimePoint now, VirtualDatagram datagram) {
  in_flight_.emplace(std::pair(now + one_way_, sequence_++),
                     std::tuple(nullptr, std::move(datagram)));
}

std::optional<TimePoint> VirtualNetwork::NextArrival() const {
  if (in_flight_.empty()) return std::nullopt;
  return in_flight_.begin()->first.first;
}

void VirtualNetwork::Deliver(TimePoint now) {
  while (!in_flight_.empty() && in_flight_.begin()->first.first <= now) {
    auto [lan, datagram] = std::move(in_flight_.begin()->second);
    in_flight_.erase(in_flight_.begin());
    const Host* host = FindHost(datagram.to.ip, lan);
    if (!host && !lan) {
      for (const Host& candidate : hosts_) {
        if (!candidate.nat || candidate.nat->ip() != datagram.to.ip) continue;
        const auto inside = candidate.nat->Inbound(datagram.from, datagram.to);
        if (!inside) continue;
        datagram.to = *inside;
        host = FindHost(inside->ip, candidate.nat);
        break;
      }
    }
    if (host) {
      host->receiver(now, datagram);
    } else {
      strays_.push_back(std::move(datagram));
    }
  }
}

}  // namespace p2pcp::ice
