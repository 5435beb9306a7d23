#include "transfer/recovery/bbr_loss_floor.h"

#include <algorithm>
#include <cmath>

namespace p2pcp {

void BbrLossFloor::BeginWindow(TimePoint now, PacketNumber next_number,
                               Duration min_rtt) {
  active_ = true;
  open_ = true;
  opened_ = now;
  round_trip_ = min_rtt;
  begin_ = next_number;
  end_.reset();
  current_ = {};
  shortest_rtt_ = Duration(0);
}

bool BbrLossFloor::WindowComplete(TimePoint now) const {
  const Duration lasted = now - opened_;
  if (lasted < round_trip_) return false;
  return current_.sent >= kWindowPackets || lasted >= kMaxWindowTime;
}

void BbrLossFloor::EndWindow(PacketNumber next_number) {
  open_ = false;
  end_ = next_number;
}

void BbrLossFloor::Abandon() {
  active_ = false;
  open_ = false;
  end_.reset();
}

void BbrLossFloor::OnSent(PacketNumber number, std::uint64_t count) {
  if (open_ && number >= begin_) current_.sent += count;
}

void BbrLossFloor::OnLost(PacketNumber number) {
  if (InWindow(number)) ++current_.lost;
}

void BbrLossFloor::OnAck(TimePoint now, PacketNumber largest_acked,
                         PacketNumber resolved_below, Duration rtt,
                         Duration min_rtt) {
  if (rtt > Duration(0) && InWindow(largest_acked) &&
      (shortest_rtt_ <= Duration(0) || rtt < shortest_rtt_)) {
    shortest_rtt_ = rtt;
  }
  if (end_ && resolved_below >= *end_) Judge(now, min_rtt);
  if (!windows_.empty() && now - last_valid_ > kLifetime) {
    windows_.clear();
    Evaluate();
  }
}

void BbrLossFloor::Judge(TimePoint now, Duration min_rtt) {
  Abandon();
  if (current_.sent == 0 || shortest_rtt_ <= Duration(0)) return;
  const Duration quiet =
      min_rtt + std::max(kQuietDelay, min_rtt / kQuietRttDivisor);
  if (shortest_rtt_ > quiet) return;
  AddWindow(now, current_.sent, current_.lost);
}

void BbrLossFloor::AddWindow(TimePoint now, std::uint64_t sent,
                             std::uint64_t lost) {
  last_valid_ = now;
  windows_.push_back({.sent = sent, .lost = lost});
  if (windows_.size() > kWindows) windows_.pop_front();
  Evaluate();
}

void BbrLossFloor::Evaluate() {
  floor_ = 0;
  pool_ = 0;
  if (windows_.empty()) return;
  double lost = 0;
  double lowest = 1;
  for (const Window& window : windows_) {
    pool_ += static_cast<double>(window.sent);
    lost += static_cast<double>(window.lost);
    lowest = std::min(lowest, window.rate());
  }
  const double mean = lost / pool_;
  bool outlier = false;
  for (const Window& window : windows_) {
    const double deviation =
        std::sqrt(mean * (1 - mean) / static_cast<double>(window.sent));
    outlier |=
        window.rate() < mean - kOutlierDeviations * deviation - kOutlierMargin;
  }
  floor_ = std::min(outlier ? lowest : mean, kMaxFloor);
}

double BbrLossFloor::Threshold(double floor, double packets, double pool) {
  floor = std::min(floor, kMaxFloor);
  return kTolerated + floor +
         2 * std::sqrt(floor * (1 - floor) *
                       (1 / std::max(packets, 1.0) + 1 / std::max(pool, 1.0)));
}

}  // namespace p2pcp
