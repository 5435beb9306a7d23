#include "net/ice/agent.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::ice {

Agent::Agent(const Config& config, Random& random)
    : config_(config),
      random_(&random),
      checklist_(config.role, config.allow_loopback) {
  P2PCP_CHECK(config.probe_size >= Probe::kSize);
}

void Agent::AddLocalCandidates(TimePoint now,
                               std::span<const Candidate> candidates) {
  StartNewPairs(now, checklist_.AddLocal(candidates));
}

void Agent::AddRemoteCandidates(TimePoint now,
                                std::span<const Candidate> candidates) {
  if (failed_) return;
  if (!begin_) {
    begin_ = now;
    fail_at_ = now + kFailAfter;
  }
  StartNewPairs(now, checklist_.AddRemote(candidates, now, selected_));
}

void Agent::StartNewPairs(TimePoint now, bool formed) {
  if (!formed || failed_) return;
  // Who answers knows the other's candidates first.
  const int attempt = begin_ && now >= *begin_ + kSecondAttempt ? 1 : 0;
  const bool first = (config_.role == Role::kControlled) == (attempt == 0);
  for (const auto& pair : checklist_.pairs()) {
    if (pair->schedule().started()) continue;
    pair->schedule().Start(now);
    if (selected_ || !WantsOpener(*pair)) continue;
    pair->opener().Begin(
        now, first ? Opener::Order::kFirst : Opener::Order::kSecond, attempt);
    opening_ = true;
  }
  fail_at_ = std::max(
      fail_at_, std::min(now + kFailAfterLateCandidate, *begin_ + kFailAtLast));
}

bool Agent::WantsOpener(const Pair& pair) const {
  const IpAddress& ip = pair.remote().ip;
  if (pair.peer_reflexive() || ip.IsPrivate() || ip.IsLoopback() ||
      ip.IsLinkLocal()) {
    return false;
  }
  // Behind the same NAT: it is the one that must hairpin.
  return !checklist_.HasLocalAddress(ip);
}

void Agent::ReleaseOpeners() {
  if (!opening_) return;
  opening_ = false;
  for (const auto& pair : checklist_.pairs()) pair->opener().Release();
}

void Agent::HandlePeerReady(TimePoint now) {
  if (!opening_ || failed_) return;
  for (const auto& pair : checklist_.pairs()) {
    // What has been sent so far has reached nobody.
    if (pair->opener().only(now) && pair->schedule().checking()) {
      pair->schedule().Start(now);
    }
  }
  ReleaseOpeners();
}

Pair* Agent::Receive(TimePoint now, std::uint8_t socket,
                     const SocketAddress& from, std::size_t size) {
  if (failed_) return nullptr;
  Pair* pair = selected_ && selected_->Is(socket, from)
                   ? selected_
                   : checklist_.FindOrAddPeerReflexive(socket, from, selected_,
                                                       selected_ != nullptr);
  if (pair) {
    pair->OnReceived(now, size);
    ReleaseOpeners();
  }
  return pair;
}

const Pair* Agent::HandlePacket(TimePoint now, std::uint8_t socket,
                                const SocketAddress& from, std::size_t size) {
  return Receive(now, socket, from, size);
}

const Pair* Agent::HandleProbe(TimePoint now, std::uint8_t socket,
                               const SocketAddress& from, std::size_t size,
                               const Probe& probe) {
  Pair* pair = Receive(now, socket, from, size);
  if (!pair) return nullptr;
  if (!begin_) {
    begin_ = now;
    fail_at_ = now + kFailAfter;
  }
  if (probe.challenge != 0) {
    pair->OnPeerChallenge(probe.challenge);
    urgent_ = true;
  }
  if (pair->HandleEcho(now, probe.echo)) OnProven(now, *pair);
  // The triggered check (RFC 8445 section 7.3.1.4).
  if (!pair->proven() && !pair->schedule().checking()) {
    pair->schedule().Start(now);
  }
  if (probe.selected) HandleNomination(now, pair->id());
  return pair;
}

