// RateLimit: a cap on what goes onto the wire, set by the user.
//
// A token bucket beside the pacer, which knows nothing of it: the limit also
// holds where nothing is paced. Everything that is sent is counted, with the
// headers of the layers below; what must not wait (ACKs, probes) is sent all
// the same, and the rest waits the longer for it.

#ifndef P2PCP_TRANSFER_RECOVERY_RATE_LIMIT_H_
#define P2PCP_TRANSFER_RECOVERY_RATE_LIMIT_H_

#include <cstddef>
#include <cstdint>

#include "net/base/time.h"

namespace p2pcp {

class RateLimit {
 public:
  // What a sender that wakes up late may make up for, and so the longest burst:
  // a hundredth of a second's worth, so that no second has more than 1 % too
  // much.
  static constexpr Duration kMaxLateness = 10ms;
  // After it had to wait, it waits for a burst that is worth a system call.
  static constexpr Duration kBurstTime = 1ms;
  static constexpr std::size_t kMaxBurstBytes = 65'000;

  // rate: bytes per second; 0: no limit. overhead: bytes that each packet has
  // on the wire besides its payload.
  RateLimit(TimePoint now, std::uint64_t rate, std::size_t overhead);

  // Whether a packet may go now whose payload has at most this size, the same
  // in all calls but for a path that takes others.
  bool CanSend(TimePoint now, std::size_t payload);
  // How many packets with such a payload may go now, at most `most`.
  std::uint64_t Allows(TimePoint now, std::size_t payload, std::uint64_t most);
  // Something has been sent, whether it was allowed or not: count packets.
  void OnSent(TimePoint now, std::size_t payload, std::uint64_t count = 1);
  // When CanSend() will be true. REQUIRES: it was false just now.
  TimePoint NextSendTime() const;

 private:
  void Refill(TimePoint now);

  const double rate_;  // Bytes per nanosecond.
  const double overhead_;
  double tokens_ = 0;  // Negative: sent ahead of time.
  double wanted_ = 0;  // Tokens that CanSend() waits for.
  bool waiting_ = false;
  TimePoint refilled_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_RATE_LIMIT_H_
