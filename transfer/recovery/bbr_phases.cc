// The state machine of BBR (draft-ietf-ccwg-bbr-06 sections 5.3 and 5.5.7):
//
//   STARTUP -> DRAIN -> DOWN -> CRUISE -> REFILL -> UP -> DOWN ...
//   and from anywhere, when the round trip has not been small for a while,
//   PROBE_RTT -> CRUISE (or STARTUP).

#include <algorithm>
#include <utility>

#include "transfer/recovery/bbr.h"

namespace p2pcp {

void Bbr::EnterStartup() {
  state_ = State::kStartup;
  pacing_gain_ = kStartupPacingGain;
  cwnd_gain_ = kCwndGain;
  joining_ = false;
}

void Bbr::ResetFullBw() {
  full_bw_ = 0;
  full_bw_count_ = 0;
  full_bw_now_ = false;
  startup_grows_ = false;
}

void Bbr::CheckFullBw() {
  if (full_bw_now_ || !round_start_ || !sample_.known ||
      sample_.train.app_limited) {
    return;
  }
  if (last_round_rate_ >= full_bw_ * kFullBwGrowth) {
    ResetFullBw();
    full_bw_ = full_bw_round_ = last_round_rate_;
    startup_grows_ = !full_bw_reached_;
    joining_ |= startup_grows_ &&
                last_round_min_rtt_ > min_rtt_ + min_rtt_ / kJoiningRttDivisor;
    return;
  }
  startup_grows_ =
      !full_bw_reached_ && last_round_rate_ >= kStartupGrowth * full_bw_round_;
  full_bw_round_ = last_round_rate_;
  ++full_bw_count_;
  full_bw_now_ =
      full_bw_count_ >=
      (queue_grows_ && !startup_grows_ ? kFullBwQueueRounds : kFullBwRounds);
  if (full_bw_now_) full_bw_reached_ = true;
}

bool Bbr::ExceedsAnyPath(const Losses& losses) const {
  const double packets = InPackets(losses.sent);
  return losses.ranges >= kStartupFullLossCount &&
         packets >= kStartupLossPackets &&
         InPackets(losses.lost) >
             packets * BbrLossFloor::Threshold(BbrLossFloor::kMaxFloor, packets,
                                               packets);
}

// A full queue shows in loss that was not there while the rate still grew.
void Bbr::CheckStartupLoss() {
  if (full_bw_reached_) return;
  if (ExceedsAnyPath(loss_round_start_ ? loss_round_ : LossesSoFar())) {
    // The rest of the round's losses tells of what follows.
    BeginLossRound();
    ExitStartupForLoss();
    return;
  }
  if (!loss_round_start_) return;
  const double packets = InPackets(loss_round_.sent);
  const double lost = InPackets(loss_round_.lost);
  if (startup_grows_ || startup_packets_ <= 0) {
    startup_packets_ += packets;
    startup_lost_ += lost;
    newest_rounds_ = {StartupRound{packets, lost}, newest_rounds_[0]};
    return;
  }
  if (loss_round_.ranges < kStartupFullLossCount) return;
  const double threshold = BbrLossFloor::Threshold(
      (startup_lost_ + kUnseenLosses) / startup_packets_, packets,
      startup_packets_);
  if (lost > threshold * packets) ExitStartupForLoss();
}

void Bbr::ExitStartupForLoss() {
  SaveForUndo();
  full_bw_reached_ = true;
  inflight_longterm_ =
      std::max(static_cast<std::uint64_t>(Bdp(1.0)), inflight_latest_);
}

// What got lost in a round that was followed by one which delivered more was
// not ours to cause. Nor another's whose queue we joined, if as much was lost
// while we had next to nothing of the path.
void Bbr::LearnFloorFromStartup(TimePoint now) {
  const auto& [newest, before] = newest_rounds_;
  const StartupRound early = {
      startup_packets_ - newest.packets - before.packets,
      startup_lost_ - newest.lost - before.lost};
  for (const StartupRound& round : {early, before}) {
    if (round.packets < kStartupFloorPackets ||
        round.lost < BbrLossFloor::kTolerated * round.packets) {
      return;
    }
  }
  if (2 * early.lost * before.packets < before.lost * early.packets) return;
  for (const StartupRound& round : {early, before}) {
    floor_.AddWindow(now, static_cast<std::uint64_t>(round.packets),
                     static_cast<std::uint64_t>(round.lost));
  }
  floor_from_startup_ = true;
}

void Bbr::CheckDrain(const AckEvent& event) {
  if (state_ == State::kStartup && full_bw_reached_) {
    LearnFloorFromStartup(event.now);
    state_ = State::kDrain;
    answered_below_ = next_number_;
    pacing_gain_ = kDrainPacingGain;
    cwnd_gain_ = kCwndGain;
    drain_start_round_ = round_count_;
    return;
  }
  if (state_ != State::kDrain) return;
  if (event.bytes_in_flight <= Inflight(1.0) ||
      round_count_ > drain_start_round_ + kMaxDrainRounds) {
    StartDown(event.now);
    settling_rounds_ = kSettlingRoundsAfterDrain;
  }
}

void Bbr::UpdateProbeBw(const AckEvent& event) {
  if (!full_bw_reached_) return;
  AdaptLongTermModel(event);
  switch (state_) {
    case State::kProbeBwDown:
      UpdateDown(event);
      return;
    case State::kProbeBwCruise:
      CheckTimeToProbe(event.now);
      return;
    case State::kProbeBwRefill:
      if (round_start_) {
        probe_samples_ = true;
        StartUp();
      }
      return;
    case State::kProbeBwUp:
      if (TimeToGoDown()) StartDown(event.now);
      return;
    case State::kStartup:
    case State::kDrain:
    case State::kProbeRtt:
      return;
  }
}

// Drains; then, if there is loss, finds out what part of it is the path's.
void Bbr::UpdateDown(const AckEvent& event) {
  switch (quiet_) {
    case Quiet::kNo: {
      if (CheckTimeToProbe(event.now)) return;
      if (event.bytes_in_flight > InflightWithHeadroom() ||
          event.bytes_in_flight > Inflight(1.0)) {
        return;
      }
      if (std::exchange(floor_from_startup_, false)) {
        StartCruise();
        return;
      }
      const auto lost =
          static_cast<double>(rate_.lost() - previous_cycle_lost_);
      const auto delivered =
          static_cast<double>(rate_.delivered() - previous_cycle_delivered_);
      if (lost <= BbrLossFloor::kWorthMeasuring * (lost + delivered)) {
        StartCruise();
        return;
      }
      quiet_ = Quiet::kSettling;
      settling_losses_ = deferred_losses_ = {};
      quiet_delivered_ = rate_.delivered();
      return;
    }
    case Quiet::kSettling: {
      if (!sample_.known || sample_.train.delivered < quiet_delivered_) return;
      quiet_delivered_ = rate_.delivered();
      const Losses losses{
          .lost = sample_.sent - std::min(sample_.sent, sample_.delivered),
          .sent = sample_.sent};
      KeepWorst(losses, settling_losses_);
      if (--settling_rounds_ > 0 || sample_.rate <= 0) return;
      quiet_base_ = std::min(bw(), probed_rate_);
      // Where all that is sent arrives, that is our rate and not the path's.
      if (TooLossy(losses)) quiet_base_ = std::min(quiet_base_, sample_.rate);
      quiet_ = Quiet::kMeasuring;
      quiet_rate_ = 0;
      floor_.BeginWindow(event.now, event.next_number, min_rtt_);
      return;
    }
    case Quiet::kMeasuring:
      if (!floor_.WindowComplete(event.now)) return;
      floor_.EndWindow(event.next_number);
      StartCruise();
      return;
  }
}

bool Bbr::CheckTimeToProbe(TimePoint now) {
  if (Coexisting()) return false;
  // As often as Reno would grow by what is in flight, where that is soon
  // (section 5.3.3.5.3).
  const std::uint64_t rounds = std::min<std::uint64_t>(
      kMaxProbeRounds, static_cast<std::uint64_t>(Bdp(1.0)) / packet_size_);
  if (now <= cycle_time_ + probe_wait_ &&
      (waits_after_loss_ || rounds_since_probe_ < rounds)) {
    return false;
  }
  StartRefill();
  return true;
}

bool Bbr::TimeToGoDown() {
  if (window_limited_ && cwnd_ >= inflight_longterm_) {
    ResetFullBw();
    full_bw_ = sample_.rate;
    return false;
  }
  return full_bw_now_;
}

void Bbr::StartDown(TimePoint now) {
  if (state_ == State::kProbeBwUp) answered_below_ = next_number_;
  ResetCongestionSignals();
  probe_up_count_ = kInfiniteRate;
  rounds_since_probe_ = random_->Below(2);
  probe_wait_ = kMinProbeWait +
                Duration(static_cast<std::int64_t>(random_->Below(
                    static_cast<std::uint64_t>(kMaxExtraProbeWait.count()))));
  waits_after_loss_ = false;
  cycle_time_ = now;
  ack_phase_ = AckPhase::kProbeStopping;
  StartRound();
  state_ = State::kProbeBwDown;
  pacing_gain_ = kDownPacingGain;
  cwnd_gain_ = kCwndGain;
  quiet_ = Quiet::kNo;
  settling_rounds_ = kSettlingRounds;
  // A sample over the time in which the line was away, and little was sent,
  // does not.
  const bool shows_the_path =
      sample_.known && sample_.rate > 0 && !sample_.train.app_limited &&
      away_cwnd_ == 0 &&
      PacketNumber(sample_.train.first_number) >= returned_at_;
  probed_rate_ = shows_the_path ? sample_.rate : kInfiniteRate;
  previous_cycle_lost_ = cycle_lost_;
  previous_cycle_delivered_ = cycle_delivered_;
  cycle_lost_ = rate_.lost();
  cycle_delivered_ = rate_.delivered();
}

void Bbr::StartCruise() {
  state_ = State::kProbeBwCruise;
  pacing_gain_ = 1.0;
  cwnd_gain_ = kCwndGain;
  quiet_ = Quiet::kNo;
}

void Bbr::StartRefill() {
  ResetLowerBounds();
  coexistence_.start.reset();
  probe_up_rounds_ = 0;
  probe_up_acked_ = 0;
  ack_phase_ = AckPhase::kRefilling;
  StartRound();
  state_ = State::kProbeBwRefill;
  pacing_gain_ = 1.0;
  cwnd_gain_ = kCwndGain;
  quiet_ = Quiet::kNo;
}

void Bbr::StartUp() {
  ack_phase_ = AckPhase::kProbeStarting;
  StartRound();
  ResetFullBw();
  full_bw_ = sample_.rate;
  state_ = State::kProbeBwUp;
  pacing_gain_ = kUpPacingGain;
  cwnd_gain_ = kUpCwndGain;
  RaiseInflightSlope();
}

void Bbr::CheckProbeRtt(const AckEvent& event) {
  if (state_ != State::kProbeRtt) {
    if (!probe_rtt_expired_ || idle_restart_ || !full_bw_reached_) return;
    state_ = State::kProbeRtt;
    pacing_gain_ = 1.0;
    cwnd_gain_ = kProbeRttCwndGain;
    quiet_ = Quiet::kNo;
    floor_.Abandon();
    prior_cwnd_ = cwnd_;
    prior_rate_ = last_round_rate_;
    probe_rtt_done_.reset();
    ack_phase_ = AckPhase::kProbeStopping;
    StartRound();
    return;
  }
  // What is in flight now says nothing of the path's rate.
  rate_.OnAppLimited(event.bytes_in_flight);
  if (!probe_rtt_done_) {
    if (event.bytes_in_flight > Inflight(kProbeRttCwndGain)) return;
    probe_rtt_done_ = event.now + kProbeRttDuration;
    probe_rtt_round_done_ = false;
    StartRound();
    return;
  }
  if (round_start_) probe_rtt_round_done_ = true;
  if (probe_rtt_round_done_ && event.now > *probe_rtt_done_) {
    ExitProbeRtt(event.now);
  }
}

void Bbr::ExitProbeRtt(TimePoint now) {
  probe_rtt_min_time_ = now;
  cwnd_ = std::max(cwnd_, prior_cwnd_);
  ResetLowerBounds();
  StartDown(now);
  StartCruise();
  // Not at once more than what we had beside the others.
  if (company_ && prior_rate_ > 0) {
    for (double& bw : max_bw_) bw = std::min(bw, prior_rate_);
  }
  company_ = false;  // Until they are seen again.
}

std::string_view Bbr::phase_name() const {
  switch (state_) {
    case State::kStartup:
      return "startup";
    case State::kDrain:
      return "drain";
    case State::kProbeBwDown:
      return "probe_bw_down";
    case State::kProbeBwCruise:
      return "probe_bw_cruise";
    case State::kProbeBwRefill:
      return "probe_bw_refill";
    case State::kProbeBwUp:
      return "probe_bw_up";
    case State::kProbeRtt:
      return "probe_rtt";
  }
  return {};
}

}  // namespace p2pcp
