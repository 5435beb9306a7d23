// BBR (draft-ietf-ccwg-bbr-06) with a causal loss floor: sends at the rate that
// the path was seen to deliver, with about one round trip's worth in flight,
// and probes now and then for more.
//
// Names are the draft's. Where it differs:
// - Loss counts against the threshold of BbrLossFloor instead of 2 %, in the
//   short-term reaction as well, and only when it is spread over several ranges
//   or comes again in the next round: one burst of a radio is one event.
// - Rate and window are scaled up by the part that the path loses by itself,
//   which is known from Startup on if as much was lost from its beginning.
// - Startup's window grows by all that arrives while no queue shows, and goes
//   out within a round trip: the rate that is sampled lags behind.
// - Startup ends for loss only when the rate has stopped growing too, or, and
//   then at once, when more is lost than any path loses by itself.
// - Beside flows that fill the queue, losses count as they do for CUBIC.
// - A probe that ended in loss is not repeated before CUBIC would be back.
// - Losses of packets that were sent while probing are answered by its end:
//   found later, they do not lower the short-term bounds.
// - DOWN sends at a part of what arrived when probing ended, which is less than
//   the bandwidth where a policer's bucket has raised that.
// - The headroom leaves room for what waits for the peer's next ACK.
// - PROBE_RTT every 5 s as a must, but not if the round trip has come within
//   5 % of its minimum by itself.
//
// Files: bbr.cc events, model and outputs; bbr_phases.cc the state machine;
// bbr_bounds.cc what loss does; bbr_company.cc how others get their share.

#ifndef P2PCP_TRANSFER_RECOVERY_BBR_H_
#define P2PCP_TRANSFER_RECOVERY_BBR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/recovery/bbr_loss_floor.h"
#include "transfer/recovery/congestion_controller.h"
#include "transfer/recovery/delivery_rate.h"

