#include "transfer/recovery/scavenger.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace p2pcp {
namespace {

// Rounds that a slowdown lasts: in one the line drains, in the next packets
// find it empty.
constexpr int kSlowdownRounds = 2;
// In each round trip at the least, as in LEDBAT++.
constexpr std::uint64_t kLeastPackets = 2;

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

Scavenger::Scavenger(std::size_t packet_size)
    : packet_size_(packet_size),
      window_(static_cast<double>(kStartPackets * packet_size)) {}

void Scavenger::OnPathChange(TimePoint, std::size_t packet_size) {
  *this = Scavenger(packet_size);
}

void Scavenger::OnPacketSizeChange(std::size_t packet_size) {
  packet_size_ = packet_size;
  SetWindow(window_);
}

void Scavenger::SetWindow(double bytes) {
  window_ = std::clamp(bytes, static_cast<double>(kLeastPackets * packet_size_),
                       static_cast<double>(kMaxWindowPackets * packet_size_));
}

Duration Scavenger::base_rtt() const {
  return base_[0] > Duration(0) ? std::min(base_[0], base_[1]) : base_[1];
}

Duration Scavenger::target() const {
  const double jitter =
      kJitterGain *
      static_cast<double>(std::max(jitter_[0], jitter_[1]).count());
  const Duration wanted = std::max(base_rtt() / kTargetDivisor,
                                   Duration(static_cast<std::int64_t>(jitter)));
  return std::clamp<Duration>(wanted, kMinTarget, kMaxTarget);
}

Duration Scavenger::SlowdownInterval() {
  const Duration usual =
      std::max<Duration>(kSlowdownInterval, kSlowdownRtts * base_rtt());
  return usual * 3 / 4 + Duration(static_cast<std::int64_t>(random_->Below(
                             static_cast<std::uint64_t>(usual.count()) / 2)));
}

void Scavenger::OnPacketSent(const SentEvent&) {}

void Scavenger::OnAppLimited(std::uint64_t bytes_in_flight) {
  app_limited_until_ = delivered_ + bytes_in_flight;
}

void Scavenger::Start(const AckEvent& event) {
  round_.end = event.next_number;
  base_since_ = jitter_since_ = event.now;
  random_.emplace(
      static_cast<std::uint64_t>(event.now.time_since_epoch().count()));
  slowdown_at_ = event.now + SlowdownInterval();
}

void Scavenger::OnAck(const AckEvent& event) {
  if (!random_) Start(event);
  TakeSample(event);
  delivered_ += event.acked_bytes;
  round_.acked += event.acked_bytes;
  const bool app_limited = delivered_ <= app_limited_until_;
  round_.app_limited |= app_limited;
  round_.window_limited |= event.window_limited;
  if (state_ == State::kStartup && (event.window_limited || !app_limited)) {
    GrowInStartup(event);
  }
  if (event.largest_acked >= round_.end) {
    if (round_.samples > 0) FinishRound(event.now);
    round_ = {.end = event.next_number};
  }
}

void Scavenger::TakeSample(const AckEvent& event) {
  if (event.now >= base_since_ + kBaseWindow) {
    base_ = {base_[1], Duration(0)};
    base_since_ = event.now;
  }
  const Duration rtt = event.undelayed_rtt_sample;
  if (rtt <= Duration(0)) return;
  if (base_[1] <= Duration(0) || rtt < base_[1]) base_[1] = rtt;
  if (round_.samples == 0 || rtt < round_.min_rtt) round_.min_rtt = rtt;
  round_.max_rtt = std::max(round_.max_rtt, rtt);
  ++round_.samples;
}

void Scavenger::UpdateJitter(TimePoint now) {
  if (now >= jitter_since_ + kJitterWindow) {
    jitter_ = {jitter_[1], Duration(0)};
    jitter_since_ = now;
  }
  if (round_.samples < kJitterSamples) return;
  const Duration spread = round_.max_rtt - round_.min_rtt;
  jitter_spread_ =
      jitter_rounds_ == 0 ? spread : std::min(jitter_spread_, spread);
  if (++jitter_rounds_ < kJitterRounds) return;
  jitter_[1] = std::max(jitter_[1], jitter_spread_);
  jitter_rounds_ = 0;
}

// Twofold in each round, until the first few packets that have waited are seen:
// a whole round later the window would be twice as large.
void Scavenger::GrowInStartup(const AckEvent& event) {
  SetWindow(window_ + static_cast<double>(event.acked_bytes));
  bool queue = false;
  if (event.undelayed_rtt_sample > Duration(0)) {
    startup_rtt_ = startup_samples_ == 0
                       ? event.undelayed_rtt_sample
                       : std::min(startup_rtt_, event.undelayed_rtt_sample);
    if (++startup_samples_ >= kStartupSamples) {
      startup_samples_ = 0;
      queue = startup_rtt_ > base_rtt() + target();
    }
  }
  if (!queue && !TooLossy()) return;
  // What was sent a round ago has made this queue.
  const double rtt = Seconds(queue ? startup_rtt_ : base_rtt());
  Cut(0.5 * Seconds(base_rtt() + target() / 2) / rtt);
}

bool Scavenger::TooLossy() const {
  const auto size = static_cast<double>(packet_size_);
  const double lost = static_cast<double>(round_.lost) / size;
  const double all = lost + static_cast<double>(round_.acked) / size;
  // Two standard deviations above the threshold, and more than one packet.
  return round_.lost_packets >= 2 &&
         lost > kLossThreshold * all + 2 * std::sqrt(kLossThreshold * all);
}

void Scavenger::FinishRound(TimePoint now) {
  UpdateJitter(now);
  if (state_ == State::kSlowdown) {
    if (++slowdown_rounds_ < kSlowdownRounds) return;
    state_ = State::kSteady;
    SetWindow(before_slowdown_ * kSlowdownBeta);
    skip_rounds_ = 1;
    return;
  }
  if (skip_rounds_ > 0) {
    --skip_rounds_;
    return;
  }
  if (round_.app_limited) {
    slowdown_at_ = std::max(slowdown_at_, now + kAppLimitedRest);
  }
  if (state_ == State::kSteady && now >= slowdown_at_) {
    slowdown_at_ = now + SlowdownInterval();
    if (window() > 2 * kMinWindowPackets * packet_size_) {
      state_ = State::kSlowdown;
      slowdown_rounds_ = 0;
      before_slowdown_ = window_;
      SetWindow(static_cast<double>(kMinWindowPackets * packet_size_));
      return;
    }
  }
  Steer(now);
}

void Scavenger::Steer(TimePoint now) {
  const Duration queue = round_.min_rtt - base_rtt();
  const bool short_queue = queue <= target() / 2;
  if (queue > target() || (round_.lost_packets > 0 && !short_queue)) {
    ++cuts_;
    const double alone =
        Seconds(base_rtt() + target() / 2) / Seconds(base_rtt() + queue);
    Cut(cuts_ > 1 ? std::min(alone, kYieldFactor) : alone);
    return;
  }
  cuts_ = 0;
  if (TooLossy()) {
    const double lost = static_cast<double>(round_.lost);
    const double part = lost / (lost + static_cast<double>(round_.acked));
    const double before = window_;
    Cut(1 - 2 * part);
    before_loss_ = before;
    loss_cut_time_ = now;
    return;
  }
  if (state_ == State::kStartup) return;
  if (round_.app_limited && !round_.window_limited) return;
  const auto packet = static_cast<double>(packet_size_);
  if (!short_queue) {
    step_ = kStep;
    SetWindow(window_ + kStep * packet);
    return;
  }
  SetWindow(window_ +
            std::max(packet, std::min(step_ * packet, kMaxGrowth * window_)));
  step_ = std::min(step_ * kStepGrowth, static_cast<double>(kMaxWindowPackets));
}

void Scavenger::Cut(double factor) {
  state_ = State::kSteady;
  before_loss_ = 0;
  SetWindow(window_ * std::max(factor, kLeastCutFactor));
  step_ = kStep;
  skip_rounds_ = 1;
}

void Scavenger::OnLoss(const LossEvent& event) {
  round_.lost += event.lost_bytes;
  round_.lost_packets += event.lost_packets;
  if (!event.persistent_congestion) return;
  state_ = State::kSteady;
  SetWindow(0);
  step_ = kStep;
}

void Scavenger::OnSpurious(const SpuriousEvent& event) {
  round_.lost -= std::min(round_.lost, event.bytes);
  round_.lost_packets -= std::min(round_.lost_packets, event.packets);
  if (before_loss_ > 0 && event.smallest_sent_time <= loss_cut_time_) {
    SetWindow(std::max(window_, before_loss_));
  }
  before_loss_ = 0;
}

std::uint64_t Scavenger::window() const {
  return std::max(static_cast<std::uint64_t>(window_),
                  kMinWindowPackets * packet_size_);
}

std::uint64_t Scavenger::pacing_rate(Duration smoothed_rtt) const {
  const double gain =
      state_ == State::kStartup ? kStartupPacingGain : kPacingGain;
  const double rtt = std::max(Seconds(smoothed_rtt), 1e-6);
  return static_cast<std::uint64_t>(std::max(1.0, gain * window_ / rtt));
}

std::uint64_t Scavenger::bandwidth(Duration smoothed_rtt) const {
  const double rtt = std::max(Seconds(smoothed_rtt), 1e-6);
  return static_cast<std::uint64_t>(window_ / rtt);
}

}  // namespace p2pcp
