#include "transfer/recovery/pacer.h"

#include <algorithm>
#include <cmath>

namespace p2pcp {

Pacer::Pacer(TimePoint now, std::size_t packet_size)
    : packet_size_(static_cast<double>(packet_size)),
      burst_(kMinBurstPackets * packet_size_),
      capacity_(kInitialBurstPackets * packet_size_),
      tokens_(capacity_),
      refilled_(now) {}

void Pacer::Refill(TimePoint now) {
  if (now <= refilled_) return;
  // Tokens of the first burst stay even where they are more than capacity_.
  const double limit = std::max(tokens_, capacity_);
  const double given = rate_ * static_cast<double>((now - refilled_).count());
  const double repaid = std::min(owed_, kCatchUp * given);
  tokens_ += given + repaid;
  owed_ -= repaid;
  if (tokens_ > limit) {
    // Who did not wait for them had nothing to send, or no window.
    if (waiting_) {
      owed_ = std::min(owed_ + tokens_ - limit, MostOwed());
    }
    tokens_ = limit;
  }
  refilled_ = now;
}

void Pacer::SetRate(TimePoint now, std::uint64_t rate, std::uint64_t bandwidth,
                    Duration min_rtt, std::size_t packet_size) {
  Refill(now);
  packet_size_ = static_cast<double>(packet_size);
  const bool too_short = min_rtt > Duration(0) && min_rtt < kMinPacedRtt;
  if (bandwidth > kMaxPacedRate || too_short) {
    rate_ = owed_ = 0;
    return;
  }
  if (rate_ == 0) refilled_ = now;
  rate_ = static_cast<double>(rate) * 1e-9;
  const double most =
      std::min<double>(kMaxBurstPackets * packet_size_,
                       std::max<double>(kMaxBurstBytes, packet_size_));
  burst_ = std::clamp(rate_ * static_cast<double>(kBurstTime.count()),
                      std::min(kMinBurstPackets * packet_size_, most), most);
  capacity_ = burst_ + rate_ * static_cast<double>(kLateCredit.count());
  tokens_ = std::max(tokens_, -burst_);
  owed_ = std::min(owed_, MostOwed());
}

bool Pacer::CanSend(TimePoint now) {
  if (rate_ == 0) return true;
  Refill(now);
  in_burst_ = tokens_ >= (in_burst_ ? packet_size_ : burst_);
  waiting_ = !in_burst_;
  return in_burst_;
}

std::uint64_t Pacer::Allows(TimePoint now, std::uint64_t most) {
  if (!CanSend(now)) return 0;
  if (rate_ == 0) return most;
  return std::min(most, static_cast<std::uint64_t>(tokens_ / packet_size_));
}

TimePoint Pacer::NextSendTime() const {
  if (rate_ == 0) return refilled_;
  const double missing = std::max(burst_ - tokens_, 0.0);
  // A nanosecond more, so that rounding never wakes anybody too early.
  return refilled_ +
         Duration(static_cast<std::int64_t>(std::ceil(missing / rate_) + 1));
}

}  // namespace p2pcp