namespace p2pcp {

class Bbr final : public CongestionController {
 public:
  // Section 5.6.1 (gains), 2.5 and 2.6 (the rest), unless said otherwise.
  static constexpr double kStartupPacingGain = 2.77;
  static constexpr double kDrainPacingGain = 0.5;
  static constexpr double kDownPacingGain = 0.9;
  static constexpr double kUpPacingGain = 1.25;
  static constexpr double kCwndGain = 2.0;
  static constexpr double kUpCwndGain = 2.25;
  // Windows that go out in a round trip, at least, while Startup sees no queue.
  // By the rate's samples alone a window that was sent in a burst is taken for
  // what the path delivers, and grows by half instead of doubling (simulated,
  // 64 MiB at 100 Mbit/s: 200 ms with 0.1 % lost 74.7 -> 76.1 Mbit/s, 200 ms
  // with 10 % lost 66.8 -> 69.5, 50 ms 90.8 -> 91.3). More, 1.5 or 2, overflows
  // a queue of a sixth of a round trip before anything is known of it.
  static constexpr double kStartupWindowRate = 1.1;
  static constexpr double kProbeRttCwndGain = 0.5;
  static constexpr double kPacingMargin = 0.01;
  static constexpr double kBeta = 0.7;
  static constexpr double kHeadroom = 0.15;
  static constexpr double kFullBwGrowth = 1.25;
  static constexpr int kFullBwRounds = 3;
  // One round suffices where the mean round trip grows meanwhile by the
  // larger of these: then it is our queue that grows. (In UP it does by half of
  // a quarter.) Not in Startup while the rate still grows by this, as it does
  // for who joins others in their queue.
  static constexpr int kFullBwQueueRounds = 1;
  static constexpr double kStartupGrowth = 1.15;
  static constexpr Duration kQueueGrowth = 4ms;
  static constexpr int kQueueGrowthDivisor = 16;
  // Where others have filled the queue before us, a window of two bandwidth-
  // delay products can't double the rate. Known by a rate that grows though
  // the round trip is a part above its minimum; then the round trip as it is
  // counts, up to a multiple of the minimum.
  static constexpr int kJoiningRttDivisor = 8;
  static constexpr int kMaxJoiningRtts = 4;
  static constexpr int kMaxDrainRounds = 3;
  // Rounds of DOWN before the floor is measured: what was sent in UP must have
  // arrived.
  static constexpr int kSettlingRounds = 1;
  // After Drain what was sent at half the rate must have, too, lest its rate be
  // taken for the path's.
  static constexpr int kSettlingRoundsAfterDrain = 2;
  // Lost ranges in a round that end Startup (section 5.3.1.3) ...
  static constexpr std::uint64_t kStartupFullLossCount = 6;
  // ... among at least so many packets, since the first few of a round say
  // little ...
  static constexpr double kStartupLossPackets = 32;
  // ... and that make any other signal at once. A queue that overflows at a
  // gain of 1.25 loses every fifth packet.
  static constexpr std::uint64_t kLossSignalRanges = 3;
  // So many packets of Startup's early rounds, and as many of a late one, tell
  // the floor. (100 Mbit/s, 200 ms and 10 % lost both ways, 64 MiB, in the lab:
  // 66.5 -> 69.4 Mbit/s; simulated, with 5 % lost at 50 ms: 89.5 -> 90.2. By
  // all of Startup's packets together the second of two flows, whose losses are
  // those of the queue that it joins, takes two thirds.)
  static constexpr double kStartupFloorPackets = 100;
  static constexpr Duration kMinRttFilterTime = 10s;
  static constexpr Duration kProbeRttInterval = 5s;
  static constexpr Duration kProbeRttDuration = 200ms;
  // A sample so close to the minimum (a twentieth above) confirms it.
  static constexpr int kMinRttConfirmDivisor = 20;
  static constexpr Duration kMinProbeWait = 2s;
  static constexpr Duration kMaxExtraProbeWait = 1s;
  static constexpr std::uint64_t kMaxProbeRounds = 63;
  static constexpr int kExtraAckedRounds = 10;
  static constexpr int kMaxProbeUpRounds = 30;
  // Samples that are so much above what arrives without loss were taken while a
  // policer's bucket lasted, and are forgotten. For what was sent by them to be
  // the reason, it must be as much above what arrived of it. (1.08 was seen on
  // a path with jitter, whose queue Startup had overfilled.)
  static constexpr double kOverestimate = 1.15;
  // Added to the losses that were seen in Startup: with fewer, what is usual
  // may be as much with 95 % certainty (the rule of three).
  static constexpr double kUnseenLosses = 3;
  // A queue stands where the round trip stays above its minimum by the larger
  // of these for a round.
  static constexpr Duration kStandingQueue = 2ms;
  static constexpr int kStandingQueueDivisor = 12;
  // It is another's if it does so for so many rounds of CRUISE, though we send
  // at this part of the rate meanwhile ...
  static constexpr int kCompanyRounds = 4;
  static constexpr double kStandingQueueGain = 0.95;
  // ... or as soon as only this part of the rate arrives.
  static constexpr double kArrivalRate = 0.9;
  // Unless it was so long, as a round trip in terms of the shortest, once in
  // two times of this duration.
  static constexpr double kLongQueueRtts = 2.15;
  static constexpr Duration kLongestQueueTime = 5s;
  // This part of the time to CUBIC's plateau passes before single losses count
  // again.
  static constexpr double kYieldDivisor = 4;
  // A window that has no pacer must span what the machines at both ends take to
  // be scheduled, and the peer's ACKs, which come every 500 us at most.
  static constexpr Duration kUnpacedRtt = 2ms;

  // first_count: where its totals begin. 0, but for tests of large ones.
  explicit Bbr(std::size_t packet_size, std::uint64_t first_count = 0);

  void OnPacketSent(const SentEvent& event) override;
  void OnAck(const AckEvent& event) override;
  void OnPacketLost(const LostPacket& packet) override;
  void OnLoss(const LossEvent& event) override;
  void OnSpurious(const SpuriousEvent& event) override;
  void OnAppLimited(std::uint64_t bytes_in_flight) override;
  void OnPathChange(TimePoint now, std::size_t packet_size) override;
  void OnPacketSizeChange(std::size_t packet_size) override;

