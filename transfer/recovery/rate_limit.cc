#include "transfer/recovery/rate_limit.h"

#include <algorithm>
#include <cmath>

namespace p2pcp {

RateLimit::RateLimit(TimePoint now, std::uint64_t rate, std::size_t overhead)
    : rate_(static_cast<double>(rate) * 1e-9),
      overhead_(static_cast<double>(overhead)),
      refilled_(now) {}

void RateLimit::Refill(TimePoint now) {
  if (now <= refilled_) return;
  // Never more than what is waited for, or lateness may be made up for.
  const double most = std::max(
      wanted_, rate_ * static_cast<double>(Duration(kMaxLateness).count()));
  const double more = rate_ * static_cast<double>((now - refilled_).count());
  tokens_ = std::min(tokens_ + more, most);
  refilled_ = now;
}

bool RateLimit::CanSend(TimePoint now, std::size_t payload) {
  if (rate_ == 0) return true;
  const double packet = static_cast<double>(payload) + overhead_;
  const double burst =
      std::min(rate_ * static_cast<double>(Duration(kBurstTime).count()),
               static_cast<double>(kMaxBurstBytes));
  wanted_ = waiting_ ? std::max(packet, burst) : packet;
  Refill(now);
  waiting_ = tokens_ < wanted_;
  if (waiting_) wanted_ = std::max(packet, burst);
  return !waiting_;
}

std::uint64_t RateLimit::Allows(TimePoint now, std::size_t payload,
                                std::uint64_t most) {
  if (!CanSend(now, payload)) return 0;
  if (rate_ == 0) return most;
  const double packet = static_cast<double>(payload) + overhead_;
  return std::min(most, static_cast<std::uint64_t>(tokens_ / packet));
}

void RateLimit::OnSent(TimePoint now, std::size_t payload,
                       std::uint64_t count) {
  if (rate_ == 0) return;
  Refill(now);
  tokens_ -=
      (static_cast<double>(payload) + overhead_) * static_cast<double>(count);
}

TimePoint RateLimit::NextSendTime() const {
  const double missing = std::max(wanted_ - tokens_, 0.0);
  // A nanosecond more, so that rounding never wakes anybody too early.
  return refilled_ +
         Duration(static_cast<std::int64_t>(std::ceil(missing / rate_) + 1));
}

}  // namespace p2pcp
