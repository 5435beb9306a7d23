#include "net/stun/filtering_discovery.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::stun {

using State = BindingTransaction::State;

bool FilteringDiscovery::IsUsable(const SocketAddress& server,
                                  const SocketAddress& other) {
  return other.ip.is_v6() == server.ip.is_v6() && other.ip != server.ip &&
         other.port != server.port && other.port != 0 &&
         !other.ip.IsUnspecified() && !other.ip.IsMulticast() &&
         !other.ip.IsBroadcast();
}

FilteringDiscovery::FilteringDiscovery(TimePoint now,
                                       const SocketAddress& server,
                                       const SocketAddress& other,
                                       Random& random)
    : other_(other),
      questions_{BindingTransaction(now, server, {.ip = true, .port = true},
                                    other, random),
                 BindingTransaction(now, server, {.ip = false, .port = true},
                                    {.ip = server.ip,
                                     .port = other.port,
                                     .scope_id = server.scope_id},
                                    random)} {
  P2PCP_CHECK(IsUsable(server, other));
}

Dependence FilteringDiscovery::result() const {
  const State anywhere = questions_[0].state();
  const State same_address = questions_[1].state();
  if (anywhere == State::kSucceeded) return Dependence::kEndpointIndependent;
  if (anywhere != State::kTimedOut) return Dependence::kUnknown;
  if (same_address == State::kSucceeded) return Dependence::kAddressDependent;
  return same_address == State::kTimedOut ? Dependence::kAddressAndPortDependent
                                          : Dependence::kUnknown;
}

std::optional<std::size_t> FilteringDiscovery::PollTransmit(
    TimePoint now, MutableByteSpan out) {
  for (BindingTransaction& question : questions_) {
    if (const auto size = question.PollTransmit(now, out)) return size;
  }
  return std::nullopt;
}

void FilteringDiscovery::HandleTimeout(TimePoint now) {
  for (BindingTransaction& question : questions_) question.HandleTimeout(now);
}

std::optional<TimePoint> FilteringDiscovery::PollTimeout() const {
  if (questions_[0].state() == State::kSucceeded) return std::nullopt;
  std::optional<TimePoint> next;
  for (const BindingTransaction& question : questions_) {
    const auto due = question.PollTimeout();
    if (due) next = std::min(next.value_or(*due), *due);
  }
  return next;
}

bool FilteringDiscovery::HandleDatagram(TimePoint now,
                                        const SocketAddress& from,
                                        ByteSpan datagram) {
  return std::ranges::any_of(questions_, [&](BindingTransaction& question) {
    return question.HandleDatagram(now, from, datagram);
  });
}

}  // namespace p2pcp::stun