  std::uint64_t window() const override { return cwnd_; }
  std::uint64_t pacing_rate(Duration smoothed_rtt) const override;
  std::uint64_t bandwidth(Duration smoothed_rtt) const override;

  enum class State : std::uint8_t {
    kStartup,
    kDrain,
    kProbeBwDown,
    kProbeBwCruise,
    kProbeBwRefill,
    kProbeBwUp,
    kProbeRtt,
  };
  State state() const { return state_; }
  std::string_view phase_name() const override;
  double loss_floor() const { return floor_.floor(); }
  Duration min_rtt() const { return min_rtt_; }
  double max_bw() const;
  double bw() const;
  std::uint64_t inflight_longterm() const { return inflight_longterm_; }

 private:
  static constexpr std::uint64_t kInfinite =
      std::numeric_limits<std::uint64_t>::max();
  static constexpr double kInfiniteRate =
      std::numeric_limits<double>::infinity();

  // Which packets the ACKs that come in belong to (section 5.5.7 ff).
  enum class AckPhase : std::uint8_t {
    kInit,
    kRefilling,
    kProbeStarting,
    kProbeFeedback,
    kProbeStopping,
  };
  // How far DOWN has come with measuring the floor.
  enum class Quiet : std::uint8_t { kNo, kSettling, kMeasuring };
  // Bytes that got lost, of those that were sent.
  struct Losses {
    std::uint64_t lost = 0;
    std::uint64_t sent = 0;
    std::uint64_t ranges = 0;  // That the lost ones lay in.
  };

  // --- bbr.cc ---
  void Restart();
  void UpdateRound(const AckEvent& event);
  void UpdateMaxBw(const DeliveryRate::Sample& sample);
  void AdvanceMaxBwFilter();
  void UpdateMinRtt(const AckEvent& event);
  void UpdateExtraAcked(const AckEvent& event);
  void SetPacingRate();
  double InitialPacingRate(Duration rtt) const;
  void SetCwnd(const AckEvent& event);
  void StartRound() { next_round_delivered_ = rate_.delivered(); }
  // How much more arrives in a lump, at most, than the rate would explain.
  std::uint64_t ExtraAcked() const;
  double Bdp(double gain) const;
  // Bytes in flight for a gain, with what rounding and trains need.
  std::uint64_t Inflight(double gain) const;
  std::uint64_t InflightWithHeadroom() const;
  std::uint64_t MinWindow() const { return kMinWindowPackets * packet_size_; }
  double InPackets(std::uint64_t bytes) const {
    return static_cast<double>(bytes) / static_cast<double>(packet_size_);
  }
  // What must be sent for a byte to arrive.
  double Excess() const { return 1.0 / (1.0 - floor_.floor()); }
  // In Startup: neither the newest round trip nor its own data slow it down.
  bool StartsFreely() const;

  // --- bbr_phases.cc ---
  void UpdateState(const AckEvent& event);
  void EnterStartup();
  void ResetFullBw();
  void ExitStartupForLoss();
  void CheckFullBw();
  void CheckStartupLoss();
  bool ExceedsAnyPath(const Losses& losses) const;
  void LearnFloorFromStartup(TimePoint now);
  void CheckDrain(const AckEvent& event);
  void UpdateProbeBw(const AckEvent& event);
  void UpdateDown(const AckEvent& event);
  bool CheckTimeToProbe(TimePoint now);
  bool TimeToGoDown();
  void StartDown(TimePoint now);
  void StartCruise();
  void StartRefill();
  void StartUp();
  void CheckProbeRtt(const AckEvent& event);
  void ExitProbeRtt(TimePoint now);
  bool InProbeBw() const {
    return state_ >= State::kProbeBwDown && state_ <= State::kProbeBwUp;
  }
  bool IsProbingBw() const {
    return state_ == State::kStartup || state_ == State::kProbeBwRefill ||
           state_ == State::kProbeBwUp;
  }

