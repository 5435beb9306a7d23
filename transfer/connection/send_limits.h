// SendLimits: where the time of a sender of bytes goes, by what it waits for.
//
// The connection says what holds it back whenever that changes; a stopwatch of
// each cause runs meanwhile. Costs a comparison a packet.

#ifndef P2PCP_TRANSFER_CONNECTION_SEND_LIMITS_H_
#define P2PCP_TRANSFER_CONNECTION_SEND_LIMITS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "net/base/time.h"

namespace p2pcp {

enum class SendLimit : std::uint8_t {
  kIdle,       // Nothing has been offered yet.
  kSending,    // Nothing: it would send, and is not asked for more. That is the
               // time of the machine, or of its socket.
  kPath,       // Congestion window, pacer, or acknowledgements to come.
  kCredit,     // The peer's sink has no room.
  kSource,     // The bytes are not in memory.
  kRateLimit,  // The user allows no more.
  kFinished,   // All that was offered has arrived.
};
inline constexpr std::size_t kSendLimits = 7;

class SendLimits {
 public:
  // From now on this is what holds it back. now never goes back.
  void Set(TimePoint now, SendLimit limit) {
    if (limit == limit_) return;
    spent_[Index(limit_)] += now - since_;
    since_ = now;
    limit_ = limit;
  }

  SendLimit current() const { return limit_; }
  // Time so far with this limit. kIdle: means nothing.
  Duration Spent(TimePoint now, SendLimit limit) const {
    return spent_[Index(limit)] + (limit == limit_ ? now - since_ : 0ns);
  }

 private:
  static constexpr std::size_t Index(SendLimit limit) {
    return static_cast<std::size_t>(limit);
  }

  SendLimit limit_ = SendLimit::kIdle;
  TimePoint since_;
  std::array<Duration, kSendLimits> spent_ = {};
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_CONNECTION_SEND_LIMITS_H_
