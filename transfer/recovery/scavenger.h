// Scavenger: takes what nobody else uses of a path, and yields to everybody.
//
// In the spirit of LEDBAT++ (draft-irtf-iccrg-ledbat-plus-plus): the window
// grows while packets find the queue empty, shrinks while they don't, and is
// given up for two round trips now and then, so that the queue drains and the
// round trip without one shows. Where it differs, by what was simulated:
// - Round trips are measured, not one-way delays: no clock drifts.
// - A queue is the shortest round trip of a round, which jitter hardly reaches,
//   so that the target may be low: 4 ms or a 16th of the round trip, not 60 ms.
//   Beside CUBIC in a queue of one bandwidth-delay product, which is never
//   below 0.4 of it, even a flow that came late and took that for the path's
//   own delay sees more soon.
// - Where round trips differ much within a round all the time, a higher target
//   keeps it from starving on jitter (at most 25 ms).
// - The window grows ever faster, as long as the queue stays empty; it has the
//   line back within seconds, yet nears it slowly from its last bound.
// - The first cut goes to where the queue would be half the target if it were
//   all its own; if it isn't, each further one takes a fifth at the least.
// - Loss counts where it is more than 2 % of a round, or where there is a queue
//   as well: random loss alone must not stop it.

#ifndef P2PCP_TRANSFER_RECOVERY_SCAVENGER_H_
#define P2PCP_TRANSFER_RECOVERY_SCAVENGER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/recovery/congestion_controller.h"

namespace p2pcp {

class Scavenger final : public CongestionController {
 public:
  // How long a queue it lets grow: a part of the round trip within these
  // bounds. Simulated: beside BBR, which keeps its own queue as short, the
  // target is its share of the line.
  static constexpr int kTargetDivisor = 16;
  static constexpr Duration kMinTarget = 4ms;
  static constexpr Duration kMaxTarget = 25ms;
  // Jitter is the least spread of so many rounds in a row, of which each has
  // so many samples; other traffic spreads one or two of them.
  static constexpr int kJitterRounds = 8;
  static constexpr int kJitterSamples = 3;
  static constexpr double kJitterGain = 1.5;
  static constexpr Duration kJitterWindow = 10s;
  // The least of the last one to two of these is the round trip without a
  // queue: longer than CUBIC takes between two losses, short enough to see
  // that a path has become longer.
  static constexpr Duration kBaseWindow = 60s;

  // RFC 6928: it need not be the first to fill the line.
  static constexpr std::uint64_t kStartPackets = 10;
  static constexpr double kStartupPacingGain = 2.0;
  // The least of so many samples in a row ends startup.
  static constexpr int kStartupSamples = 4;
  // Just enough for the window to be filled; more would make queues of its own.
  static constexpr double kPacingGain = 1.05;
  // Packets that the window grows by in a round, at first, and how much more
  // in each further round with a queue below half the target; at most a
  // quarter of the window. Two flows share better with two packets than with
  // LEDBAT++'s one.
  static constexpr double kStep = 2;
  static constexpr double kStepGrowth = 1.1;
  static constexpr double kMaxGrowth = 0.25;
  // A cut never takes more than half.
  static constexpr double kLeastCutFactor = 0.5;
  // At most, after a cut that should have ended the queue, were it its own, but
  // did not. Simulated: the less it is, the more is left to BBR, and the more
  // does the smaller of two scavengers pay for the queue of the larger.
  static constexpr double kYieldFactor = 0.8;
  // draft-ietf-ccwg-bbr section 2.5: more loss than this is not the path's own.
  static constexpr double kLossThreshold = 0.02;

  // Every 5 s, or 60 round trips where that is longer: it costs two to three.
  // Up to a quarter less or more, or two flows would step back together.
  static constexpr Duration kSlowdownInterval = 5s;
  static constexpr int kSlowdownRtts = 60;
  static constexpr double kSlowdownBeta = 0.9;
  // Not before so long after a packet that no other followed for want of data:
  // a flow that is held back by something else has no queue.
  static constexpr Duration kAppLimitedRest = 1s;

  explicit Scavenger(std::size_t packet_size);

  void OnPacketSent(const SentEvent& event) override;
  void OnAck(const AckEvent& event) override;
  void OnLoss(const LossEvent& event) override;
  void OnSpurious(const SpuriousEvent& event) override;
  void OnAppLimited(std::uint64_t bytes_in_flight) override;
  void OnPathChange(TimePoint now, std::size_t packet_size) override;
  void OnPacketSizeChange(std::size_t packet_size) override;

  std::uint64_t window() const override;
  std::uint64_t pacing_rate(Duration smoothed_rtt) const override;
  // It measures none: a window in each round trip.
  std::uint64_t bandwidth(Duration smoothed_rtt) const override;

  enum class State : std::uint8_t { kStartup, kSteady, kSlowdown };
  State state() const { return state_; }
  // Without a queue, as far as is known; zero before the first sample.
  Duration base_rtt() const;
  Duration target() const;

 private:
  // Of one round: from a packet's sending to its acknowledgement.
  struct Round {
    PacketNumber end;  // Over when this or a later one is acknowledged.
    int samples = 0;
    Duration min_rtt{0};
    Duration max_rtt{0};
    std::uint64_t acked = 0;  // Bytes.
    std::uint64_t lost = 0;
    std::uint64_t lost_packets = 0;
    // Any of its packets. It may well be both, in turns; neither: the pace was
    // what held it back.
    bool app_limited = false;
    bool window_limited = false;
  };

  void Start(const AckEvent& event);
  void TakeSample(const AckEvent& event);
  void UpdateJitter(TimePoint now);
  void GrowInStartup(const AckEvent& event);
  void FinishRound(TimePoint now);
  void Steer(TimePoint now);
  void Cut(double factor);
  bool TooLossy() const;
  void SetWindow(double bytes);
  Duration SlowdownInterval();

  std::uint64_t packet_size_;
  State state_ = State::kStartup;
  // Bytes. May be less than window(): the pace goes down to two packets in
  // each round trip.
  double window_;
  double step_ = kStep;
  int cuts_ = 0;         // Without a round of a short queue in between.
  int skip_rounds_ = 0;  // In which the last change can't be seen yet.

  std::optional<SeededRandom> random_;  // Seeded by the first ACK's time.
  Round round_;
  std::uint64_t delivered_ = 0;
  std::uint64_t app_limited_until_ = 0;  // In terms of delivered_.
  int startup_samples_ = 0;
  Duration startup_rtt_{0};

  // Of the window of time before and this one; zero: none.
  std::array<Duration, 2> base_{};
  TimePoint base_since_;
  std::array<Duration, 2> jitter_{};
  TimePoint jitter_since_;
  int jitter_rounds_ = 0;
  Duration jitter_spread_{0};

  TimePoint slowdown_at_;
  int slowdown_rounds_ = 0;
  double before_slowdown_ = 0;
  // The last cut for loss, to be undone if there was none; 0: none.
  double before_loss_ = 0;
  TimePoint loss_cut_time_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_SCAVENGER_H_
