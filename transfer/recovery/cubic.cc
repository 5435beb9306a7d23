#include "transfer/recovery/cubic.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "transfer/recovery/cubic_curve.h"

namespace p2pcp {
namespace {

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Cubic::Cubic(std::size_t packet_size) : packet_size_(packet_size) { Restart(); }

void Cubic::Restart() {
  window_ = kInitialWindowPackets * packet_size_;
  ssthresh_ = kInfinite;
  hystart_.Reset();
  w_max_ = k_ = w_est_ = cwnd_prior_ = growth_ = 0;
  epoch_start_.reset();
  unused_since_.reset();
  recovery_start_.reset();
  previous_recovery_start_.reset();
  restart_ = TimePoint::min();
  event_losses_ = 0;
  before_event_.reset();
}

void Cubic::OnPathChange(TimePoint, std::size_t packet_size) {
  packet_size_ = packet_size;
  Restart();
}

void Cubic::OnPacketSizeChange(std::size_t packet_size) {
  packet_size_ = packet_size;
  window_ = Clamp(static_cast<double>(window_));
}

std::uint64_t Cubic::Clamp(double window) const {
  const auto low = static_cast<double>(kMinWindowPackets * packet_size_);
  const auto high = static_cast<double>(kMaxWindowPackets * packet_size_);
  return static_cast<std::uint64_t>(std::clamp(window, low, high));
}

Cubic::Curve Cubic::Save() const {
  return {.window = window_,
          .ssthresh = ssthresh_,
          .w_max = w_max_,
          .k = k_,
          .w_est = w_est_,
          .cwnd_prior = cwnd_prior_,
          .epoch_start = epoch_start_};
}

void Cubic::OnPacketSent(const SentEvent&) {}

void Cubic::OnAck(const AckEvent& event) {
  // Packets of before the congestion event say nothing about what came of it.
  if (recovery_start_ && event.largest_acked_sent_time <= *recovery_start_) {
    return;
  }
  if (!event.window_limited) {
    if (!unused_since_) unused_since_ = event.now;
    return;
  }
  if (unused_since_) {
    if (epoch_start_) *epoch_start_ += event.now - *unused_since_;
    unused_since_.reset();
  }
  if (!in_slow_start()) {
    AvoidCongestion(event);
    return;
  }
  window_ = Clamp(static_cast<double>(window_) +
                  static_cast<double>(hystart_.Growth(event.acked_bytes)));
  if (hystart_.OnAck(event.largest_acked, event.next_number,
                     event.rtt_sample)) {
    ssthresh_ = window_;
    // RFC 9438 section 4.10: the curve begins at its plateau.
    w_max_ = static_cast<double>(window_);
  }
}

void Cubic::AvoidCongestion(const AckEvent& event) {
  const auto packet = static_cast<double>(packet_size_);
  const auto window = static_cast<double>(window_);
  if (!epoch_start_) {
    epoch_start_ = event.now;
    if (window < w_max_) {
      k_ = CubicCurve::TimeToPlateau((w_max_ - window) / packet);
    } else {
      k_ = 0;
      w_max_ = window;
    }
    w_est_ = window;
    growth_ = 0;
  }
  const auto curve = [&](double t) {
    return CubicCurve::AbovePlateau(t - k_) * packet + w_max_;
  };
  const double t = Seconds(event.now - *epoch_start_);
  const auto acked = static_cast<double>(event.acked_bytes);

  // Section 4.3. Once it has reached the window of before, Reno's own slope.
  const double alpha = w_est_ >= cwnd_prior_ ? 1.0 : CubicCurve::kAlpha;
  w_est_ += alpha * packet * acked / window;

  double wanted;
  if (curve(t) < w_est_) {
    wanted = std::max(window, w_est_);
  } else {
    const double target = std::clamp(curve(t + Seconds(event.smoothed_rtt)),
                                     window, 1.5 * window);
    wanted = window + (target - window) * acked / window;
  }
  // Windows are whole bytes; small steps are kept until they make one.
  growth_ += wanted - window;
  const double whole = std::floor(growth_);
  growth_ -= whole;
  window_ = Clamp(window + whole);
}

void Cubic::OnLoss(const LossEvent& event) {
  const bool new_event =
      event.largest_lost_sent_time > recovery_start_.value_or(restart_);
  if (new_event) {
    before_event_ = Save();
    event_losses_ = 0;
    previous_recovery_start_ = recovery_start_;
    recovery_start_ = event.now;

    const auto window = static_cast<double>(window_);
    // Fast convergence, section 4.7.
    w_max_ = window < w_max_ ? window * CubicCurve::kFastConvergence : window;
    cwnd_prior_ = window;
    window_ = Clamp(window * CubicCurve::kBeta);
    ssthresh_ = window_;
    epoch_start_.reset();
    unused_since_.reset();
  }
  event_losses_ += event.lost_packets;
  if (event.persistent_congestion) {
    // RFC 9002 section 7.6.2: begin again from the smallest window.
    window_ = kMinWindowPackets * packet_size_;
    epoch_start_.reset();
    recovery_start_.reset();
    restart_ = event.now;
    before_event_.reset();
    hystart_.Reset();
  }
}

void Cubic::OnSpurious(const SpuriousEvent& event) {
  if (!before_event_ || !recovery_start_) return;
  if (event.smallest_sent_time > *recovery_start_) return;
  if (previous_recovery_start_ &&
      event.largest_sent_time <= *previous_recovery_start_) {
    return;
  }
  event_losses_ -= std::min(event_losses_, event.packets);
  if (event_losses_ > 0) return;
  // Nothing was lost (section 4.9.2): as if it had not happened.
  const Curve curve = *before_event_;
  before_event_.reset();
  recovery_start_ = previous_recovery_start_;
  window_ = Clamp(static_cast<double>(std::max(window_, curve.window)));
  ssthresh_ = curve.ssthresh;
  w_max_ = curve.w_max;
  k_ = curve.k;
  w_est_ = curve.w_est;
  cwnd_prior_ = curve.cwnd_prior;
  epoch_start_ = curve.epoch_start;
}

std::uint64_t Cubic::pacing_rate(Duration smoothed_rtt) const {
  const double gain = in_slow_start() ? kSlowStartPacingGain : kPacingGain;
  const double rtt = std::max(Seconds(smoothed_rtt), 1e-6);
  return static_cast<std::uint64_t>(
      std::max(1.0, gain * static_cast<double>(window_) / rtt));
}

std::uint64_t Cubic::bandwidth(Duration smoothed_rtt) const {
  const double rtt = std::max(Seconds(smoothed_rtt), 1e-6);
  return static_cast<std::uint64_t>(static_cast<double>(window_) / rtt);
}

}  // namespace p2pcp
