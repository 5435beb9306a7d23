#include "net/channel/path_mtu.h"

#include <algorithm>

namespace p2pcp::channel {

void PathMtu::Start(TimePoint now, bool v6, Duration rtt) {
  size_ = kBaseSize;
  large_ = v6 ? kLargeSizeV6 : kLargeSizeV4;
  interval_ = std::max(kMinProbeInterval, 2 * rtt);
  std::ranges::fill(challenges_, 0);
  Search(now);
}

void PathMtu::Search(TimePoint now) {
  tries_ = 0;
  next_ = now;
}

std::optional<PathMtu::Probe> PathMtu::PollProbe(TimePoint now,
                                                 Random& random) {
  if (!next_ || now < *next_) return std::nullopt;
  if (tries_ == kMaxProbes) {
    size_ = kBaseSize;
    tries_ = 0;
    next_ = now + kRaiseInterval;
    return std::nullopt;
  }
  std::uint64_t challenge = 0;
  while (challenge == 0) challenge = random.NextU64();
  challenges_[tries_++] = challenge;
  next_ = now + interval_;
  return Probe{.challenge = challenge, .size = large_};
}

bool PathMtu::HandleEcho(std::uint64_t echo) {
  if (echo == 0 ||
      std::ranges::find(challenges_, echo) == std::end(challenges_)) {
    return false;
  }
  size_ = large_;
  tries_ = 0;
  std::ranges::fill(challenges_, 0);
  next_.reset();
  return true;
}

}  // namespace p2pcp::channel
