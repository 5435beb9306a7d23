// The round-trip time of the path, by RFC 9002 section 5.

#ifndef P2PCP_TRANSFER_RECOVERY_RTT_ESTIMATOR_H_
#define P2PCP_TRANSFER_RECOVERY_RTT_ESTIMATOR_H_

#include <algorithm>

#include "net/base/time.h"

namespace p2pcp {

class RttEstimator {
 public:
  // The timer's granularity (RFC 9002 section 6.1.2).
  static constexpr Duration kGranularity = 1ms;
  // What a receiver may add to a round trip on purpose
  // (transfer/wire/PROTOCOL.md, "When to acknowledge").
  static constexpr Duration kMaxAckDelay = 10ms;

  explicit RttEstimator(Duration initial_rtt) { Reset(initial_rtt); }

  // Forgets the path.
  void Reset(Duration initial_rtt);
  // rtt: between sending the newly acknowledged largest packet and its ACK,
  // ack_delay: how much of that the peer says it waited. REQUIRES: rtt >= 0.
  void OnSample(Duration rtt, Duration ack_delay);

  bool has_sample() const { return has_sample_; }
  // The initial guess until there is a sample.
  Duration smoothed_rtt() const { return smoothed_rtt_; }
  Duration latest_rtt() const { return latest_rtt_; }
  // Without what the peer waited, as far as it is believable.
  Duration adjusted_rtt() const { return adjusted_rtt_; }
  // Without it altogether, but never below the smallest round trip. RFC 9002
  // section 5.3 subtracts nothing where that would happen; who looks for queues
  // would take the peer's delay for one then.
  Duration undelayed_rtt() const {
    return std::max(latest_rtt_ - ack_delay_, min_rtt_);
  }
  Duration rttvar() const { return rttvar_; }
  Duration min_rtt() const { return min_rtt_; }

  // RFC 9002 section 6.2.1, without backoff.
  Duration ProbeTimeout() const;

 private:
  bool has_sample_ = false;
  Duration smoothed_rtt_{0};
  Duration latest_rtt_{0};
  Duration ack_delay_{0};
  Duration adjusted_rtt_{0};
  Duration rttvar_{0};
  Duration min_rtt_{0};
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_RTT_ESTIMATOR_H_
