// BlackHoleDetector: whether the large packets of a path have ceased to pass
// while small ones do (RFC 8899 section 4.3).
//
// Random loss must not look like it: counted are large packets that were lost
// since the last one that arrived, in the order of sending, and a small one
// must have passed among them. What comes of a suspicion is not decided here.

#ifndef P2PCP_TRANSFER_RECOVERY_BLACK_HOLE_H_
#define P2PCP_TRANSFER_RECOVERY_BLACK_HOLE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "net/base/packet_number.h"
#include "net/base/time.h"

namespace p2pcp {

class BlackHoleDetector {
 public:
  // Large packets in a row, over so many round trips. At 30 % loss eight are
  // lost in a row once in 15,000 times, and in three round trips there are many
  // more than eight.
  static constexpr std::uint64_t kMinPackets = 8;
  static constexpr int kMinRoundTrips = 3;

  // Packets of up to so many bytes pass any path.
  explicit BlackHoleDetector(std::size_t small_size)
      : small_size_(small_size) {}

  // The path, or the size of its large packets, is another one from here on.
  void Reset(PacketNumber next_number) {
    begin_ = next_number;
    lost_ = 0;
  }
  // An ack-eliciting packet has arrived, or was declared lost.
  void OnAcked(PacketNumber number, std::size_t size) {
    if (size <= small_size_) {
      small_acked_ = std::max(small_acked_, number);
      return;
    }
    begin_ = std::max(begin_, number);
    if (lost_ > 0 && number > first_lost_) lost_ = 0;
  }
  void OnLost(PacketNumber number, std::size_t size, TimePoint sent_time) {
    if (size <= small_size_ || number < begin_) return;
    if (lost_++ > 0) return;
    first_lost_ = number;
    first_sent_ = sent_time;
  }
  // Whether it looks like a black hole by now. If so, all begins anew. To be
  // asked after each ACK.
  bool Suspects(TimePoint now, Duration smoothed_rtt,
                PacketNumber next_number) {
    if (lost_ < kMinPackets || small_acked_ < first_lost_ ||
        now - first_sent_ < kMinRoundTrips * smoothed_rtt) {
      return false;
    }
    Reset(next_number);
    return true;
  }

 private:
  std::size_t small_size_;
  PacketNumber begin_;  // What was sent before does not count.
  std::uint64_t lost_ = 0;
  PacketNumber first_lost_;
  TimePoint first_sent_;
  PacketNumber small_acked_;  // The latest small one.
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_BLACK_HOLE_H_
