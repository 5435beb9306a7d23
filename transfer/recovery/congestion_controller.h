// CongestionController: how many bytes may be in flight, and at what rate.
//
// Told of every ack-eliciting packet by LossDetection, which owns the order of
// calls for an ACK: OnSpurious, then OnLoss, then OnAck. Events are structs, so
// that a controller which needs more (delivery rates) adds members and leaves
// the others alone.

#ifndef P2PCP_TRANSFER_RECOVERY_CONGESTION_CONTROLLER_H_
#define P2PCP_TRANSFER_RECOVERY_CONGESTION_CONTROLLER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/base/packet_number.h"
#include "net/base/time.h"

namespace p2pcp {

class CongestionController {
 public:
  // Packets in flight before anything is known of the path. Paced, so that even
  // a slow path's queue sees them one by one.
  static constexpr std::uint64_t kInitialWindowPackets = 32;
  // Fewer would leave every loss to the probe timeout.
  static constexpr std::uint64_t kMinWindowPackets = 4;
  // Half of what the sent-packet ring and the peer's replay window can span.
  static constexpr std::uint64_t kMaxWindowPackets = std::uint64_t{1} << 17;

  // Packets number, number + 1 and so on, that were sent at one instant.
  struct SentEvent {
    TimePoint now;
    PacketNumber number;
    std::size_t size;               // Of each.
    std::uint64_t bytes_in_flight;  // With these packets.
    std::uint64_t count = 1;
  };
  struct AckEvent {
    TimePoint now;
    std::uint64_t acked_bytes;   // Newly, and not of packets declared lost.
    PacketNumber largest_acked;  // Of the newly acknowledged ones.
    TimePoint largest_acked_sent_time;
    PacketNumber next_number;  // Larger than all that were sent.
    Duration smoothed_rtt;
    // The round trip of largest_acked without the peer's delay; zero if this
    // ACK gave no sample.
    Duration rtt_sample;
    // The same where the peer's delay always counts, as far as the smallest
    // round trip (RttEstimator::undelayed_rtt()).
    Duration undelayed_rtt_sample{0};
    std::uint64_t bytes_in_flight;  // After the ACK and its losses.
    // Delivered since the connection began, including this ACK.
    std::uint64_t delivered_bytes;
    // Of every packet with a smaller number the fate is known.
    PacketNumber resolved_below;
    // These packets were sent by a sender that the window held back: only then
    // does their arrival say that the window may be larger.
    bool window_limited;
  };
  // One packet that has been declared lost.
  struct LostPacket {
    PacketNumber number;
    std::size_t size;
  };
  struct LossEvent {
    TimePoint now;
    std::uint64_t lost_bytes;
    std::uint64_t lost_packets;
    TimePoint largest_lost_sent_time;
    std::uint64_t bytes_in_flight;  // Without the lost packets.
    // All that was sent for three probe timeouts got lost (RFC 9002 section
    // 7.6).
    bool persistent_congestion;
  };
  // Packets that had been reported as lost have arrived after all.
  struct SpuriousEvent {
    TimePoint now;
    std::uint64_t packets;
    std::uint64_t bytes;
    TimePoint largest_sent_time;
    TimePoint smallest_sent_time;
  };

  virtual ~CongestionController() = default;

  virtual void OnPacketSent(const SentEvent& event) = 0;
  virtual void OnAck(const AckEvent& event) = 0;
  // Each of the packets that the next OnLoss sums up, in the order of their
  // numbers.
  virtual void OnPacketLost(const LostPacket&) {}
  virtual void OnLoss(const LossEvent& event) = 0;
  virtual void OnSpurious(const SpuriousEvent& event) = 0;
  // There was nothing to send though window and rate allowed it: until the
  // packets in flight now have arrived, what arrives says little of the path.
  virtual void OnAppLimited(std::uint64_t /*bytes_in_flight*/) {}
  // Another path, of which nothing is known.
  virtual void OnPathChange(TimePoint now, std::size_t packet_size) = 0;
  // The same path takes packets of another size.
  virtual void OnPacketSizeChange(std::size_t packet_size) = 0;

  // What it is at now, for a trace; of static storage.
  virtual std::string_view phase_name() const { return {}; }

  // Bytes that may be in flight; never below kMinWindowPackets.
  virtual std::uint64_t window() const = 0;
  // Bytes per second that this window should be spread to.
  virtual std::uint64_t pacing_rate(Duration smoothed_rtt) const = 0;
  // What the path carries, in bytes per second, as far as is known.
  virtual std::uint64_t bandwidth(Duration smoothed_rtt) const = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_CONGESTION_CONTROLLER_H_
