// HyStart++ (RFC 9406): leaves slow start when the round trip grows, before the
// queue overflows, by way of a few rounds of Conservative Slow Start.

#ifndef P2PCP_TRANSFER_RECOVERY_HYSTART_H_
#define P2PCP_TRANSFER_RECOVERY_HYSTART_H_

#include <cstdint>

#include "net/base/packet_number.h"
#include "net/base/time.h"

namespace p2pcp {

class HyStart {
 public:
  // RFC 9406 section 4.3. L, the limit of growth per ACK, is infinite, as it
  // advises for senders that pace.
  static constexpr Duration kMinRttThreshold = 4ms;
  static constexpr Duration kMaxRttThreshold = 16ms;
  static constexpr int kMinRttDivisor = 8;
  // N_RTT_SAMPLE is 8 there, for an ACK per two packets. Ours come about eight
  // times in a round trip, and only while packets do: in half of it, when slow
  // start paces at twice the rate.
  static constexpr int kRttSamples = 4;
  static constexpr std::uint64_t kCssGrowthDivisor = 4;
  static constexpr int kCssRounds = 5;

  HyStart() { Reset(); }

  // Slow start begins (again).
  void Reset();
  // rtt_sample: zero where there is none. Returns whether slow start is over.
  bool OnAck(PacketNumber largest_acked, PacketNumber next_number,
             Duration rtt_sample);
  // What acked bytes add to the window.
  std::uint64_t Growth(std::uint64_t acked_bytes) const {
    return in_css_ ? acked_bytes / kCssGrowthDivisor : acked_bytes;
  }
  bool in_css() const { return in_css_; }

 private:
  // currentRoundMinRTT and lastRoundMinRTT start out infinite.
  static constexpr Duration kInfinite = Duration::max();

  void StartRound(PacketNumber next_number);

  bool round_started_ = false;
  PacketNumber window_end_;
  Duration last_round_min_rtt_;
  Duration current_round_min_rtt_;
  int rtt_samples_ = 0;
  bool in_css_ = false;
  Duration css_baseline_min_rtt_;
  int css_rounds_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_HYSTART_H_
