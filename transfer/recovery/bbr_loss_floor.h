// BbrLossFloor: the part of the loss that is the path's own and not caused by
// what we send, as a radio's is.
//
// It is measured where we cannot be the cause: at nine tenths of the rate that
// was just delivered, once the queue has drained, and only if the round trip
// comes down to that of an empty queue meanwhile. A policer or a full queue
// stops dropping then, a bad radio does not. Sending slower for such a loss
// would not reduce it. Or in Startup, which sends less than what was seen to be
// delivered afterwards (AddWindow).

#ifndef P2PCP_TRANSFER_RECOVERY_BBR_LOSS_FLOOR_H_
#define P2PCP_TRANSFER_RECOVERY_BBR_LOSS_FLOOR_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "net/base/packet_number.h"
#include "net/base/time.h"

namespace p2pcp {

class BbrLossFloor {
 public:
  // The loss that BBR tolerates anyway (draft-ietf-ccwg-bbr: LossThresh).
  static constexpr double kTolerated = 0.02;
  // More is never taken for the path's own: it bounds what is sent in excess to
  // a quarter of what arrives.
  static constexpr double kMaxFloor = 0.2;
  // Below this rate of loss there is nothing to measure.
  static constexpr double kWorthMeasuring = 0.003;
  // A window lasts a round trip and this many packets, but (unless the round
  // trip is longer) not this long.
  static constexpr std::uint64_t kWindowPackets = 200;
  static constexpr Duration kMaxWindowTime = 400ms;
  // The shortest round trip of a valid window is at most so much above the
  // minimum, the larger of the two. Not the mean: a radio's jitter is no queue.
  // (100 Mbit/s, 50 ms, 10 ms of jitter and 2 % lost, simulated with 40 seeds:
  // 80.8 Mbit/s by the mean, 82.6 by the shortest.)
  static constexpr Duration kQuietDelay = 4ms;
  static constexpr int kQuietRttDivisor = 8;
  static constexpr std::size_t kWindows = 4;
  // One window that lies so far below the mean of all (in standard deviations,
  // and in addition) shows that the others had another cause.
  static constexpr double kOutlierDeviations = 2.6;
  static constexpr double kOutlierMargin = 0.002;
  // Without a valid window for so long nothing is known any more.
  static constexpr Duration kLifetime = 12s;

  // Packets are sent at a harmless rate from now on.
  void BeginWindow(TimePoint now, PacketNumber next_number, Duration min_rtt);
  // Whether the window has lasted long enough.
  bool WindowComplete(TimePoint now) const;
  // The packets up to here make up the window.
  void EndWindow(PacketNumber next_number);
  // A window that was sent while the path had room for more, as is known now.
  void AddWindow(TimePoint now, std::uint64_t sent, std::uint64_t lost);
  // Something else came between.
  void Abandon();
  // A window has ended, the fate of its packets is not known yet.
  bool awaits_verdict() const { return end_.has_value(); }

  // count packets with the numbers from number on.
  void OnSent(PacketNumber number, std::uint64_t count = 1);
  void OnLost(PacketNumber number);
  // rtt: zero where the ACK gave no sample.
  void OnAck(TimePoint now, PacketNumber largest_acked,
             PacketNumber resolved_below, Duration rtt, Duration min_rtt);

  // The part of packets that the path loses by itself, 0 to kMaxFloor.
  double floor() const { return floor_; }
  // The part that may be lost of so many packets before it is a signal: the
  // floor, what is tolerated, and two standard deviations.
  double Threshold(std::uint64_t packets) const {
    return Threshold(floor_, static_cast<double>(packets), pool_);
  }
  // The same for a floor that was seen in a pool of packets.
  static double Threshold(double floor, double packets, double pool);

 private:
  struct Window {
    std::uint64_t sent;
    std::uint64_t lost;
    double rate() const {
      return static_cast<double>(lost) / static_cast<double>(sent);
    }
  };

  bool InWindow(PacketNumber number) const {
    return active_ && number >= begin_ && (!end_ || number < *end_);
  }
  void Judge(TimePoint now, Duration min_rtt);
  void Evaluate();

  // The window at hand: open, or awaiting its verdict.
  bool active_ = false;
  bool open_ = false;
  TimePoint opened_;
  Duration round_trip_{0};
  PacketNumber begin_;
  std::optional<PacketNumber> end_;
  Window current_{};
  Duration shortest_rtt_{0};  // Zero: no sample.

  std::deque<Window> windows_;  // At most kWindows, oldest first.
  TimePoint last_valid_;
  double floor_ = 0;
  double pool_ = 0;  // Packets in windows_.
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_BBR_LOSS_FLOOR_H_
