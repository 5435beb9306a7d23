#include "tests/sim/nat.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::sim {
namespace {

constexpr std::uint32_t kFirstPort = 1024;
constexpr std::uint32_t kPorts = 65536;

}  // namespace

Nat::Nat(Simulator& simulator, const NatOptions& options,
         std::vector<IpAddress> external)
    : simulator_(simulator), options_(options), next_port_(options.first_port) {
  Renumber(std::move(external));
}

void Nat::Rebind() {
  for (const auto& [external, key] : by_external_) retired_.insert(external);
  mappings_.clear();
  by_external_.clear();
}

void Nat::Renumber(std::vector<IpAddress> external) {
  P2PCP_CHECK(!external.empty());
  for (const IpAddress& ip : external) P2PCP_CHECK(ip.is_v4());
  external_ = std::move(external);
  mappings_.clear();
  by_external_.clear();
  retired_.clear();
}

std::optional<SocketAddress> Nat::Find(const SocketAddress& inside,
                                       const SocketAddress& remote) const {
  const auto found =
      mappings_.find({inside, Project(options_.mapping, remote)});
  if (found == mappings_.end() || found->second.expires <= simulator_.now()) {
    return std::nullopt;
  }
  return found->second.external;
}

void Nat::HandleOutbound(PacketPtr packet) {
  if (--packet->hop_limit <= 0 || !packet->to.ip.is_v4()) return;
  Mapping* mapping = MapOutbound(packet->from, packet->to);
  if (mapping == nullptr) {
    ++stats_.exhausted;
    return;
  }
  packet->from = mapping->external;
  if (!IsExternal(packet->to.ip)) {
    SendOutside(std::move(packet));
    return;
  }
  if (!options_.hairpin) {
    ++stats_.hairpin_drops;
    return;
  }
  if (!Translate(*packet)) return;
  ++stats_.hairpinned;
  SendInside(std::move(packet));
}

void Nat::HandleInbound(PacketPtr packet) {
  if (--packet->hop_limit <= 0) return;
  if (Translate(*packet)) SendInside(std::move(packet));
}

bool Nat::Translate(Packet& packet) {
  const TimePoint now = simulator_.now();
  const auto found = by_external_.find(packet.to);
  if (found == by_external_.end()) {
    ++stats_.unmapped;
    return false;
  }
  const Key key = found->second;
  Mapping& mapping = mappings_.at(key);
  if (mapping.expires <= now) {
    Forget(key);
    ++stats_.unmapped;
    return false;
  }
  if (!mapping.flows.Admits(now, packet.from, options_.inbound_refresh)) {
    ++stats_.filtered;
    return false;
  }
  if (options_.inbound_refresh) mapping.expires = now + options_.timeout;
  packet.to = mapping.inside;
  return true;
}

Nat::Mapping* Nat::MapOutbound(const SocketAddress& inside,
                               const SocketAddress& remote) {
  const TimePoint now = simulator_.now();
  const Key key{inside, Project(options_.mapping, remote)};
  auto found = mappings_.find(key);
  if (found != mappings_.end() && found->second.expires <= now) {
    Forget(key);
    found = mappings_.end();
  }
  if (found == mappings_.end()) {
    if (mappings_.size() >= options_.max_mappings) return nullptr;
    const std::optional<SocketAddress> external = Allocate(inside);
    if (!external) return nullptr;
    found =
        mappings_
            .emplace(key,
                     Mapping{inside, *external, now,
                             FlowTable(options_.filtering, options_.timeout)})
            .first;
    by_external_.emplace(*external, key);
    ++stats_.mappings;
  }
  found->second.expires = now + options_.timeout;
  found->second.flows.Open(now, remote);
  return &found->second;
}

void Nat::Forget(const Key& key) {
  const auto found = mappings_.find(key);
  by_external_.erase(found->second.external);
  mappings_.erase(found);
}

std::optional<SocketAddress> Nat::Allocate(const SocketAddress& inside) {
  IpAddress ip = external_.front();
  if (external_.size() > 1) {
    const std::uint64_t pick =
        options_.paired_pooling
            ? std::to_integer<std::uint64_t>(inside.ip.bytes().back())
            : simulator_.random().NextU64();
    ip = external_[pick % external_.size()];
  }
  std::optional<std::uint16_t> port;
  switch (options_.allocation) {
    case PortAllocation::kPreserve:
      port = IsFree({.ip = ip, .port = inside.port})
                 ? inside.port
                 : RandomPort(ip, kFirstPort, kPorts - kFirstPort);
      break;
    case PortAllocation::kSequential:
      for (std::uint32_t tries = 0; tries < kPorts && !port; ++tries) {
        const auto candidate = static_cast<std::uint16_t>(next_port_);
        next_port_ += options_.step;
        if (next_port_ >= kPorts) next_port_ = options_.first_port;
        if (IsFree({.ip = ip, .port = candidate})) port = candidate;
      }
      break;
    case PortAllocation::kRandom:
      port = RandomPort(ip, kFirstPort, kPorts - kFirstPort);
      break;
    case PortAllocation::kBlock:
      port = RandomPort(ip, options_.first_port, options_.block_size);
      break;
  }
  if (!port) return std::nullopt;
  return SocketAddress{.ip = ip, .port = *port};
}

std::optional<std::uint16_t> Nat::RandomPort(const IpAddress& ip,
                                             std::uint32_t first,
                                             std::uint32_t count) {
  // From a random one upwards, so that a nearly full range still ends.
  const std::uint64_t start = simulator_.random().Below(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto port = static_cast<std::uint16_t>(first + (start + i) % count);
    if (IsFree({.ip = ip, .port = port})) return port;
  }
  return std::nullopt;
}

bool Nat::IsFree(const SocketAddress& external) const {
  return !by_external_.contains(external) && !retired_.contains(external);
}

bool Nat::IsExternal(const IpAddress& ip) const {
  return std::find(external_.begin(), external_.end(), ip) != external_.end();
}

}  // namespace p2pcp::sim
