// CUBIC (RFC 9438), with HyStart++ in slow start.

#ifndef P2PCP_TRANSFER_RECOVERY_CUBIC_H_
#define P2PCP_TRANSFER_RECOVERY_CUBIC_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "net/base/time.h"
#include "transfer/recovery/congestion_controller.h"
#include "transfer/recovery/hystart.h"

namespace p2pcp {

class Cubic final : public CongestionController {
 public:
  // How much faster than one window per round trip packets leave: fast enough
  // to fill the window, slow enough to spread it (Linux paces alike).
  static constexpr double kSlowStartPacingGain = 2.0;
  static constexpr double kPacingGain = 1.25;

  explicit Cubic(std::size_t packet_size);

  void OnPacketSent(const SentEvent& event) override;
  void OnAck(const AckEvent& event) override;
  void OnLoss(const LossEvent& event) override;
  void OnSpurious(const SpuriousEvent& event) override;
  void OnPathChange(TimePoint now, std::size_t packet_size) override;
  void OnPacketSizeChange(std::size_t packet_size) override;

  std::uint64_t window() const override { return window_; }
  std::uint64_t pacing_rate(Duration smoothed_rtt) const override;
  // It measures none: a window in each round trip.
  std::uint64_t bandwidth(Duration smoothed_rtt) const override;

  std::string_view phase_name() const override {
    return in_slow_start() ? "slow_start" : "congestion_avoidance";
  }

  bool in_slow_start() const { return window_ < ssthresh_; }
  std::uint64_t ssthresh() const { return ssthresh_; }

 private:
  static constexpr std::uint64_t kInfinite =
      std::numeric_limits<std::uint64_t>::max();

  // What a congestion event changes, to be put back if it was none.
  struct Curve {
    std::uint64_t window = 0;
    std::uint64_t ssthresh = kInfinite;
    double w_max = 0;  // Bytes.
    double k = 0;      // Seconds.
    double w_est = 0;  // Bytes.
    double cwnd_prior = 0;
    std::optional<TimePoint> epoch_start;
  };

  void Restart();
  Curve Save() const;
  void AvoidCongestion(const AckEvent& event);
  std::uint64_t Clamp(double window) const;

  std::uint64_t packet_size_;
  std::uint64_t window_ = 0;
  std::uint64_t ssthresh_ = kInfinite;
  HyStart hystart_;

  double w_max_ = 0;
  double k_ = 0;
  double w_est_ = 0;
  double cwnd_prior_ = 0;
  double growth_ = 0;  // Fraction of a byte not added to the window yet.
  std::optional<TimePoint> epoch_start_;
  // When the last ACK came that found the window unused: that time does not
  // count for the curve (RFC 9438 section 5.8).
  std::optional<TimePoint> unused_since_;

  // The last congestion event: losses of packets sent until then belong to it.
  std::optional<TimePoint> recovery_start_;
  std::optional<TimePoint> previous_recovery_start_;
  // The last persistent congestion. What was sent before and got lost is of
  // that event: RFC 9002's pseudocode forgets it, and an outage's last probes,
  // which are declared lost a little later, would end slow start at four
  // packets.
  TimePoint restart_ = TimePoint::min();
  // Losses of that event that have not proved spurious.
  std::uint64_t event_losses_ = 0;
  std::optional<Curve> before_event_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_CUBIC_H_
