#include "net/connect/reflexive_gatherer.h"

#include <algorithm>

namespace p2pcp::connect {

void ReflexiveGatherer::AddServer(TimePoint now, const SocketAddress& server,
                                  std::uint8_t socket) {
  const auto known = [&](const Server& other) {
    return other.address == server && other.socket == socket;
  };
  if (servers_.size() >= kMaxServers ||
      std::any_of(servers_.begin(), servers_.end(), known)) {
    return;
  }
  Server entry;
  entry.address = server;
  entry.socket = socket;
  entry.transaction.emplace(now, server, random_);
  entry.refresh_at = now + kRefresh;
  servers_.push_back(std::move(entry));
}

std::vector<ReflexiveGatherer::Mapping> ReflexiveGatherer::mappings() const {
  std::vector<Mapping> mappings;
  for (const Server& server : servers_) {
    if (server.mapped) {
      mappings.push_back({server.socket, server.address, *server.mapped});
    }
  }
  return mappings;
}

bool ReflexiveGatherer::HasAsked(const IpAddress& ip) const {
  return std::ranges::any_of(
      servers_, [&](const Server& server) { return server.address.ip == ip; });
}

stun::Dependence ReflexiveGatherer::filtering() const {
  // A server that was added since has opened the filter for its other address.
  if (!filtering_ || HasAsked(filtering_->other().ip)) {
    return stun::Dependence::kUnknown;
  }
  return filtering_->result();
}

bool ReflexiveGatherer::HandleDatagram(TimePoint now, std::uint8_t socket,
                                       const SocketAddress& from,
                                       ByteSpan datagram) {
  if (filtering_ && socket == filtering_socket_ &&
      filtering_->HandleDatagram(now, from, datagram)) {
    return true;
  }
  for (Server& server : servers_) {
    if (server.socket != socket || !server.transaction ||
        !server.transaction->HandleDatagram(now, from, datagram)) {
      continue;
    }
    if (server.transaction->state() ==
            stun::BindingTransaction::State::kSucceeded &&
        server.mapped != server.transaction->mapped_address()) {
      server.mapped = server.transaction->mapped_address();
      changes_.push_back({socket, server.address, *server.mapped});
      const auto& other = server.transaction->other_address();
      if (!filtering_ && !stopped_ && other && from.ip.is_v4() &&
          stun::FilteringDiscovery::IsUsable(from, *other) &&
          !HasAsked(other->ip)) {
        filtering_.emplace(now, from, *other, random_);
        filtering_socket_ = socket;
      }
    }
    return true;
  }
  return false;
}

void ReflexiveGatherer::Stop() {
  stopped_ = true;
  for (Server& server : servers_) server.transaction.reset();
  if (filtering_ && filtering_->PollTimeout()) filtering_.reset();
}

void ReflexiveGatherer::Refresh(TimePoint now) {
  for (Server& server : servers_) {
    if (server.transaction && server.transaction->PollTimeout()) continue;
    server.transaction.emplace(now, server.address, random_);
    server.refresh_at = now + kRefresh;
  }
}

void ReflexiveGatherer::HandleTimeout(TimePoint now) {
  if (filtering_) filtering_->HandleTimeout(now);
  for (Server& server : servers_) {
    if (!stopped_ && now >= server.refresh_at) {
      server.transaction.emplace(now, server.address, random_);
      server.refresh_at = now + kRefresh;
    } else if (server.transaction) {
      server.transaction->HandleTimeout(now);
    }
  }
}

std::optional<TimePoint> ReflexiveGatherer::PollTimeout() const {
  std::optional<TimePoint> earliest;
  if (filtering_) earliest = filtering_->PollTimeout();
  for (const Server& server : servers_) {
    std::optional<TimePoint> due;
    if (server.transaction) due = server.transaction->PollTimeout();
    if (!stopped_) {
      due = std::min(due.value_or(server.refresh_at), server.refresh_at);
    }
    if (due && (!earliest || *due < *earliest)) earliest = due;
  }
  return earliest;
}

std::optional<ReflexiveGatherer::Transmit> ReflexiveGatherer::PollTransmit(
    TimePoint now, MutableByteSpan out) {
  for (Server& server : servers_) {
    if (!server.transaction) continue;
    if (const auto size = server.transaction->PollTransmit(now, out)) {
      return Transmit{server.socket, server.address, *size};
    }
  }
  if (filtering_) {
    if (const auto size = filtering_->PollTransmit(now, out)) {
      return Transmit{filtering_socket_, filtering_->server(), *size};
    }
  }
  return std::nullopt;
}

std::optional<ReflexiveGatherer::Mapping> ReflexiveGatherer::PollMapping() {
  if (changes_.empty()) return std::nullopt;
  const Mapping mapping = changes_.front();
  changes_.pop_front();
  return mapping;
}

}  // namespace p2pcp::connect