  // --- bbr_company.cc ---
  // What a round trip is above where a queue stands.
  Duration StandingQueueRtt() const;
  bool QueueStands() const;
  void UpdateCompany();
  bool YieldToCompany(const LostPacket& packet);
  void StartCoexistence(std::uint64_t in_flight);
  bool Coexisting() const {
    return company_ && coexistence_.start && state_ == State::kProbeBwCruise;
  }
  std::uint64_t CoexistenceBound() const;
  Duration WaitAfterLoss(std::uint64_t in_flight) const;

  // --- bbr_bounds.cc ---
  void UpdateLossRound();
  Losses LossesSoFar() const;  // In this loss round.
  void BeginLossRound();
  void FinishLossRound();
  void AdaptLowerBounds();
  void ReactToVerdict();
  bool TooLossy(const Losses& losses) const;
  static void KeepWorst(const Losses& losses, Losses& worst);
  void ResetLowerBounds();
  void ResetCongestionSignals();
  void ForgetLosses();
  void AdaptLongTermModel(const AckEvent& event);
  void ProbeInflightUpward(const AckEvent& event);
  void RaiseInflightSlope();
  bool InflightTooHigh(std::uint64_t lost, std::uint64_t lost_ranges,
                       std::uint64_t tx_in_flight) const;
  void HandleInflightTooHigh(std::uint64_t tx_in_flight, bool app_limited);
  void SaveForUndo();

  std::uint64_t packet_size_;
  DeliveryRate rate_;
  std::uint64_t first_delivered_ = 0;
  BbrLossFloor floor_;
  std::optional<SeededRandom> random_;  // Seeded by the first ACK's time.

  State state_ = State::kStartup;
  double pacing_gain_ = kStartupPacingGain;
  double cwnd_gain_ = kCwndGain;
  double pacing_rate_ = 0;  // Bytes per second; 0: not set yet.
  std::uint64_t cwnd_ = 0;
  // Bytes lost since a packet of full size arrived last.
  std::uint64_t lost_in_a_row_ = 0;
  std::uint64_t prior_cwnd_ = 0;
  // Before the line was away; 0: it is back, and packets from returned_at_ on
  // were sent by this window again.
  std::uint64_t away_cwnd_ = 0;
  PacketNumber returned_at_;
  TimePoint now_;
  DeliveryRate::Sample sample_;  // Of the latest ACK.
  bool window_limited_ = false;
  bool idle_restart_ = false;

  // Rounds.
  std::uint64_t next_round_delivered_ = 0;
  std::uint64_t round_count_ = 0;
  bool round_start_ = false;

  // The model of the path.
  std::array<double, 2> max_bw_{};  // Of this cycle and the one before.
  std::uint64_t cycle_count_ = 0;
  double round_rate_ = 0;       // The best sample of this round ...
  double last_round_rate_ = 0;  // ... and of the one before.
  Duration round_rtt_sum_{0};
  std::int64_t round_rtt_samples_ = 0;
  Duration last_round_mean_rtt_{0};  // Zero: unknown.
  Duration round_min_rtt_{0};        // Likewise ...
  Duration last_round_min_rtt_{0};   // ... and likewise.
  Duration latest_rtt_{0};           // Likewise, of the newest sample.
  bool queue_grows_ = false;         // From the round before to the last.
  Duration min_rtt_{0};              // Zero: unknown.
  TimePoint min_rtt_time_;
  Duration probe_rtt_min_delay_{0};
  TimePoint probe_rtt_min_time_;
  bool probe_rtt_expired_ = false;
  TimePoint extra_acked_start_;
  std::uint64_t extra_acked_delivered_ = 0;
  std::array<std::uint64_t, kExtraAckedRounds> extra_acked_{};

