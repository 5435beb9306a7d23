#include "tests/sim/nat.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::sim {
namespace {

constexpr std::uint32_t kFirstPort = 1024;
constexpr std::uint32_t kPorts = 65536;
// What Linux grants a flow that nobody has answered.
constexpr Duration kUnreplied = 30s;

}  // namespace

Nat::Nat(Simulator& simulator, const NatOptions& options,
         std::vector<IpAddress> external)
    : simulator_(simulator), options_(options), next_port_(options.first_port) {
  Renumber(std::move(external));
}

void Nat::Rebind() {
  for (const auto& [outside, key] : by_external_)
    retired_.insert(outside.first);
  mappings_.clear();
  by_external_.clear();
  detours_.clear();
}

void Nat::Renumber(std::vector<IpAddress> external) {
  P2PCP_CHECK(!external.empty());
  for (const IpAddress& ip : external) P2PCP_CHECK(ip.is_v4());
  external_ = std::move(external);
  mappings_.clear();
  by_external_.clear();
  detours_.clear();
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
  if (Translate(*packet)) {
    SendInside(std::move(packet));
  } else if (options_.poisonable) {
    // The translation has left the packet as it was.
    poison_[{packet->to, packet->from}] = simulator_.now() + kUnreplied;
  }
}

bool Nat::Translate(Packet& packet) {
  const TimePoint now = simulator_.now();
  const auto found = by_external_.find(Outside(packet.to, packet.from));
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
  Key key{inside, Project(options_.mapping, remote)};
  const auto detours = detours_.find(inside);
  const bool known = detours != detours_.end();
  if (known) key = WayOf(key, detours->second, remote);
  Mapping* mapping = FindOrMake(key, known && key == detours->second.back());
  if (mapping != nullptr && IsPoisoned(mapping->external, remote)) {
    ++stats_.poisoned;
    key = {inside, remote};
    detours_[inside].push_back(key);
    mapping = FindOrMake(key, true);
  }
  if (mapping == nullptr) return nullptr;
  mapping->expires = now + options_.timeout;
  mapping->flows.Open(now, remote);
  return mapping;
}

Nat::Key Nat::WayOf(const Key& plain, const std::vector<Key>& detours,
                    const SocketAddress& remote) {
  const auto has_flow = [&](const Key& key) {
    const auto found = mappings_.find(key);
    return found != mappings_.end() &&
           found->second.flows.Admits(simulator_.now(), remote, false);
  };
  if (has_flow(plain)) return plain;
  const auto found = std::find_if(detours.begin(), detours.end(), has_flow);
  return found != detours.end() ? *found : detours.back();
}

Nat::Mapping* Nat::FindOrMake(const Key& key, bool anywhere) {
  const TimePoint now = simulator_.now();
  auto found = mappings_.find(key);
  if (found != mappings_.end() && found->second.expires <= now) {
    Forget(key);
    found = mappings_.end();
  }
  if (found != mappings_.end()) return &found->second;
  if (mappings_.size() >= options_.max_mappings) return nullptr;
  std::optional<SocketAddress> external;
  if (anywhere) {
    const auto port =
        RandomPort(key, external_.front(), kFirstPort, kPorts - kFirstPort);
    if (port) external = SocketAddress{.ip = external_.front(), .port = *port};
  } else {
    external = Allocate(key);
  }
  if (!external) return nullptr;
  by_external_.emplace(Outside(*external, key.second), key);
  ++stats_.mappings;
  return &mappings_
              .emplace(key,
                       Mapping{key.first, *external, now,
                               FlowTable(options_.filtering, options_.timeout)})
              .first->second;
}

bool Nat::IsPoisoned(const SocketAddress& external,
                     const SocketAddress& remote) {
  if (!options_.poisonable) return false;
  const auto found = poison_.find({external, remote});
  return found != poison_.end() && found->second > simulator_.now();
}

void Nat::Forget(const Key& key) {
  const auto found = mappings_.find(key);
  by_external_.erase(Outside(found->second.external, key.second));
  mappings_.erase(found);
}

std::optional<SocketAddress> Nat::Allocate(const Key& key) {
  const SocketAddress& inside = key.first;
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
      port = IsFree(key, {.ip = ip, .port = inside.port})
                 ? inside.port
                 : RandomPort(key, ip, kFirstPort, kPorts - kFirstPort);
      break;
    case PortAllocation::kSequential:
      for (std::uint32_t tries = 0; tries < kPorts && !port; ++tries) {
        const auto candidate = static_cast<std::uint16_t>(next_port_);
        next_port_ += options_.step;
        if (next_port_ >= kPorts) next_port_ = options_.first_port;
        if (IsFree(key, {.ip = ip, .port = candidate})) port = candidate;
      }
      break;
    case PortAllocation::kRandom:
      port = RandomPort(key, ip, kFirstPort, kPorts - kFirstPort);
      break;
    case PortAllocation::kBlock:
      port = RandomPort(key, ip, options_.first_port, options_.block_size);
      break;
  }
  if (!port) return std::nullopt;
  return SocketAddress{.ip = ip, .port = *port};
}

std::optional<std::uint16_t> Nat::RandomPort(const Key& key,
                                             const IpAddress& ip,
                                             std::uint32_t first,
                                             std::uint32_t count) {
  // From a random one upwards, so that a nearly full range still ends.
  const std::uint64_t start = simulator_.random().Below(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto port = static_cast<std::uint16_t>(first + (start + i) % count);
    if (IsFree(key, {.ip = ip, .port = port})) return port;
  }
  return std::nullopt;
}

bool Nat::IsFree(const Key& key, const SocketAddress& external) const {
  return !by_external_.contains(Outside(external, key.second)) &&
         !retired_.contains(external);
}

bool Nat::IsExternal(const IpAddress& ip) const {
  return std::find(external_.begin(), external_.end(), ip) != external_.end();
}

}  // namespace p2pcp::sim
