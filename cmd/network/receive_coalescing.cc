#include "cmd/network/receive_coalescing.h"

#include <algorithm>
#include <utility>

namespace p2pcp::cmd {
namespace {

// How much of what was remembered stays with each turn: the last few count.
constexpr double kKept = 0.875;

double Nanoseconds(Duration duration) {
  return static_cast<double>(duration.count());
}

}  // namespace

TimePoint ReceiveCoalescing::PollRest(TimePoint now, Duration rtt) {
  const std::uint64_t fresh = std::exchange(fresh_, 0);
  if (fresh == 0) return TimePoint();
  const Duration longest =
      std::clamp<Duration>(rtt / kRestsPerRoundTrip, kMinLongest, kMaxLongest);
  const Duration since =
      std::min<Duration>(now_ - std::exchange(last_, now_), kPause);
  // What follows on a pause may come as fast as before it.
  datagrams_ = datagrams_ * kKept + static_cast<double>(fresh);
  nanoseconds_ = nanoseconds_ * kKept + Nanoseconds(std::min(since, longest));
  // A pause is one after a rest, too.
  if (rests_ == 0 || since > 2 * longest) {
    spacing_ = spacing_ * kKept + Nanoseconds(since) * (1 - kKept);
  }
  const double gap = nanoseconds_ / datagrams_;
  const double rest = std::min(Nanoseconds(longest), kMaxGathered * gap);
  // Where more have come than were waited for, the next ones are there already.
  if (fresh >= 2 * kMaxGathered || rests_ == kMaxRests ||
      rest < kMinTurns * spacing_ || rest < Nanoseconds(kMinRest)) {
    rests_ = 0;
    return TimePoint();
  }
  ++rests_;
  came_ = std::max(now, now_);
  gap_ = Duration(static_cast<std::int64_t>(gap));
  return now_ + Duration(static_cast<std::int64_t>(rest));
}

}  // namespace p2pcp::cmd