  // Startup, Drain, and the plateau in UP.
  bool full_bw_reached_ = false;
  bool full_bw_now_ = false;
  bool startup_grows_ = false;  // By kStartupGrowth, in the last round.
  bool joining_ = false;        // A queue that others have filled.
  double full_bw_ = 0;
  double full_bw_round_ = 0;  // The rate in the round before.
  int full_bw_count_ = 0;
  std::uint64_t drain_start_round_ = 0;
  // Packets of Startup's rounds in which the rate grew: loss there had other
  // causes than a full queue.
  double startup_packets_ = 0;
  double startup_lost_ = 0;
  // The newest of these rounds, in which a queue may have been filled already,
  // and the one before.
  struct StartupRound {
    double packets = 0;
    double lost = 0;
  };
  std::array<StartupRound, 2> newest_rounds_{};
  // What is known of the floor was seen in Startup, and nothing else.
  bool floor_from_startup_ = false;

  // PROBE_BW.
  AckPhase ack_phase_ = AckPhase::kInit;
  TimePoint cycle_time_;
  Duration probe_wait_{0};
  bool waits_after_loss_ = false;
  std::uint64_t rounds_since_probe_ = 0;
  bool probe_samples_ = false;
  int probe_up_rounds_ = 0;
  double probe_up_acked_ = 0;
  double probe_up_count_ = kInfiniteRate;  // ACKed bytes a packet.
  Quiet quiet_ = Quiet::kNo;
  std::uint64_t quiet_delivered_ = 0;      // When it settles.
  int settling_rounds_ = kSettlingRounds;  // Still to come, when it settles.
  double probed_rate_ = kInfiniteRate;     // Delivered when probing ended.
  double quiet_base_ = 0;   // What the path delivers; measured at a part of it.
  double quiet_rate_ = 0;   // The best sample while measuring.
  Losses settling_losses_;  // The worst sample while it settled.
  // The worst loss round that was not reacted to for want of a verdict.
  Losses deferred_losses_;
  std::uint64_t cycle_lost_ = 0;  // Totals when this cycle began.
  std::uint64_t cycle_delivered_ = 0;
  std::uint64_t previous_cycle_lost_ = 0;  // The cycle before.
  std::uint64_t previous_cycle_delivered_ = 0;

  // PROBE_RTT.
  std::optional<TimePoint> probe_rtt_done_;
  bool probe_rtt_round_done_ = false;
  double prior_rate_ = 0;  // Delivered in the round before it.

  // Company.
  bool company_ = false;
  int cruise_rounds_ = 0;
  int queue_rounds_ = 0;  // Of them, the last ones with a standing queue.
  std::array<Duration, 2> longest_rtt_{};
  TimePoint longest_queue_time_;  // When longest_rtt_[0] began.
  TimePoint yield_time_;
  struct Coexistence {
    std::optional<TimePoint> start;
    double plateau = 0;          // Bytes.
    double time_to_plateau = 0;  // Seconds.
    Duration rtt{0};
  };
  Coexistence coexistence_;

  // What loss does.
  double bw_shortterm_ = kInfiniteRate;
  std::uint64_t inflight_shortterm_ = kInfinite;
  std::uint64_t inflight_longterm_ = kInfinite;
  double bw_latest_ = 0;
  std::uint64_t inflight_latest_ = 0;
  std::uint64_t loss_round_delivered_ = 0;
  // Packets below were sent while probing, which has ended: what gets lost of
  // them has been answered by that, and is no signal to what follows.
  PacketNumber answered_below_;
  // Losses of packets before it say nothing.
  PacketNumber forgiven_below_;
  PacketNumber next_number_;
  std::uint64_t answered_lost_ = 0;  // Totals, of those.
  std::uint64_t answered_ranges_ = 0;
  std::uint64_t round_lost_ = 0;  // Totals when this loss round began.
  std::uint64_t round_lost_ranges_ = 0;
  std::uint64_t round_delivered_ = 0;
  Losses loss_round_;  // Of the round that has ended.
  bool loss_round_start_ = false;
  bool round_too_lossy_ = false;       // This round's verdict ...
  bool last_round_too_lossy_ = false;  // ... and the last one's.

  struct Undo {
    State state;
    double bw_shortterm;
    std::uint64_t inflight_shortterm;
    std::uint64_t inflight_longterm;
    std::array<double, 2> max_bw;
    Coexistence coexistence;
    TimePoint yield_time;
  };
  std::optional<Undo> undo_;
  TimePoint undo_time_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_BBR_H_
