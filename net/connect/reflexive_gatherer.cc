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

bool ReflexiveGatherer::HandleDatagram(TimePoint now, std::uint8_t socket,
                                       const SocketAddress& from,
                                       ByteSpan datagram) {
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
    }
    return true;
  }
  return false;
}

void ReflexiveGatherer::HandleTimeout(TimePoint now) {
  if (stopped_) return;
  for (Server& server : servers_) {
    if (now >= server.refresh_at) {
      server.transaction.emplace(now, server.address, random_);
      server.refresh_at = now + kRefresh;
    } else {
      server.transaction->HandleTimeout(now);
    }
  }
}

std::optional<TimePoint> ReflexiveGatherer::PollTimeout() const {
  if (stopped_) return std::nullopt;
  std::optional<TimePoint> earliest;
  for (const Server& server : servers_) {
    const TimePoint due =
        std::min(server.refresh_at,
                 server.transaction->PollTimeout().value_or(server.refresh_at));
    if (!earliest || due < *earliest) earliest = due;
  }
  return earliest;
}

std::optional<ReflexiveGatherer::Transmit> ReflexiveGatherer::PollTransmit(
    TimePoint now, MutableByteSpan out) {
  if (stopped_) return std::nullopt;
  for (Server& server : servers_) {
    if (const auto size = server.transaction->PollTransmit(now, out)) {
      return Transmit{server.socket, server.address, *size};
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
