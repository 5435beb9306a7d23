// Whether a socket is flooded with what is not the peer's: then the kernel had
// better drop it. Not always, since what the kernel drops so it counts together
// with what it drops for want of room, which says what limits a transfer.

#ifndef P2PCP_CMD_NETWORK_FLOOD_GUARD_H_
#define P2PCP_CMD_NETWORK_FLOOD_GUARD_H_

#include <cstdint>

#include "net/base/time.h"

namespace p2pcp::cmd {

class FloodGuard {
 public:
  // Datagrams a second. Each costs about a microsecond to be read and dropped
  // (measured), so fewer cost less than half a percent of a core.
  static constexpr std::uint64_t kFlood = 4000;
  static constexpr std::uint64_t kCalm = kFlood / 4;
  // A rate is of this long, at least.
  static constexpr Duration kPeriod = 200ms;
  // A flood is over when there was calm for so long.
  static constexpr Duration kOver = 5s;

  // garbage: how many datagrams have come so far that were not the peer's. To
  // be called now and then; returns flooded().
  bool Update(TimePoint now, std::uint64_t garbage);
  bool flooded() const { return flooded_; }

 private:
  bool begun_ = false;
  TimePoint begin_;  // Of the period, at which so much had come.
  std::uint64_t begin_garbage_ = 0;
  bool flooded_ = false;
  TimePoint last_busy_;  // When there was no calm for the last time.
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_FLOOD_GUARD_H_
