#include "transfer/recovery/hystart.h"

#include <algorithm>

namespace p2pcp {

void HyStart::Reset() {
  round_started_ = false;
  last_round_min_rtt_ = kInfinite;
  current_round_min_rtt_ = kInfinite;
  rtt_samples_ = 0;
  in_css_ = false;
  css_baseline_min_rtt_ = kInfinite;
  css_rounds_ = 0;
}

void HyStart::StartRound(PacketNumber next_number) {
  round_started_ = true;
  window_end_ = next_number;
  last_round_min_rtt_ = current_round_min_rtt_;
  current_round_min_rtt_ = kInfinite;
  rtt_samples_ = 0;
}

bool HyStart::OnAck(PacketNumber largest_acked, PacketNumber next_number,
                    Duration rtt_sample) {
  if (!round_started_) StartRound(next_number);
  if (rtt_sample > Duration(0)) {
    current_round_min_rtt_ = std::min(current_round_min_rtt_, rtt_sample);
    ++rtt_samples_;
  }
  const bool enough = rtt_samples_ >= kRttSamples;
  if (!in_css_) {
    if (enough && last_round_min_rtt_ != kInfinite) {
      const Duration threshold =
          std::clamp(last_round_min_rtt_ / kMinRttDivisor, kMinRttThreshold,
                     kMaxRttThreshold);
      if (current_round_min_rtt_ >= last_round_min_rtt_ + threshold) {
        css_baseline_min_rtt_ = current_round_min_rtt_;
        in_css_ = true;
        css_rounds_ = 0;
      }
    }
  } else if (enough && current_round_min_rtt_ < css_baseline_min_rtt_) {
    // It was jitter: back to slow start.
    css_baseline_min_rtt_ = kInfinite;
    in_css_ = false;
  }
  if (largest_acked >= window_end_) {
    if (in_css_ && ++css_rounds_ >= kCssRounds) return true;
    StartRound(next_number);
  }
  return false;
}

}  // namespace p2pcp
