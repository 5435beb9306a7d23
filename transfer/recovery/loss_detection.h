// LossDetection: which packets arrived, which are lost, when to probe.
//
// RFC 9002, with the time-based detection of RACK (RFC 8985): a packet is lost
// once a later one was acknowledged and (1 + k) round trips have passed since
// it was sent. The packet threshold of 3 only counts until the path has
// reordered once: a fixed threshold costs a reordering path most of its
// throughput. k begins at 1/8, grows by 1/8 in each round trip with a loss that
// proved spurious, up to 1, and comes back after 16 round trips without one.
//
// Owns the ring of sent packets, the round-trip estimate and the count of bytes
// in flight. Scans in the order of sending, stops at the first packet that is
// not late, and never looks at a packet again that it has dealt with.

#ifndef P2PCP_TRANSFER_RECOVERY_LOSS_DETECTION_H_
#define P2PCP_TRANSFER_RECOVERY_LOSS_DETECTION_H_

#include <cstdint>
#include <optional>

#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "transfer/recovery/congestion_controller.h"
#include "transfer/recovery/rtt_estimator.h"
#include "transfer/recovery/sent_packets.h"
#include "transfer/wire/frames.h"

namespace p2pcp {

class LossDetection {
 public:
  // RFC 9002 section 6.1.1.
  static constexpr std::uint64_t kPacketThreshold = 3;
  // k in eighths. kTimeThreshold of RFC 9002 section 6.1.2 is 1 + 1/8.
  static constexpr int kMinReorderingEighths = 1;
  static constexpr int kMaxReorderingEighths = 8;
  static constexpr int kCleanRoundsToShrink = 16;
  // A round is lossy if one packet in so many got lost. Fewer packets than
  // kMinLossRound prove nothing, and count with the round that follows.
  static constexpr std::uint64_t kLossyDivisor = 64;
  static constexpr std::uint64_t kMinLossRound = 32;
  // RFC 9002 section 7.6.1.
  static constexpr int kPersistentCongestionThreshold = 3;
  // The probe timeout grows by half each time, not twofold, and never beyond
  // this (unless the round trip itself is longer): on a very lossy path
  // several probes in a row may get lost, and the file should still move.
  static constexpr Duration kMaxProbeTimeout = 3s;
  // From the first probe timeout on, until something is acknowledged, a PING
  // goes out so often (or twice a round trip, if that is longer): the first one
  // that a line lets through after an outage gets the data going again.
  // Backing off protects a congested path from what is sent in vain. Ten
  // packets of 63 bytes a second are 5 kbit/s, less than a tenth of a voice
  // call: a path that this congests carries no file either. What fills a path,
  // the two full packets of a probe, does back off.
  static constexpr Duration kPingInterval = 100ms;
  // A 300th of the silence, if that is longer still: after 30 s the line is
  // hardly about to return, and what a vanished peer is sent must come to an
  // end. Never less often than the probes at their slowest.
  static constexpr int kPingsOfSilence = 300;

  // What becomes of a packet; called from inside the methods below.
  class Handler {
   public:
    virtual ~Handler() = default;
    // It arrived (also one that had been lost).
    virtual void OnPacketAcked(PacketNumber number,
                               const SentPacket& packet) = 0;
    virtual void OnPacketLost(PacketNumber number,
                              const SentPacket& packet) = 0;
  };

  // Both must outlive the object.
  LossDetection(Duration initial_rtt, CongestionController* controller,
                Handler* handler);

  // packet.state and .sent_time are filled in here. count > 1: a run of packets
  // of data that have this size, the numbers from number on, and follow each
  // other in the byte space. REQUIRES: number is larger than all before.
  void OnPacketSent(TimePoint now, PacketNumber number, SentPacket packet,
                    std::uint64_t count = 1);
  // False: it acknowledges a number that was never sent. A violation.
  bool OnAckReceived(TimePoint now, const wire::AckFrame& ack);
  // The sender would send more if the window were larger.
  void OnWindowLimited() { window_limited_before_ = next_number_; }
  // The sender would send more if it had more.
  void OnAppLimited() { controller_->OnAppLimited(bytes_in_flight_); }

