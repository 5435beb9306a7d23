// Pacer: a token bucket that lets packets go at a rate, in bursts that are
// worth a system call.

#ifndef P2PCP_TRANSFER_RECOVERY_PACER_H_
#define P2PCP_TRANSFER_RECOVERY_PACER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/time.h"

namespace p2pcp {

class Pacer {
 public:
  // A burst is what the rate gives in this time, but
  static constexpr Duration kBurstTime = 1ms;
  // at least this many packets and at most one GSO send.
  static constexpr std::size_t kMinBurstPackets = 2;
  static constexpr std::size_t kMaxBurstPackets = 44;
  static constexpr std::size_t kMaxBurstBytes = 65'000;
  // A sender that wakes up late makes up for so much at once, and for so much
  // in all, the rest by a rate that is higher by this part: else its throughput
  // would fall with the load of its CPU. (Lab, two cores for both ends and the
  // line, wake-ups late by up to 10 ms: 500 Mbit/s, 40 ms 428 -> 435 Mbit/s.)
  static constexpr Duration kLateCredit = 2ms;
  static constexpr Duration kMaxLateness = 10ms;
  static constexpr double kCatchUp = 0.25;
  // The first packets may go at once: ten, the initial window of RFC 9002
  // sections 7.2 and 7.7.
  static constexpr std::size_t kInitialBurstPackets = 10;
  // Above this rate, or below this round trip, the window alone decides: timers
  // can't keep up, and bursts would shrink to a few packets. 3 Gbit/s in bytes.
  static constexpr std::uint64_t kMaxPacedRate = 375'000'000;
  static constexpr Duration kMinPacedRtt = 200us;

  // Nothing is paced until SetRate.
  Pacer(TimePoint now, std::size_t packet_size);

  // rate: bytes per second; bandwidth: an estimate of what the path carries,
  // min_rtt: zero while unknown.
  void SetRate(TimePoint now, std::uint64_t rate, std::uint64_t bandwidth,
               Duration min_rtt, std::size_t packet_size);
  // Whether a packet of at most the packet size may go now.
  bool CanSend(TimePoint now);
  // How many packets of the packet size may go now, at most `most`.
  std::uint64_t Allows(TimePoint now, std::uint64_t most);
  // Also for packets that did not ask: probes, which must not wait. They delay
  // the next one by a burst at most; else a path that swallows probes for
  // minutes would be left alone for hours when it works again.
  void OnSent(std::size_t size) {
    if (rate_ == 0) return;
    tokens_ = std::max(tokens_ - static_cast<double>(size), -burst_);
  }
  // When CanSend() will be true. REQUIRES: it was false just now.
  TimePoint NextSendTime() const;

  // 0: not paced.
  std::uint64_t rate() const { return static_cast<std::uint64_t>(rate_ * 1e9); }
  std::size_t burst() const { return static_cast<std::size_t>(burst_); }

 private:
  void Refill(TimePoint now);
  double MostOwed() const {
    return rate_ * static_cast<double>(kMaxLateness.count());
  }

  double rate_ = 0;  // Bytes per nanosecond.
  double packet_size_;
  double burst_;
  double capacity_;
  double tokens_;
  double owed_ = 0;       // Bytes that were not sent for lateness alone.
  bool waiting_ = false;  // The last packet that asked was refused.
  bool in_burst_ = true;
  TimePoint refilled_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_PACER_H_