void Agent::OnProven(TimePoint now, Pair& pair) {
  checklist_.OnProven(now, pair);
  if (config_.budget != nullptr) config_.budget->Prove(now, pair.remote().ip);
  if (config_.role == Role::kControlled && !selected_) {
    // Until the nomination has come the round goes on: each answer repeats it.
    if (nominated_ == pair.id()) Switch(now, pair);
    return;
  }
  if (pair.schedule().checking()) pair.schedule().Confirm(now);
  if (config_.role == Role::kControlled) return;
  if (!selected_) {
    Switch(now, pair);
  } else if (&pair != selected_ && IsBetter(pair, *selected_) &&
             (selected_->relayed() ||
              now < first_selected_ + kRenominationWindow)) {
    Select(now, pair.id());
  }
}

void Agent::HandleNomination(TimePoint now, PairId id) {
  if (config_.role != Role::kControlled || selected_ || failed_) return;
  Pair* pair = checklist_.FindById(id);
  P2PCP_CHECK(pair != nullptr);
  nominated_ = id;
  if (pair->proven()) {
    Switch(now, *pair);
  } else if (!pair->ChallengedSince(now - kNominatedCheckInterval)) {
    // The peer is ready; the schedule may be seconds away from its next check.
    pair->RequestPing();
    urgent_ = true;
  }
}

void Agent::Select(TimePoint now, PairId id) {
  wanted_.reset();
  Pair* pair = checklist_.FindById(id);
  if (failed_ || pair == selected_) return;
  P2PCP_CHECK(pair != nullptr && pair->proven());
  if (selected_ && now < switch_after_) {
    wanted_ = id;
    return;
  }
  Switch(now, *pair);
}

void Agent::Switch(TimePoint now, Pair& pair) {
  if (!selected_) {
    first_selected_ = now;
    for (const auto& other : checklist_.pairs()) {
      if (other->proven() && other->schedule().checking()) {
        other->schedule().Confirm(now);
      }
    }
  }
  selected_ = &pair;
  switch_after_ = now + kMinSwitchInterval;
  wanted_.reset();
  nominated_.reset();
  selected_event_ = true;
  // Tells the peer, at once and three times over.
  pair.RequestPing();
  urgent_ = true;
  if (!pair.schedule().checking()) pair.schedule().Confirm(now);
}

void Agent::Check(TimePoint now, PairId id) {
  Pair* pair = checklist_.FindById(id);
  if (!pair || failed_ || pair->schedule().checking()) return;
  pair->schedule().Start(now);
}

void Agent::CheckAll(TimePoint now) {
  if (failed_) return;
  for (const auto& pair : checklist_.pairs()) pair->schedule().Start(now);
}

void Agent::Ping(PairId id) {
  Pair* pair = checklist_.FindById(id);
  if (!pair || failed_) return;
  pair->RequestPing();
  urgent_ = true;
}

const Pair* Agent::standby(TimePoint now) const {
  const Pair* best = nullptr;
  for (const auto& pair : checklist_.pairs()) {
    if (pair.get() == selected_ || !pair->ProvenSince(now - kStandbyTrust)) {
      continue;
    }
    if (!best || IsBetter(*pair, *best)) best = pair.get();
  }
  return best;
}

Pair* Agent::NextCheck() const {
  Pair* first = nullptr;
  for (const auto& pair : checklist_.pairs()) {
    const auto next = pair->schedule().next();
    if (!next) continue;
    if (!first || *next < *first->schedule().next() ||
        (*next == *first->schedule().next() &&
         pair->priority() > first->priority())) {
      first = pair.get();
    }
  }
  return first;
}

std::optional<TimePoint> Agent::NextCheckTime() const {
  const Pair* next = NextCheck();
  if (!next) return std::nullopt;
  return std::max(*next->schedule().next(), next_pacing_);
}

