#include "net/ice/pair.h"

#include <algorithm>

namespace p2pcp::ice {
namespace {

// Round trips this close to each other differ by chance (Wi-Fi, scheduling):
// the kind of the address says more.
constexpr Duration kRttTie = 5ms;

// The lower, the better.
int Rank(const Pair& pair) {
  if (pair.remote_type() == CandidateType::kHost &&
      (pair.remote().ip.is_v4() || pair.remote().ip.IsPrivate())) {
    return 0;
  }
  return pair.remote().ip.is_v6() ? 1 : 2;
}

}  // namespace

void Pair::SetSignalled(CandidateType type, std::uint64_t priority) {
  config_.remote_type = type;
  config_.relayed = config_.relayed || type == CandidateType::kRelayed;
  config_.priority = priority;
  config_.late = false;
}

PairState Pair::state() const {
  if (proven()) return PairState::kSucceeded;
  if (schedule_.checking()) return PairState::kInProgress;
  return schedule_.started() ? PairState::kFailed : PairState::kWaiting;
}

std::uint64_t Pair::MakeChallenge(TimePoint now, Random& random) {
  std::uint64_t challenge = 0;
  while (challenge == 0) challenge = random.NextU64();
  outstanding_[next_outstanding_] = {.challenge = challenge, .sent = now};
  last_challenge_ = now;
  next_outstanding_ = (next_outstanding_ + 1) % outstanding_.size();
  return challenge;
}

bool Pair::HandleEcho(TimePoint now, std::uint64_t echo) {
  if (echo == 0) return false;
  const auto it =
      std::ranges::find(outstanding_, echo, &Outstanding::challenge);
  if (it == outstanding_.end()) return false;
  const Duration rtt = now - it->sent;
  it->challenge = 0;
  if (proven()) {
    min_rtt_ = std::min(min_rtt_, rtt);
    smoothed_rtt_ += (rtt - smoothed_rtt_) / 8;
  } else {
    min_rtt_ = smoothed_rtt_ = rtt;
  }
  last_proven_ = now;
  return true;
}

bool IsBetter(const Pair& a, const Pair& b) {
  if (a.relayed() != b.relayed()) return b.relayed();
  const Duration difference = a.min_rtt() - b.min_rtt();
  if (difference < -kRttTie) return true;
  if (difference > kRttTie) return false;
  return Rank(a) < Rank(b);
}

}  // namespace p2pcp::ice
