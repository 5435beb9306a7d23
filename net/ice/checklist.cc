#include "net/ice/checklist.h"

#include <algorithm>
#include <utility>

namespace p2pcp::ice {
namespace {

const IpAddress& LocalIp(const Candidate& local) {
  return local.base.port != 0 ? local.base.ip : local.address.ip;
}

}  // namespace

bool Checklist::AddLocal(std::span<const Candidate> candidates) {
  for (const Candidate& candidate : candidates) {
    if (std::ranges::find(local_, candidate) != local_.end()) continue;
    // What matters of them is which sockets there are, of what family. A host
    // that moves has ever new ones; the oldest goes that is one of several of
    // its socket.
    if (local_.size() == kMaxCandidates) {
      const auto spare = std::ranges::find_if(local_, [&](const Candidate& c) {
        return std::ranges::count(local_, c.socket, &Candidate::socket) > 1;
      });
      if (spare == local_.end()) {
        ++refused_;
        continue;
      }
      local_.erase(spare);
    }
    local_.push_back(candidate);
  }
  return FormPairs();
}

bool Checklist::AddRemote(std::span<const Candidate> candidates, TimePoint now,
                          const Pair* kept) {
  bool formed = false;
  for (const Candidate& candidate : candidates) {
    const SocketAddress& address = candidate.address;
    // Loopback is held back in FormPairs(). A scope is that of an interface
    // here, by which a link-local address is reached.
    if (!IsProbeable(address, /*allow_loopback=*/true) ||
        (address.scope_id != 0 && !address.ip.IsLinkLocal()) ||
        candidate.type == CandidateType::kPeerReflexive) {
      ++refused_;
      continue;
    }
    if (std::ranges::find(remote_, address, &Candidate::address) !=
        remote_.end()) {
      continue;
    }
    const bool counts = !IsProven(address.ip);
    if ((counts && remote_ever_ == kMaxRemoteEver) ||
        (remote_.size() == kMaxCandidates && !EvictRemote(now, kept))) {
      ++refused_;
      continue;
    }
    if (counts) ++remote_ever_;
    remote_.push_back(candidate);
    // At once, so that the next one does not take it for useless.
    formed = FormPairs() || formed;
  }
  return formed;
}

bool Checklist::IsProven(const IpAddress& ip) const {
  return std::ranges::any_of(pairs_, [&](const auto& pair) {
    return pair->proven() && pair->remote().ip == ip;
  });
}

bool Checklist::EvictRemote(TimePoint now, const Pair* kept) {
  if (local_.empty()) return false;
  // All of its pairs have failed or fallen silent, or no socket of ours can
  // reach it at all.
  const auto failed = std::ranges::find_if(remote_, [&](const Candidate& c) {
    return std::ranges::none_of(pairs_, [&](const auto& pair) {
      return pair->remote() == c.address &&
             (pair.get() == kept ||
              (pair->state() != PairState::kFailed &&
               !(pair->proven() && !pair->HeardSince(now - kStaleAfter))));
    });
  });
  if (failed == remote_.end()) return false;
  std::erase_if(pairs_, [&](const auto& pair) {
    return pair->remote() == failed->address;
  });
  remote_.erase(failed);
  return true;
}

bool Checklist::LoopbackAllowed() const {
  if (allow_loopback_) return true;
  return std::ranges::any_of(remote_, [&](const Candidate& remote) {
    return remote.type == CandidateType::kHost &&
           !remote.address.ip.IsLoopback() &&
           std::ranges::any_of(local_, [&](const Candidate& local) {
             return local.type == CandidateType::kHost &&
                    local.address.ip == remote.address.ip;
           });
  });
}

std::uint64_t Checklist::PairPriority(std::uint8_t socket,
                                      std::uint32_t remote_priority) const {
  std::uint32_t local_priority = 0;
  for (const Candidate& local : local_) {
    if (local.socket != socket) continue;
    local_priority = std::max(local_priority, local.priority);
  }
  return role_ == Role::kControlling
             ? ComputePairPriority(local_priority, remote_priority)
             : ComputePairPriority(remote_priority, local_priority);
}

bool Checklist::IsRelay(std::uint8_t socket) const {
  return std::ranges::any_of(local_, [socket](const Candidate& local) {
    return local.socket == socket && local.type == CandidateType::kRelayed;
  });
}

bool Checklist::FormPairs() {
  const bool loopback = LoopbackAllowed();
  bool formed = false;
  for (const Candidate& remote : remote_) {
    if (remote.address.ip.IsLoopback() && !loopback) continue;
    for (const Candidate& local : local_) {
      if (LocalIp(local).is_v4() != remote.address.ip.is_v4()) continue;
      if (Pair* known = Find(local.socket, remote.address)) {
        if (known->peer_reflexive()) {
          known->SetSignalled(remote.type,
                              PairPriority(local.socket, remote.priority));
        }
        continue;
      }
      if (pairs_.size() == kMaxPairs) {
        ++refused_;
        continue;
      }
      pairs_.push_back(std::make_unique<Pair>(
          Pair::Config{.id = NextId(),
                       .socket = local.socket,
                       .remote = remote.address,
                       .remote_type = remote.type,
                       .priority = PairPriority(local.socket, remote.priority),
                       .relayed = local.type == CandidateType::kRelayed ||
                                  remote.type == CandidateType::kRelayed}));
      formed = true;
    }
  }
  return formed;
}

Pair* Checklist::Find(std::uint8_t socket, const SocketAddress& remote) const {
  for (const auto& pair : pairs_) {
    if (pair->Is(socket, remote)) return pair.get();
  }
  return nullptr;
}

Pair* Checklist::FindById(PairId id) const {
  for (const auto& pair : pairs_) {
    if (pair->id() == id) return pair.get();
  }
  return nullptr;
}

Pair* Checklist::FindOrAddPeerReflexive(std::uint8_t socket,
                                        const SocketAddress& remote,
                                        const Pair* kept, bool late) {
  if (Pair* known = Find(socket, remote)) return known;
  // No packet from outside can bear a loopback source (RFC 1122 section
  // 3.2.1.3), so an authentic one proves that the peer is on this host.
  if (!IsProbeable(remote, /*allow_loopback=*/true)) {
    ++refused_;
    return nullptr;
  }
  const auto reflexive = std::ranges::count_if(
      pairs_, [](const auto& pair) { return pair->peer_reflexive(); });
  if (reflexive >= static_cast<std::ptrdiff_t>(kMaxPeerReflexive) ||
      pairs_.size() == kMaxPairs) {
    // An unproven one goes first, then the one that was silent longest.
    auto victim = pairs_.end();
    for (auto it = pairs_.begin(); it != pairs_.end(); ++it) {
      if (!(*it)->peer_reflexive() || it->get() == kept) continue;
      if (victim == pairs_.end() ||
          std::pair((*it)->proven(), (*it)->last_heard()) <
              std::pair((*victim)->proven(), (*victim)->last_heard())) {
        victim = it;
      }
    }
    if (victim == pairs_.end()) {
      ++refused_;
      return nullptr;
    }
    pairs_.erase(victim);
  }
  pairs_.push_back(std::make_unique<Pair>(Pair::Config{
      .id = NextId(),
      .socket = socket,
      .remote = remote,
      .remote_type = CandidateType::kPeerReflexive,
      .priority = PairPriority(
          socket, ComputePriority(CandidateType::kPeerReflexive, 0)),
      .late = late,
      .relayed = IsRelay(socket)}));
  return pairs_.back().get();
}

bool Checklist::BookSend(Pair& pair, std::size_t size) {
  if (!pair.MaySend(size)) return false;
  if (!pair.proven() && !pair.peer_reflexive()) {
    const IpAddress& ip = pair.remote().ip;
    auto budget = std::ranges::find(budgets_, ip, &Budget::ip);
    if (budget == budgets_.end()) {
      if (budgets_.size() == kMaxRemoteEver) return false;
      budget = budgets_.insert(budget, {.ip = ip, .renewed = {}});
    }
    if (budget->sent == kMaxProbesPerAddress) return false;
    ++budget->sent;
  }
  pair.OnSent(size);
  return true;
}

void Checklist::OnProven(TimePoint now, const Pair& pair) {
  const auto budget =
      std::ranges::find(budgets_, pair.remote().ip, &Budget::ip);
  if (budget == budgets_.end() ||
      now < budget->renewed + kProbeBudgetInterval) {
    return;
  }
  budget->sent = 0;
  budget->renewed = now;
}

bool Checklist::HasLocalAddress(const IpAddress& ip) const {
  return std::ranges::any_of(
      local_, [&](const Candidate& local) { return local.address.ip == ip; });
}

CandidateType Checklist::LocalType(const Pair& pair) const {
  // What reaches a private or an IPv6 address passes no NAT of ours that
  // matters; otherwise, if STUN has seen this socket under another address,
  // the packets go out under that.
  if (!pair.remote().ip.IsPrivate() && !pair.remote().ip.IsLoopback()) {
    for (const Candidate& local : local_) {
      if (local.socket == pair.socket() &&
          local.type == CandidateType::kServerReflexive &&
          local.address != local.base) {
        return CandidateType::kServerReflexive;
      }
    }
  }
  return CandidateType::kHost;
}

}  // namespace p2pcp::ice