void Agent::HandleTimeout(TimePoint now) {
  if (failed_) return;
  if (wanted_ && now >= switch_after_) {
    const PairId wanted = *wanted_;
    wanted_.reset();
    Pair* pair = checklist_.FindById(wanted);
    if (pair && pair != selected_) Switch(now, *pair);
  }
  if (!selected_ && begin_ && now >= fail_at_) {
    failed_ = true;
    failed_event_ = true;
  }
}

std::optional<TimePoint> Agent::PollTimeout() const {
  if (failed_) return std::nullopt;
  if (urgent_) return TimePoint();  // Long due: PollTransmit() was not drained.
  std::optional<TimePoint> next = NextCheckTime();
  const auto consider = [&next](TimePoint time) {
    next = next ? std::min(*next, time) : time;
  };
  if (wanted_) consider(switch_after_);
  if (!selected_ && begin_) consider(fail_at_);
  return next;
}

std::optional<Agent::Transmit> Agent::PollTransmit(TimePoint now) {
  if (failed_) return std::nullopt;
  // Answers first: they are what the other side waits for, and each is paid for
  // by a packet that came in.
  if (urgent_) {
    for (const auto& pair : checklist_.pairs()) {
      if (!pair->urgent()) continue;
      if (auto transmit = Send(now, *pair)) return transmit;
    }
    urgent_ = false;
  }
  if (auto opener = NextOpener(now)) return opener;
  while (true) {
    const auto due = NextCheckTime();
    if (!due || *due > now) return std::nullopt;
    Pair* pair = NextCheck();
    pair->RequestPing();
    auto transmit = Send(now, *pair);
    if (!transmit) continue;
    next_pacing_ = now + kTa;
    return transmit;
  }
}

std::optional<Agent::Transmit> Agent::Send(TimePoint now, Pair& pair) {
  const bool challenge =
      pair.ping_due() || !pair.proven() || pair.schedule().checking();
  pair.ClearUrgent();
  // One packet serves an answer and the check that is due about now.
  const auto next = pair.schedule().next();
  if (challenge && next && *next < now + kMinCheckInterval) {
    pair.schedule().Advance(now);
  }
  if (!BookSend(now, pair)) return std::nullopt;
  return Transmit{
      .pair = pair.id(),
      .socket = pair.socket(),
      .to = pair.remote(),
      .probe = {.challenge = challenge ? pair.MakeChallenge(now, *random_) : 0,
                .echo = pair.peer_challenge(),
                .selected = &pair == selected_}};
}

bool Agent::BookSend(TimePoint now, Pair& pair) {
  if (!pair.proven() && !pair.peer_reflexive() && config_.budget != nullptr &&
      !config_.budget->Take(now, pair.remote().ip)) {
    return false;
  }
  return checklist_.BookSend(pair, config_.probe_size);
}

std::optional<Agent::Transmit> Agent::NextOpener(TimePoint now) {
  if (!opening_) return std::nullopt;
  for (const auto& pair : checklist_.pairs()) {
    Opener& opener = pair->opener();
    const auto next = pair->schedule().next();
    const int hop_limit = opener.HopLimit(now);
    if (hop_limit == 0 || !next || *next > now) continue;
    opener.OnSent();
    if (opener.only(now)) pair->schedule().Advance(now);
    if (!BookSend(now, *pair)) continue;
    return Transmit{.pair = pair->id(),
                    .socket = pair->socket(),
                    .to = pair->remote(),
                    .probe = {.challenge = pair->MakeChallenge(now, *random_),
                              .echo = 0,
                              .selected = false},
                    .hop_limit = hop_limit};
  }
  return std::nullopt;
}

std::optional<Agent::Event> Agent::PollEvent() {
  if (selected_event_) {
    selected_event_ = false;
    return Event::kSelected;
  }
  if (failed_event_) {
    failed_event_ = false;
    return Event::kFailed;
  }
  return std::nullopt;
}

}  // namespace p2pcp::ice
