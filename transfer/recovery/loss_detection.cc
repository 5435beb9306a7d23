#include "transfer/recovery/loss_detection.h"

#include <algorithm>
#include <chrono>

#include "net/base/check.h"

namespace p2pcp {

using State = SentPacket::State;

// What one ACK frame brought.
struct LossDetection::AckSummary {
  std::uint64_t frame_largest = 0;
  // When that was sent, if it is newly acknowledged and of this path. It need
  // not be ack-eliciting (RFC 9002 section 5.1).
  std::optional<TimePoint> frame_largest_sent_time;
  std::uint64_t smallest_acked = 0;
  std::uint64_t largest_acked = 0;
  TimePoint largest_sent_time;
  std::uint64_t acked_bytes = 0;
  std::uint64_t eliciting = 0;      // Newly acknowledged, of this path.
  std::uint64_t old_eliciting = 0;  // The same, of a path that is left.
  bool reordered = false;
  CongestionController::SpuriousEvent spurious{};
};

LossDetection::LossDetection(Duration initial_rtt,
                             CongestionController* controller, Handler* handler)
    : controller_(controller), handler_(handler), rtt_(initial_rtt) {}

void LossDetection::OnPacketSent(TimePoint now, PacketNumber number,
                                 SentPacket packet, std::uint64_t count) {
  const std::uint64_t first = number.value();
  P2PCP_CHECK(first >= next_number_ && count > 0);
  P2PCP_CHECK(count == 1 || packet.content == SentPacket::kData);
  next_number_ = first + count;
  packet.sent_time = now;
  if (packet.content == 0) {
    if (sent_.empty()) {
      sent_.Skip(first);
      return;
    }
    packet.state = State::kNotInFlight;
  } else {
    packet.state = State::kOutstanding;
  }
  // A span of 2^18 numbers is more than any window: what is so old is lost.
  while (!sent_.HasRoomFor(next_number_ - 1)) {
    if (sent_[sent_.begin()].state == State::kOutstanding) {
      DeclareLost(sent_.begin());
    }
    sent_.PopFront();
  }
  sent_.Append(first, packet, count);
  if (packet.content == 0) return;

  bytes_in_flight_ += count * packet.size;
  outstanding_ += count;
  last_eliciting_sent_time_ = now;
  if (pto_count_ == 0 || packet.content != SentPacket::kPing) {
    probe_timer_start_ = now;
  }
  controller_->OnPacketSent({.now = now,
                             .number = number,
                             .size = packet.size,
                             .bytes_in_flight = bytes_in_flight_,
                             .count = count});
}

void LossDetection::OnNewlyAcked(std::uint64_t number, const SentPacket& packet,
                                 AckSummary& summary) {
  if (number == summary.frame_largest && CountsInFlight(number) &&
      (packet.state == State::kOutstanding ||
       packet.state == State::kNotInFlight)) {
    summary.frame_largest_sent_time = packet.sent_time;
  }
  if (packet.content == 0) return;  // Not ours, or one that nobody waits for.
  if (packet.state == State::kLost) {
    ++packets_spurious_;
    auto& spurious = summary.spurious;
    if (CountsInFlight(number)) {
      if (spurious.packets == 0) {
        spurious.smallest_sent_time = packet.sent_time;
        spurious.largest_sent_time = packet.sent_time;
      }
      ++spurious.packets;
      spurious.bytes += packet.size;
      spurious.smallest_sent_time =
          std::min(spurious.smallest_sent_time, packet.sent_time);
      spurious.largest_sent_time =
          std::max(spurious.largest_sent_time, packet.sent_time);
    }
  } else {
    --outstanding_;
    if (any_acked_ && number < largest_acked_) summary.reordered = true;
    if (CountsInFlight(number)) {
      bytes_in_flight_ -= packet.size;
      summary.acked_bytes += packet.size;
      if (summary.eliciting == 0 || number < summary.smallest_acked) {
        summary.smallest_acked = number;
      }
      if (summary.eliciting == 0 || number > summary.largest_acked) {
        summary.largest_acked = number;
        summary.largest_sent_time = packet.sent_time;
      }
      ++summary.eliciting;
    } else {
      ++summary.old_eliciting;
    }
  }
  handler_->OnPacketAcked(PacketNumber(number), packet);
}

bool LossDetection::OnAckReceived(TimePoint now, const wire::AckFrame& ack) {
  P2PCP_CHECK(ack.range_count > 0);
  const std::uint64_t largest = ack.ranges[0].largest.value();
  if (largest >= next_number_) return false;

  AckSummary summary;
  summary.frame_largest = largest;
  for (const wire::AckRange& range : ack.Ranges()) {
    if (range.largest.value() < sent_.begin()) break;
    sent_.Acknowledge(range.smallest.value(), range.largest.value(),
                      [&](std::uint64_t number, const SentPacket& packet) {
                        OnNewlyAcked(number, packet, summary);
                      });
  }
  if (summary.eliciting == 0 && summary.old_eliciting == 0 &&
      summary.spurious.packets == 0) {
    return true;
  }

  // RFC 9002 section 5.1: a sample only from the largest number of the frame,
  // and only when it is news.
  bool sampled = false;
  if (summary.eliciting > 0 && summary.frame_largest_sent_time) {
    TakeSample(now - *summary.frame_largest_sent_time,
               ack.ack_delay_microseconds);
    if (!first_rtt_sample_time_) first_rtt_sample_time_ = now;
    sampled = true;
  }
  packets_acked_ += summary.eliciting;
  UpdateReordering(summary);
  if (!any_acked_ || largest > largest_acked_) largest_acked_ = largest;
  any_acked_ = true;
  if (summary.eliciting > 0 || summary.old_eliciting > 0) pto_count_ = 0;

  if (summary.spurious.packets > 0) {
    summary.spurious.now = now;
    controller_->OnSpurious(summary.spurious);
  }
  DetectLost(now);
  if (summary.eliciting > 0) {
    delivered_bytes_ += summary.acked_bytes;
    controller_->OnAck(
        {.now = now,
         .acked_bytes = summary.acked_bytes,
         .largest_acked = PacketNumber(summary.largest_acked),
         .largest_acked_sent_time = summary.largest_sent_time,
         .next_number = PacketNumber(next_number_),
         .smoothed_rtt = rtt_.smoothed_rtt(),
         .rtt_sample = sampled ? rtt_.adjusted_rtt() : Duration(0),
         .undelayed_rtt_sample = sampled ? rtt_.undelayed_rtt() : Duration(0),
         .bytes_in_flight = bytes_in_flight_,
         .delivered_bytes = delivered_bytes_,
         .resolved_below = PacketNumber(scan_),
         .window_limited = summary.smallest_acked < window_limited_before_});
  }
  ForgetResolved(now);
  return true;
}

void LossDetection::TakeSample(Duration rtt, std::uint64_t delay_us) {
  // Longer than any peer waits on purpose: the ACKs before this one got lost,
  // or its machine slept. That says nothing about the path, and would hold up
  // recovery for as long as it lasted.
  if (delay_us > wire::kMaxAckDelayMicroseconds) {
    const std::uint64_t excess = std::min<std::uint64_t>(
        delay_us - wire::kMaxAckDelayMicroseconds, std::uint64_t{1} << 50);
    rtt = std::max(
        rtt - std::chrono::microseconds(excess),
        rtt_.has_sample() ? rtt_.min_rtt() : RttEstimator::kGranularity);
    delay_us = wire::kMaxAckDelayMicroseconds;
  }
  rtt_.OnSample(std::max(rtt, Duration(1)),
                std::chrono::microseconds(delay_us));
}

void LossDetection::UpdateReordering(const AckSummary& summary) {
  if (summary.reordered) reordering_seen_ = true;
  if (summary.spurious.packets > 0) {
    reordering_seen_ = true;
    if (!round_spurious_ && reordering_eighths_ < kMaxReorderingEighths) {
      ++reordering_eighths_;
    }
    round_spurious_ = true;
    clean_rounds_ = 0;
  }
  if (summary.eliciting > 0 && summary.largest_acked >= round_end_) {
    round_end_ = next_number_;
    if (!round_spurious_ && ++clean_rounds_ >= kCleanRoundsToShrink) {
      clean_rounds_ = 0;
      reordering_eighths_ =
          std::max(reordering_eighths_ - 1, kMinReorderingEighths);
    }
    round_spurious_ = false;
    EndLossRound();
  }
}

void LossDetection::EndLossRound() {
  const std::uint64_t acked = packets_acked_ - round_acked_;
  const std::uint64_t spurious = packets_spurious_ - round_spurious_lost_;
  std::uint64_t lost = packets_lost_ - round_lost_;
  lost -= std::min(lost, spurious);
  if (acked + lost < kMinLossRound) return;
  lossy_rounds_ = lost * kLossyDivisor >= acked + lost ? lossy_rounds_ + 1 : 0;
  round_acked_ = packets_acked_;
  round_lost_ = packets_lost_;
  round_spurious_lost_ = packets_spurious_;
}

Duration LossDetection::LossDelay() const {
  const Duration rtt = std::max(rtt_.smoothed_rtt(), rtt_.latest_rtt());
  return std::max(rtt + rtt * reordering_eighths_ / 8,
                  RttEstimator::kGranularity);
}

void LossDetection::DeclareLost(std::uint64_t number) {
  SentPacket& packet = sent_[number];
  packet.state = State::kLost;
  --outstanding_;
  ++packets_lost_;
  if (CountsInFlight(number)) bytes_in_flight_ -= packet.size;
  handler_->OnPacketLost(PacketNumber(number), packet);
}

void LossDetection::DetectLost(TimePoint now) {
  loss_time_.reset();
  if (!any_acked_) return;
  if (scan_ < sent_.begin()) {
    scan_ = sent_.begin();
    lost_run_begin_.reset();
  }
  const Duration delay = LossDelay();
  const Duration persistent =
      kPersistentCongestionThreshold * rtt_.ProbeTimeout();
  CongestionController::LossEvent event{};
  for (; scan_ < sent_.end() && scan_ < largest_acked_; ++scan_) {
    const SentPacket& packet = sent_[scan_];
    if (packet.state == State::kAcked && packet.content != 0) {
      lost_run_begin_.reset();
    }
    if (packet.state != State::kOutstanding) continue;
    const bool by_count =
        !reordering_seen_ && largest_acked_ - scan_ >= kPacketThreshold;
    if (!by_count && packet.sent_time + delay > now) {
      loss_time_ = packet.sent_time + delay;
      break;
    }
    DeclareLost(scan_);
    if (!CountsInFlight(scan_)) continue;
    controller_->OnPacketLost(
        {.number = PacketNumber(scan_), .size = packet.size});
    event.lost_bytes += packet.size;
    ++event.lost_packets;
    event.largest_lost_sent_time = packet.sent_time;
    if (!first_rtt_sample_time_ || packet.sent_time < *first_rtt_sample_time_) {
      continue;
    }
    if (!lost_run_begin_) lost_run_begin_ = packet.sent_time;
    if (packet.sent_time - *lost_run_begin_ > persistent) {
      event.persistent_congestion = true;
    }
  }
  if (event.lost_packets == 0) return;
  if (event.persistent_congestion) {
    ++persistent_congestions_;
    lost_run_begin_.reset();
  }
  event.now = now;
  event.bytes_in_flight = bytes_in_flight_;
  controller_->OnLoss(event);
}

void LossDetection::ForgetResolved(TimePoint now) {
  // For as long a late ACK is still taken as proof that a loss was none.
  const Duration keep = 3 * rtt_.ProbeTimeout();
  while (!sent_.empty()) {
    const SentPacket& packet = sent_[sent_.begin()];
    if (packet.state == State::kOutstanding) return;
    if (packet.state == State::kLost && packet.sent_time + keep > now) return;
    sent_.PopFront();
  }
}

Duration LossDetection::BackedOffProbeTimeout() const {
  Duration timeout = rtt_.ProbeTimeout();
  const Duration limit = std::max(timeout, kMaxProbeTimeout);
  for (int i = 0; i < pto_count_ && timeout < limit; ++i) {
    timeout = timeout * 3 / 2;
  }
  return std::min(timeout, limit);
}

Duration LossDetection::PingInterval() const {
  return std::clamp<Duration>(
      (last_eliciting_sent_time_ - silent_since_) / kPingsOfSilence,
      std::max<Duration>(kPingInterval, rtt_.min_rtt() / 2),
      std::max<Duration>(kMaxProbeTimeout, rtt_.min_rtt() / 2));
}

std::optional<TimePoint> LossDetection::deadline() const {
  if (loss_time_) return loss_time_;
  if (outstanding_ == 0) return std::nullopt;
  const TimePoint probe = probe_timer_start_ + BackedOffProbeTimeout();
  if (pto_count_ == 0) return probe;
  return std::min(probe, last_eliciting_sent_time_ + PingInterval());
}

LossDetection::Timeout LossDetection::OnTimeout(TimePoint now) {
  const std::optional<TimePoint> due = deadline();
  if (!due || now < *due) return Timeout::kNothing;
  if (loss_time_) {
    DetectLost(now);
    ForgetResolved(now);
    return Timeout::kNothing;
  }
  if (now < probe_timer_start_ + BackedOffProbeTimeout()) return Timeout::kPing;
  if (pto_count_++ == 0) silent_since_ = now;
  probe_timer_start_ = now;
  return Timeout::kProbe;
}

void LossDetection::OnPathChange(Duration initial_rtt) {
  rtt_.Reset(initial_rtt);
  path_begin_ = next_number_;
  bytes_in_flight_ = 0;
  pto_count_ = 0;
  loss_time_.reset();
  lost_run_begin_.reset();
  first_rtt_sample_time_.reset();
  round_end_ = next_number_;
  window_limited_before_ = 0;
}

std::optional<LossDetection::Found> LossDetection::FindOutstanding(
    PacketNumber from, std::uint8_t content) const {
  std::uint64_t number = std::max({from.value(), scan_, sent_.begin()});
  for (; number < sent_.end(); ++number) {
    const SentPacket& packet = sent_[number];
    if (packet.state == State::kOutstanding &&
        (packet.content & content) != 0) {
      return Found{PacketNumber(number), packet};
    }
  }
  return std::nullopt;
}

}  // namespace p2pcp
