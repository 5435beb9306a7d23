#include "net/channel/paths.h"

#include <algorithm>

namespace p2pcp::channel {

Paths::Paths(const ice::Agent::Config& config, Random& random)
    : role_(config.role), agent_(config, random) {}

bool Paths::HandleProbe(TimePoint now, std::uint8_t socket,
                        const SocketAddress& from, std::size_t size,
                        const ice::Probe& probe, bool newest) {
  ice::Probe heeded = probe;
  // A nomination that a newer packet has overtaken is none.
  heeded.selected = probe.selected && newest;
  const ice::Pair* pair = agent_.HandleProbe(now, socket, from, size, heeded);
  if (!pair) return false;
  if (heeded.selected) OnPeerUses(now, *pair);
  Decide(now);
  return true;
}

bool Paths::HandlePayload(TimePoint now, std::uint8_t socket,
                          const SocketAddress& from, std::size_t size,
                          bool newest) {
  const ice::Pair* pair = agent_.HandlePacket(now, socket, from, size);
  if (!pair) return false;
  if (pair == selected()) {
    if (newest) OnPeerStays();
    silent_since_.reset();
    return true;
  }
  if (newest) {
    if (!selected()) {
      agent_.HandleNomination(now, pair->id());
    } else {
      OnPeerUses(now, *pair);
    }
  }
  Decide(now);
  return true;
}

void Paths::OnPeerUses(TimePoint now, const ice::Pair& pair) {
  const ice::Pair* old = selected();
  if (!old) return;
  if (&pair == old) {
    OnPeerStays();
    return;
  }
  const bool abandoned = abandoned_ && abandoned_->pair == pair.id() &&
                         !pair.ProvenSince(abandoned_->since);
  if (role_ == ice::Role::kControlled && pair.proven() && !pair.late() &&
      !abandoned) {
    suspicion_.reset();
    agent_.Select(now, pair.id());
    return;
  }
  // One that runs, and one that was just refuted, is not begun again.
  for (const auto& known : {suspicion_, refuted_}) {
    if (known && known->pair == pair.id() &&
        now < known->since + kSuspicionLifetime) {
      return;
    }
  }
  suspicion_ = {
      .pair = pair.id(),
      .since = now,
      .decide_at = now + std::max(kMinOldPathWait, 2 * old->smoothed_rtt())};
  agent_.Check(now, pair.id());
  agent_.Check(now, old->id());
}

void Paths::HandleSilence(TimePoint now) {
  silent_since_ = now;
  agent_.CheckAll(now);
}

void Paths::Decide(TimePoint now) {
  const ice::Pair* old = selected();
  if (!old) return;
  if (silent_since_) {
    if (old->HeardSince(*silent_since_)) {
      silent_since_.reset();
    } else {
      const ice::Pair* best = nullptr;
      for (const auto& pair : agent_.checklist().pairs()) {
        if (pair->ProvenSince(*silent_since_) &&
            (!best || ice::IsBetter(*pair, *best))) {
          best = pair.get();
        }
      }
      if (best) {
        abandoned_ = {.pair = old->id(), .since = *silent_since_};
        silent_since_.reset();
        suspicion_.reset();
        agent_.Select(now, best->id());
        return;
      }
    }
  }
  if (!suspicion_) return;
  const ice::Pair* pair = agent_.FindById(suspicion_->pair);
  if (!pair || pair == old || now >= suspicion_->since + kSuspicionLifetime) {
    suspicion_.reset();
  } else if (old->ProvenSince(suspicion_->since)) {
    RefuteSuspicion();
  } else if (now >= suspicion_->decide_at &&
             pair->ProvenSince(suspicion_->since)) {
    suspicion_.reset();
    agent_.Select(now, pair->id());
  }
}

void Paths::HandleTimeout(TimePoint now) {
  agent_.HandleTimeout(now);
  Decide(now);
}

std::optional<TimePoint> Paths::PollTimeout() const {
  std::optional<TimePoint> next = agent_.PollTimeout();
  const auto consider = [&next](TimePoint time) {
    next = next ? std::min(*next, time) : time;
  };
  if (suspicion_) {
    // Once that has passed only another packet can decide, or the end.
    const ice::Pair* pair = agent_.FindById(suspicion_->pair);
    consider(pair && pair->ProvenSince(suspicion_->since)
                 ? suspicion_->decide_at
                 : suspicion_->since + kSuspicionLifetime);
  }
  return next;
}

}  // namespace p2pcp::channel
