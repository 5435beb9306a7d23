#include "transfer/recovery/rtt_estimator.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp {

void RttEstimator::Reset(Duration initial_rtt) {
  has_sample_ = false;
  smoothed_rtt_ = initial_rtt;
  latest_rtt_ = initial_rtt;
  ack_delay_ = Duration(0);
  adjusted_rtt_ = initial_rtt;
  rttvar_ = initial_rtt / 2;
  min_rtt_ = initial_rtt;
}

void RttEstimator::OnSample(Duration rtt, Duration ack_delay) {
  P2PCP_CHECK(rtt >= Duration(0));
  latest_rtt_ = rtt;
  ack_delay_ = std::min(ack_delay, kMaxAckDelay);
  if (!has_sample_) {
    has_sample_ = true;
    min_rtt_ = rtt;
    smoothed_rtt_ = rtt;
    adjusted_rtt_ = rtt;
    rttvar_ = rtt / 2;
    return;
  }
  min_rtt_ = std::min(min_rtt_, rtt);
  // A peer that exaggerates its delay can't get below the smallest round trip.
  adjusted_rtt_ = rtt >= min_rtt_ + ack_delay_ ? rtt - ack_delay_ : rtt;
  const Duration deviation = smoothed_rtt_ > adjusted_rtt_
                                 ? smoothed_rtt_ - adjusted_rtt_
                                 : adjusted_rtt_ - smoothed_rtt_;
  rttvar_ = (3 * rttvar_ + deviation) / 4;
  smoothed_rtt_ = (7 * smoothed_rtt_ + adjusted_rtt_) / 8;
}

Duration RttEstimator::ProbeTimeout() const {
  return smoothed_rtt_ + std::max(4 * rttvar_, kGranularity) + kMaxAckDelay;
}

}  // namespace p2pcp