  enum class Timeout : std::uint8_t {
    kNothing,  // Nothing was due, or losses were declared.
    kProbe,    // The probe timeout: send data that asks for an ACK.
    kPing,     // Send a PING, and nothing that is larger.
  };
  std::optional<TimePoint> deadline() const;
  Timeout OnTimeout(TimePoint now);

  // Another path: what is in flight no longer counts, and its fate says nothing
  // about the new path.
  void OnPathChange(Duration initial_rtt);

  const RttEstimator& rtt() const { return rtt_; }
  std::uint64_t bytes_in_flight() const { return bytes_in_flight_; }
  // Packets whose fate is open.
  std::uint64_t outstanding() const { return outstanding_; }
  // Larger than all that were sent.
  PacketNumber next_number() const { return PacketNumber(next_number_); }
  // Below this number nothing is of interest any more.
  PacketNumber lowest_unacked() const { return PacketNumber(sent_.begin()); }
  // The first outstanding packet with such content at or after from.
  struct Found {
    PacketNumber number;
    SentPacket packet;
  };
  std::optional<Found> FindOutstanding(PacketNumber from,
                                       std::uint8_t content) const;

  int pto_count() const { return pto_count_; }
  int reordering_eighths() const { return reordering_eighths_; }
  bool reordering_seen() const { return reordering_seen_; }
  // Round trips in a row, the last one included, that were lossy. A queue that
  // overflows as the window is sought makes one or two.
  int lossy_rounds() const { return lossy_rounds_; }
  std::uint64_t packets_lost() const { return packets_lost_; }
  std::uint64_t packets_spuriously_lost() const { return packets_spurious_; }
  std::uint64_t persistent_congestions() const {
    return persistent_congestions_;
  }

 private:
  struct AckSummary;

  void OnNewlyAcked(std::uint64_t number, const SentPacket& packet,
                    AckSummary& summary);
  void TakeSample(Duration rtt, std::uint64_t ack_delay_us);
  void UpdateReordering(const AckSummary& summary);
  void EndLossRound();
  // Declares lost what is, and sets loss_time_.
  void DetectLost(TimePoint now);
  void DeclareLost(std::uint64_t number);
  void ForgetResolved(TimePoint now);
  Duration LossDelay() const;
  Duration BackedOffProbeTimeout() const;
  Duration PingInterval() const;
  bool CountsInFlight(std::uint64_t number) const {
    return number >= path_begin_;
  }

  CongestionController* const controller_;
  Handler* const handler_;
  RttEstimator rtt_;
  SentPackets sent_;
  std::uint64_t next_number_ = 0;  // All that were sent are below.
  std::uint64_t path_begin_ = 0;   // Sent on this path: from here on.
  std::uint64_t bytes_in_flight_ = 0;
  std::uint64_t outstanding_ = 0;
  std::uint64_t delivered_bytes_ = 0;

  bool any_acked_ = false;
  std::uint64_t largest_acked_ = 0;
  // No packet below is outstanding.
  std::uint64_t scan_ = 0;
  std::optional<TimePoint> loss_time_;
  // When the last ack-eliciting packet was sent, the PINGs of kPingInterval
  // apart, and when the last one of all.
  TimePoint probe_timer_start_;
  TimePoint last_eliciting_sent_time_;
  int pto_count_ = 0;
  TimePoint silent_since_;  // The first probe timeout. While pto_count_ > 0.

  bool reordering_seen_ = false;
  int reordering_eighths_ = kMinReorderingEighths;
  std::uint64_t round_end_ = 0;  // A round ends when this number is acked.
  bool round_spurious_ = false;
  int clean_rounds_ = 0;
  int lossy_rounds_ = 0;
  std::uint64_t packets_acked_ = 0;
  // Totals at the last round's end.
  std::uint64_t round_acked_ = 0;
  std::uint64_t round_lost_ = 0;
  std::uint64_t round_spurious_lost_ = 0;

  // When the first of an unbroken run of lost packets was sent; none while the
  // last packet that the scan passed was acknowledged.
  std::optional<TimePoint> lost_run_begin_;
  std::optional<TimePoint> first_rtt_sample_time_;
  std::uint64_t window_limited_before_ = 0;

  std::uint64_t packets_lost_ = 0;
  std::uint64_t packets_spurious_ = 0;
  std::uint64_t persistent_congestions_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_LOSS_DETECTION_H_
