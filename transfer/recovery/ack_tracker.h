// AckTracker: what a receiver of packets tells their sender, and when.
//
// Remembers the numbers that arrived as at most kMaxAckRanges ranges, and names
// each range in at least three ACKs after it last changed, then no more (unless
// asked): so that losing two ACKs of three loses nothing, and the work for an
// ACK depends on what is new, not on the window. Ranges are forgotten from the
// old end, when there are too many and when the sender says that it no longer
// wants to know.
//
// When to acknowledge is transfer/wire/PROTOCOL.md, "When to acknowledge".

#ifndef P2PCP_TRANSFER_RECOVERY_ACK_TRACKER_H_
#define P2PCP_TRANSFER_RECOVERY_ACK_TRACKER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "transfer/wire/frames.h"

namespace p2pcp {

class AckTracker {
 public:
  // How many ACKs name a range: at 10 % loss of ACKs one range in a thousand
  // stays unknown, and costs a packet sent twice.
  static constexpr int kReports = 3;
  // While the sender's window is small every second packet is acknowledged,
  // for this many packets (as Chromium does before it thins out ACKs).
  static constexpr std::uint64_t kEarlyPackets = 100;
  // Packets after which an ACK is due whatever the clock says: two full GRO
  // batches of 44.
  static constexpr std::uint64_t kPacketsPerAck = 88;
  // Not more often than this, whatever the round trip: on a fast or short path
  // ACKs would otherwise take a noticeable share of both machines. (At 1 Gbit/s
  // 250 us cost the receiver a fifth more of its time, on a LAN of 200 Mbit/s
  // and 4 ms too, and moved nothing faster: measured.)
  static constexpr Duration kMinInterval = 500us;
  static constexpr Duration kMaxDelay =
      std::chrono::microseconds(wire::kMaxAckDelayMicroseconds);

  // start: the connection's, which receive times are counted from.
  explicit AckTracker(TimePoint start);

  // Whether number has been recorded. Numbers older than everything remembered
  // are not known to have been.
  bool Contains(PacketNumber number) const;
  // Records a packet of size bytes. Not called for one that has been refused.
  void OnPacketReceived(TimePoint now, PacketNumber number, std::size_t size,
                        bool ack_eliciting, bool ack_now);
  // Whether number is the one after the largest recorded.
  bool Follows(PacketNumber number) const {
    return count_ > 0 && number.value() == At(count_ - 1).largest + 1;
  }
  // Records count packets, size bytes in all, with the numbers from first on:
  // ack-eliciting ones that ask for no ACK at once. REQUIRES: Follows(first).
  void OnRunReceived(TimePoint now, PacketNumber first, std::uint64_t count,
                     std::size_t size);
  // A PING: below lowest_unacked nothing needs to be named again, everything
  // from there on does.
  void OnPing(PacketNumber lowest_unacked);
  // The round trip, for the intervals. Before the first call: unknown.
  void set_rtt(Duration rtt) { rtt_ = rtt; }

  // Whether an ack-eliciting packet awaits its ACK at all, or by now.
  bool pending() const { return pending_ > 0; }
  bool Due(TimePoint now) const { return deadline_ <= now; }
  std::optional<TimePoint> deadline() const {
    if (deadline_ == TimePoint::max()) return std::nullopt;
    return deadline_;
  }

  // Writes an ACK frame, as many ranges as fit; false: none fits. Counts as
  // sent. REQUIRES: a packet was received.
  bool WriteAck(TimePoint now, ByteWriter& writer, std::uint64_t max_data,
                std::uint64_t socket_drops);

  std::size_t range_count() const { return count_; }

 private:
  struct Range {
    std::uint64_t smallest;
    std::uint64_t largest;
    int reports;  // ACKs that have named it since it changed, up to kReports.
  };

  // The ranges, oldest first.
  Range& At(std::size_t i) { return ranges_[(first_ + i) % ranges_.size()]; }
  const Range& At(std::size_t i) const {
    return ranges_[(first_ + i) % ranges_.size()];
  }
  // False: it was there before, or is too old to be kept.
  bool Insert(std::uint64_t number);
  void EraseRange(std::size_t index);
  void RequestBy(TimePoint deadline) {
    if (deadline < deadline_) deadline_ = deadline;
  }
  // count ack-eliciting packets have been recorded.
  void Schedule(TimePoint now, std::uint64_t count, bool at_once);

  TimePoint start_;
  Duration rtt_{0};

  // A ring: nearly all that happens, happens at its new end, and on a lossy
  // path it is always full.
  std::array<Range, wire::kMaxAckRanges> ranges_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  TimePoint largest_time_;

  std::uint64_t packets_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t eliciting_ = 0;
  std::uint64_t pending_ = 0;  // Ack-eliciting ones since the last ACK.
  TimePoint deadline_ = TimePoint::max();
  TimePoint last_ack_;

  wire::AckFrame frame_;  // Scratch: its ranges are large.
  std::array<std::uint16_t, wire::kMaxAckRanges> named_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_ACK_TRACKER_H_
