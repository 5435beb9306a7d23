#include "transfer/recovery/bbr.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "transfer/recovery/pacer.h"

namespace p2pcp {
namespace {

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Bbr::Bbr(std::size_t packet_size, std::uint64_t first_count)
    : packet_size_(packet_size), rate_(first_count) {
  Restart();
}

void Bbr::Restart() {
  cwnd_ = kInitialWindowPackets * packet_size_;
  first_delivered_ = rate_.delivered();
  next_round_delivered_ = loss_round_delivered_ = rate_.delivered();
  round_delivered_ = cycle_delivered_ = rate_.delivered();
  round_lost_ = cycle_lost_ = previous_cycle_lost_ = rate_.lost();
  previous_cycle_delivered_ = rate_.delivered();
  round_lost_ranges_ = rate_.lost_ranges();
  extra_acked_delivered_ = rate_.delivered();
  EnterStartup();
}

void Bbr::OnPathChange(TimePoint, std::size_t packet_size) {
  *this = Bbr(packet_size, rate_.delivered());
}

void Bbr::OnPacketSizeChange(std::size_t packet_size) {
  // The path takes the large ones no more: what got lost of them says nothing
  // of its queue.
  if (packet_size < packet_size_) ForgetLosses();
  packet_size_ = packet_size;
  cwnd_ = std::max(cwnd_, MinWindow());
}

void Bbr::OnPacketSent(const SentEvent& event) {
  const std::uint64_t bytes = event.count * event.size;
  if (event.bytes_in_flight <= bytes && rate_.app_limited()) {
    // From idle (section 5.4.1).
    idle_restart_ = true;
    extra_acked_start_ = event.now;
    extra_acked_delivered_ = rate_.delivered();
  }
  next_number_ = PacketNumber(event.number.value() + event.count);
  rate_.OnSent(event.now, event.number, bytes, event.bytes_in_flight);
  floor_.OnSent(event.number, event.count);
}

void Bbr::OnAppLimited(std::uint64_t bytes_in_flight) {
  rate_.OnAppLimited(bytes_in_flight);
}

void Bbr::OnAck(const AckEvent& event) {
  now_ = event.now;
  if (event.acked_bytes >= packet_size_) lost_in_a_row_ = 0;
  if (!random_) {
    random_.emplace(
        static_cast<std::uint64_t>(event.now.time_since_epoch().count()));
  }
  window_limited_ = event.window_limited;
  sample_ = rate_.OnAcked(event.now, event.largest_acked, event.acked_bytes,
                          min_rtt_);
  const bool awaited = floor_.awaits_verdict();
  floor_.OnAck(event.now, event.largest_acked, event.resolved_below,
               event.rtt_sample, min_rtt_);
  UpdateRound(event);
  UpdateMaxBw(sample_);
  UpdateLossRound();
  if (awaited && !floor_.awaits_verdict()) ReactToVerdict();
  UpdateExtraAcked(event);
  // The state machine.
  CheckFullBw();
  if (state_ == State::kStartup) CheckStartupLoss();
  CheckDrain(event);
  UpdateProbeBw(event);
  UpdateMinRtt(event);
  CheckProbeRtt(event);
  FinishLossRound();
  SetPacingRate();
  SetCwnd(event);
  rate_.Forget(event.resolved_below);
  idle_restart_ = false;
}

void Bbr::UpdateRound(const AckEvent& event) {
  round_start_ =
      sample_.known && sample_.train.delivered >= next_round_delivered_;
  if (round_start_) {
    StartRound();
    ++round_count_;
    ++rounds_since_probe_;
    last_round_rate_ = round_rate_;
    round_rate_ = 0;
    const Duration mean = round_rtt_samples_ > 0
                              ? round_rtt_sum_ / round_rtt_samples_
                              : Duration(0);
    queue_grows_ =
        last_round_mean_rtt_ > Duration(0) &&
        mean > last_round_mean_rtt_ +
                   std::max(kQueueGrowth, min_rtt_ / kQueueGrowthDivisor);
    last_round_mean_rtt_ = mean;
    round_rtt_sum_ = Duration(0);
    round_rtt_samples_ = 0;
    last_round_min_rtt_ = round_min_rtt_;
    round_min_rtt_ = Duration(0);
    UpdateCompany();
  }
  if (sample_.known) round_rate_ = std::max(round_rate_, sample_.rate);
  if (event.rtt_sample > Duration(0)) {
    latest_rtt_ = event.rtt_sample;
    round_rtt_sum_ += event.rtt_sample;
    ++round_rtt_samples_;
    if (round_min_rtt_ <= Duration(0) || event.rtt_sample < round_min_rtt_) {
      round_min_rtt_ = event.rtt_sample;
    }
  }
}

double Bbr::max_bw() const { return std::max(max_bw_[0], max_bw_[1]); }

double Bbr::bw() const { return std::min(max_bw(), bw_shortterm_); }

void Bbr::UpdateMaxBw(const DeliveryRate::Sample& sample) {
  if (!sample.known || sample.rate <= 0) return;
  if (sample.train.app_limited && sample.rate < max_bw()) return;
  double& slot = max_bw_[cycle_count_ % 2];
  slot = std::max(slot, sample.rate);
}

void Bbr::AdvanceMaxBwFilter() {
  ++cycle_count_;
  max_bw_[cycle_count_ % 2] = 0;
}

void Bbr::UpdateMinRtt(const AckEvent& event) {
  const TimePoint now = event.now;
  const Duration rtt = event.rtt_sample;
  probe_rtt_expired_ = now > probe_rtt_min_time_ + kProbeRttInterval;
  if (rtt <= Duration(0)) return;
  const bool unknown = probe_rtt_min_delay_ <= Duration(0);
  if (unknown || probe_rtt_expired_ || rtt < probe_rtt_min_delay_) {
    probe_rtt_min_delay_ = rtt;
    probe_rtt_min_time_ = now;
  } else if (rtt <= probe_rtt_min_delay_ +
                        probe_rtt_min_delay_ / kMinRttConfirmDivisor) {
    probe_rtt_min_time_ = now;
    if (probe_rtt_min_delay_ == min_rtt_) min_rtt_time_ = now;
  }
  if (min_rtt_ <= Duration(0) || probe_rtt_min_delay_ < min_rtt_ ||
      now > min_rtt_time_ + kMinRttFilterTime) {
    min_rtt_ = probe_rtt_min_delay_;
    min_rtt_time_ = probe_rtt_min_time_;
  }
}

// Section 5.5.9: how much more arrives in a lump than the rate would explain.
void Bbr::UpdateExtraAcked(const AckEvent& event) {
  const double interval = Seconds(event.now - extra_acked_start_);
  double expected = bw() * interval;
  std::uint64_t delivered = rate_.delivered() - extra_acked_delivered_;
  if (static_cast<double>(delivered) <= expected) {
    extra_acked_delivered_ = rate_.delivered() - event.acked_bytes;
    delivered = event.acked_bytes;
    extra_acked_start_ = event.now;
    expected = 0;
  }
  const auto extra = static_cast<std::uint64_t>(
      std::max(0.0, static_cast<double>(delivered) - expected));
  std::uint64_t& slot = extra_acked_[round_count_ % extra_acked_.size()];
  if (round_start_) slot = 0;
  slot = std::max(slot, std::min(extra, cwnd_));
}

std::uint64_t Bbr::ExtraAcked() const {
  if (!full_bw_reached_) return 0;
  return *std::max_element(extra_acked_.begin(), extra_acked_.end());
}

double Bbr::Bdp(double gain) const {
  Duration rtt = min_rtt_;
  if (joining_ && !full_bw_reached_) {
    rtt = std::max(rtt, std::min(round_min_rtt_, kMaxJoiningRtts * rtt));
  }
  if (rtt < Pacer::kMinPacedRtt || max_bw() > Pacer::kMaxPacedRate) {
    rtt = std::max(rtt, kUnpacedRtt);
  }
  return gain * bw() * Seconds(rtt) * Excess();
}

std::uint64_t Bbr::Inflight(double gain) const {
  if (min_rtt_ <= Duration(0)) return kInitialWindowPackets * packet_size_;
  const double packet = static_cast<double>(packet_size_);
  double inflight = Bdp(gain);
  // Section 5.6.4.2: what a sender of trains needs.
  const double train =
      std::clamp(pacing_rate_ * Seconds(Pacer::kBurstTime),
                 static_cast<double>(Pacer::kMinBurstPackets) * packet,
                 std::max(static_cast<double>(Pacer::kMaxBurstBytes), packet));
  inflight = std::max(inflight, 3 * train);
  if (state_ == State::kProbeBwUp) inflight += 2 * packet;
  return std::clamp(static_cast<std::uint64_t>(inflight), MinWindow(),
                    kMaxWindowPackets * packet_size_);
}

std::uint64_t Bbr::InflightWithHeadroom() const {
  if (inflight_longterm_ == kInfinite) return kInfinite;
  const auto headroom = std::max<std::uint64_t>(
      packet_size_, static_cast<std::uint64_t>(
                        kHeadroom * static_cast<double>(inflight_longterm_)));
  // Not below what is needed, as far as that is known to be harmless: the
  // path's bytes, and those that wait at the peer for the next ACK.
  const std::uint64_t needed = std::min(
      inflight_longterm_, static_cast<std::uint64_t>(Bdp(1.0)) + ExtraAcked());
  return std::max({inflight_longterm_ - std::min(headroom, inflight_longterm_),
                   needed, MinWindow()});
}

bool Bbr::StartsFreely() const {
  return state_ == State::kStartup && latest_rtt_ > Duration(0) &&
         latest_rtt_ <= StandingQueueRtt() && sample_.known &&
         !sample_.train.app_limited;
}

void Bbr::SetPacingRate() {
  if (max_bw() <= 0) return;
  double rate;
  if (quiet_ == Quiet::kMeasuring) {
    // Whatever the floor is thought to be: this rate must not cause loss.
    rate = kDownPacingGain * quiet_base_;
  } else if (quiet_ == Quiet::kSettling) {
    rate = kDownPacingGain * std::min(bw(), probed_rate_);
  } else if (floor_.awaits_verdict() && quiet_rate_ > 0 && !IsProbingBw()) {
    // Not yet back to what may have caused the loss.
    rate = std::min(bw(), quiet_rate_ / kDownPacingGain) * Excess() *
           (1 - kPacingMargin);
  } else {
    double gain = pacing_gain_;
    double bandwidth = bw();
    if (Coexisting()) {
      gain = kUpPacingGain;  // The window shall be what limits us.
    } else if (queue_rounds_ > 0) {
      gain = kStandingQueueGain;
    } else if (state_ == State::kProbeBwDown) {
      bandwidth = std::min(bandwidth, probed_rate_);
    }
    rate = gain * bandwidth * Excess() * (1 - kPacingMargin);
  }
  if (StartsFreely()) {
    rate = std::max(rate, kStartupWindowRate * static_cast<double>(cwnd_) /
                              Seconds(min_rtt_));
  }
  // Whatever went wrong, the least window goes out each second, and what comes
  // of it is learnt from.
  rate = std::max(rate, static_cast<double>(MinWindow()));
  if (pacing_rate_ <= 0 && min_rtt_ > Duration(0)) {
    pacing_rate_ = InitialPacingRate(min_rtt_);
  }
  if (full_bw_reached_ || rate > pacing_rate_) pacing_rate_ = rate;
}

void Bbr::SetCwnd(const AckEvent& event) {
  if (away_cwnd_ > 0 && round_start_) {
    cwnd_ = std::max(cwnd_, std::exchange(away_cwnd_, 0));
    returned_at_ = next_number_;
  }
  const std::uint64_t max_inflight = Inflight(cwnd_gain_) + ExtraAcked();
  if (full_bw_reached_) {
    cwnd_ = std::min(cwnd_ + event.acked_bytes, max_inflight);
  } else if (cwnd_ < max_inflight || StartsFreely() ||
             rate_.delivered() - first_delivered_ <
                 kInitialWindowPackets * packet_size_) {
    cwnd_ += event.acked_bytes;
  }
  // Section 5.6.4.7.
  std::uint64_t cap = kMaxWindowPackets * packet_size_;
  if (InProbeBw() && state_ != State::kProbeBwCruise) {
    cap = std::min(cap, inflight_longterm_);
  } else if (state_ == State::kProbeRtt || state_ == State::kProbeBwCruise) {
    cap = std::min(cap, InflightWithHeadroom());
  }
  if (Coexisting()) cap = std::min(cap, CoexistenceBound());
  cap = std::min(cap, inflight_shortterm_);
  if (state_ == State::kProbeRtt) {
    cap = std::min(cap, Inflight(kProbeRttCwndGain));
  }
  cwnd_ = std::max(std::min(cwnd_, cap), MinWindow());
}

std::uint64_t Bbr::pacing_rate(Duration smoothed_rtt) const {
  if (pacing_rate_ > 0) {
    return static_cast<std::uint64_t>(std::max(pacing_rate_, 1.0));
  }
  return static_cast<std::uint64_t>(InitialPacingRate(smoothed_rtt));
}

// Section 5.6.2: the initial window in a round trip. Startup is never slower:
// what the first ACKs are of, a greeting or two packets, says nothing of the
// path.
double Bbr::InitialPacingRate(Duration rtt) const {
  return kStartupPacingGain *
         static_cast<double>(kInitialWindowPackets * packet_size_) /
         std::max(Seconds(rtt), 1e-6);
}

std::uint64_t Bbr::bandwidth(Duration) const {
  return static_cast<std::uint64_t>(max_bw());
}

}  // namespace p2pcp
