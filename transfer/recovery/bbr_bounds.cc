// What loss does to BBR: the short-term bounds, the long-term bound, and their
// undoing (draft-ietf-ccwg-bbr-06 sections 5.5.10 and 5.5.11).

#include <algorithm>
#include <cmath>

#include "transfer/recovery/bbr.h"

namespace p2pcp {

void Bbr::OnPacketLost(const LostPacket& packet) {
  const std::uint64_t ranges = rate_.lost_ranges();
  rate_.OnLost(packet.number, packet.size);
  if (packet.number < answered_below_) {
    answered_lost_ += packet.size;
    answered_ranges_ += rate_.lost_ranges() - ranges;
  }
  floor_.OnLost(packet.number);
  if (packet.number < forgiven_below_) return;
  if (YieldToCompany(packet) || !probe_samples_) return;
  const DeliveryRate::Train* const train = rate_.Find(packet.number);
  if (train == nullptr) return;
  const std::uint64_t lost = rate_.lost() - train->lost;
  if (!InflightTooHigh(lost, rate_.lost_ranges() - train->lost_ranges,
                       train->in_flight)) {
    return;
  }
  // How much was in flight when the loss of this packet's fellows crossed the
  // threshold (BBRInflightAtLoss).
  const double threshold = floor_.Threshold(train->in_flight / packet_size_);
  const auto size = static_cast<double>(packet.size);
  const double in_flight =
      std::max(0.0, static_cast<double>(train->in_flight) - size);
  const double lost_before = std::max(0.0, static_cast<double>(lost) - size);
  const double prefix =
      std::max(0.0, (threshold * in_flight - lost_before) / (1 - threshold));
  HandleInflightTooHigh(static_cast<std::uint64_t>(in_flight + prefix),
                        train->app_limited);
}

void Bbr::OnLoss(const LossEvent& event) {
  now_ = event.now;
  lost_in_a_row_ += event.lost_bytes;
  // Rounds end by what is delivered: where nothing is, or only the small
  // packets, nothing else here would notice that a whole window got lost.
  const bool window_lost = lost_in_a_row_ > cwnd_;
  if (!event.persistent_congestion && !window_lost) return;
  lost_in_a_row_ = 0;
  // The line was away. What is known of it is kept, but until something comes
  // back of what is sent from now on, little is sent (section 5.6.4.4).
  away_cwnd_ = std::max(away_cwnd_, cwnd_);
  StartRound();
  cwnd_ = MinWindow();
  company_ = false;
  floor_.Abandon();
  quiet_ = Quiet::kNo;
}

void Bbr::OnSpurious(const SpuriousEvent& event) {
  rate_.OnSpurious(event.bytes);
  if (!undo_ || event.smallest_sent_time > undo_time_) return;
  bw_shortterm_ = std::max(bw_shortterm_, undo_->bw_shortterm);
  inflight_shortterm_ =
      std::max(inflight_shortterm_, undo_->inflight_shortterm);
  inflight_longterm_ = std::max(inflight_longterm_, undo_->inflight_longterm);
  for (std::size_t i = 0; i < max_bw_.size(); ++i) {
    max_bw_[i] = std::max(max_bw_[i], undo_->max_bw[i]);
  }
  coexistence_ = undo_->coexistence;
  yield_time_ = undo_->yield_time;
  const State state = undo_->state;
  undo_.reset();
  ResetFullBw();
  if (state == State::kStartup && state_ != State::kStartup &&
      state_ != State::kProbeRtt) {
    full_bw_reached_ = false;
    EnterStartup();
  } else if (state == State::kProbeBwUp && InProbeBw() &&
             state_ != State::kProbeBwUp) {
    StartRefill();
  }
}

void Bbr::SaveForUndo() {
  undo_ = Undo{.state = state_,
               .bw_shortterm = bw_shortterm_,
               .inflight_shortterm = inflight_shortterm_,
               .inflight_longterm = inflight_longterm_,
               .max_bw = max_bw_,
               .coexistence = coexistence_,
               .yield_time = yield_time_};
  undo_time_ = now_;
}

bool Bbr::InflightTooHigh(std::uint64_t lost, std::uint64_t lost_ranges,
                          std::uint64_t tx_in_flight) const {
  const double threshold = floor_.Threshold(tx_in_flight / packet_size_);
  if (static_cast<double>(lost) <=
      threshold * static_cast<double>(tx_in_flight)) {
    return false;
  }
  return lost_ranges >= kLossSignalRanges || last_round_too_lossy_;
}

void Bbr::HandleInflightTooHigh(std::uint64_t tx_in_flight, bool app_limited) {
  SaveForUndo();
  probe_samples_ = false;  // React once for each probe.
  if (!app_limited) {
    const double target = std::min(Bdp(1.0), static_cast<double>(cwnd_));
    inflight_longterm_ =
        std::max({tx_in_flight, static_cast<std::uint64_t>(kBeta * target),
                  MinWindow()});
  }
  if (state_ == State::kProbeBwUp) {
    StartDown(now_);
    probe_wait_ = std::max(probe_wait_, WaitAfterLoss(tx_in_flight));
    waits_after_loss_ = true;
  }
}

void Bbr::UpdateLossRound() {
  loss_round_start_ = false;
  if (!sample_.known) return;
  bw_latest_ = std::max(bw_latest_, sample_.rate);
  inflight_latest_ = std::max(inflight_latest_, sample_.delivered);
  if (sample_.train.delivered < loss_round_delivered_) return;
  loss_round_delivered_ = rate_.delivered();
  loss_round_start_ = true;

  loss_round_ = LossesSoFar();
  BeginLossRound();
  last_round_too_lossy_ = round_too_lossy_;
  round_too_lossy_ = TooLossy(loss_round_);
  const bool signal =
      round_too_lossy_ &&
      (loss_round_.ranges >= kLossSignalRanges || last_round_too_lossy_);
  if (IsProbingBw()) return;
  if (quiet_ == Quiet::kNo && !floor_.awaits_verdict()) {
    if (signal) AdaptLowerBounds();
    return;
  }
  if (quiet_ != Quiet::kSettling) {
    quiet_rate_ = std::max(quiet_rate_, bw_latest_);
  }
  if (loss_round_.ranges >= kLossSignalRanges) {
    KeepWorst(loss_round_, deferred_losses_);
  }
}

Bbr::Losses Bbr::LossesSoFar() const {
  const std::uint64_t lost = rate_.lost() - answered_lost_ - round_lost_;
  return {
      .lost = lost,
      .sent = lost + rate_.delivered() - round_delivered_,
      .ranges = rate_.lost_ranges() - answered_ranges_ - round_lost_ranges_};
}

void Bbr::BeginLossRound() {
  round_lost_ = rate_.lost() - answered_lost_;
  round_lost_ranges_ = rate_.lost_ranges() - answered_ranges_;
  round_delivered_ = rate_.delivered();
}

bool Bbr::TooLossy(const Losses& losses) const {
  return static_cast<double>(losses.lost) >
         floor_.Threshold(losses.sent / packet_size_) *
             static_cast<double>(losses.sent);
}

void Bbr::KeepWorst(const Losses& losses, Losses& worst) {
  if (static_cast<double>(losses.lost) * static_cast<double>(worst.sent) >=
      static_cast<double>(worst.lost) * static_cast<double>(losses.sent)) {
    worst = losses;
  }
}

// Now it is known what part of the loss is the path's own.
void Bbr::ReactToVerdict() {
  if (IsProbingBw() || quiet_rate_ <= 0) return;
  const double rate = quiet_rate_ / kDownPacingGain;
  const bool overestimated = max_bw() > kOverestimate * rate;
  const auto sent = static_cast<double>(settling_losses_.sent);
  const auto lost = static_cast<double>(settling_losses_.lost);
  const bool policed = overestimated && TooLossy(settling_losses_) &&
                       sent > kOverestimate * (sent - lost);
  if (!policed && !TooLossy(deferred_losses_)) return;
  SaveForUndo();
  bw_shortterm_ = std::min(bw(), rate);
  if (overestimated) {
    for (double& bw : max_bw_) bw = std::min(bw, rate);
  }
}

void Bbr::FinishLossRound() {
  if (!loss_round_start_) return;
  bw_latest_ = sample_.rate;
  inflight_latest_ = sample_.delivered;
}

void Bbr::AdaptLowerBounds() {
  SaveForUndo();
  if (bw_shortterm_ == kInfiniteRate) bw_shortterm_ = max_bw();
  if (inflight_shortterm_ == kInfinite) inflight_shortterm_ = cwnd_;
  bw_shortterm_ = std::max(bw_latest_, kBeta * bw_shortterm_);
  inflight_shortterm_ = std::max(
      inflight_latest_, static_cast<std::uint64_t>(
                            kBeta * static_cast<double>(inflight_shortterm_)));
}

void Bbr::ResetLowerBounds() {
  bw_shortterm_ = kInfiniteRate;
  inflight_shortterm_ = kInfinite;
}

// Of packets that were sent before, and of those to come of them.
void Bbr::ForgetLosses() {
  forgiven_below_ = answered_below_ = next_number_;
  round_lost_ = rate_.lost() - answered_lost_;
  round_lost_ranges_ = rate_.lost_ranges() - answered_ranges_;
  undo_.reset();
  inflight_longterm_ = kInfinite;
  floor_.Abandon();
  quiet_ = Quiet::kNo;
  ResetLowerBounds();
  ResetCongestionSignals();
  if (InProbeBw()) StartRefill();
}

void Bbr::ResetCongestionSignals() {
  round_too_lossy_ = last_round_too_lossy_ = false;
  bw_latest_ = 0;
  inflight_latest_ = 0;
}

void Bbr::AdaptLongTermModel(const AckEvent& event) {
  if (ack_phase_ == AckPhase::kProbeStarting && round_start_) {
    ack_phase_ = AckPhase::kProbeFeedback;
  }
  if (ack_phase_ == AckPhase::kProbeStopping && round_start_) {
    probe_samples_ = false;
    ack_phase_ = AckPhase::kInit;
    if (InProbeBw() && !(sample_.known && sample_.train.app_limited)) {
      AdvanceMaxBwFilter();
    }
  }
  if (!sample_.known || inflight_longterm_ == kInfinite) return;
  const std::uint64_t in_flight = sample_.train.in_flight;
  if (InflightTooHigh(sample_.lost, sample_.lost_ranges, in_flight)) return;
  inflight_longterm_ = std::max(inflight_longterm_, in_flight);
  if (state_ == State::kProbeBwUp) ProbeInflightUpward(event);
}

void Bbr::ProbeInflightUpward(const AckEvent& event) {
  if (!event.window_limited || cwnd_ < inflight_longterm_) return;
  probe_up_acked_ += static_cast<double>(event.acked_bytes);
  if (probe_up_acked_ >= probe_up_count_) {
    const double growth = std::floor(probe_up_acked_ / probe_up_count_);
    probe_up_acked_ -= growth * probe_up_count_;
    inflight_longterm_ += static_cast<std::uint64_t>(growth) * packet_size_;
  }
  if (round_start_) RaiseInflightSlope();
}

void Bbr::RaiseInflightSlope() {
  // Packets more in this round, twice as many in each.
  const double growth =
      static_cast<double>(std::uint64_t{1} << probe_up_rounds_);
  probe_up_rounds_ = std::min(probe_up_rounds_ + 1, kMaxProbeUpRounds);
  probe_up_count_ = std::max(static_cast<double>(cwnd_) / growth, 1.0);
}

}  // namespace p2pcp
