// For how long datagrams that come in a steady stream may be left to gather in
// the socket, as network interfaces do with their interrupts (coalescing).
//
// At 100 Mbit/s a packet comes each 120 us, and waking up for it costs several
// times as much as what is done with it. So where they come faster than the
// transfer has use for them one by one, they are read together. What comes
// seldom, as in a handshake, in the first round trips and after each pause, is
// read at once.

#ifndef P2PCP_CMD_NETWORK_RECEIVE_COALESCING_H_
#define P2PCP_CMD_NETWORK_RECEIVE_COALESCING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "net/base/time.h"
#include "transfer/recovery/ack_tracker.h"

namespace p2pcp::cmd {

class ReceiveCoalescing {
 public:
  // A rest is a part of the round trip: this is by how much an ACK that nobody
  // waited to send, after a gap or as asked for, comes late.
  static constexpr int kRestsPerRoundTrip = 16;
  // But not less than ACKs are apart in any case, nor more than a sender takes
  // for one burst.
  static constexpr Duration kMinLongest = AckTracker::kMinInterval;
  static constexpr Duration kMaxLongest = 1ms;
  // A rest that saves fewer turns than these is not worth its timer.
  static constexpr int kMinTurns = 2;
  // More datagrams have no room where the kernel grants a receive buffer of
  // 208 KiB only (as Debian does). A turn must be able to read more than these:
  // else those that it leaves would be taken for a stream that is slower.
  static constexpr int kMaxGathered = 44;
  // Below it a timer costs as much as it saves, and is as long again in coming.
  static constexpr Duration kMinRest = 100us;
  // After so many rests in a row there is a turn without one, which shows how
  // soon datagrams would be there.
  static constexpr int kMaxRests = 15;
  // A longer time without any counts as this: after one, and at the beginning,
  // some twenty or thirty turns pass before the first rest.
  static constexpr Duration kPause = 50ms;

  // So many datagrams, which came together, are read now. When that was, as far
  // as one can tell: those that have gathered came one after another, and what
  // is made of their times (when to acknowledge them, for how long they were
  // here) must not see the rest.
  TimePoint OnDatagrams(TimePoint now, std::size_t count) {
    fresh_ += count;
    now_ = now;
    if (rests_ == 0) return now;
    came_ = std::min(now, came_ + gap_ * static_cast<std::int64_t>(count));
    return came_;
  }
  // To be called once after each turn, when all has been sent that the
  // datagrams of this turn have caused. Until when the next ones may be left
  // alone; a time in the past: read them as they come. now: when that was; no
  // later datagram counts as having come before it.
  TimePoint PollRest(TimePoint now, Duration rtt);

 private:
  std::uint64_t fresh_ = 0;  // Datagrams of this turn, ...
  TimePoint now_;            // ... when the last of them was read,
  TimePoint last_;           // and that of the turn before,
  int rests_ = 0;            // after which there was the last of these rests,
  TimePoint came_;           // in which the last datagram came then.
  Duration gap_{0};          // From one to the next, in that rest.
  // Both decay, so their ratio is the time from one datagram to the next of
  // late.
  double datagrams_ = 0;
  double nanoseconds_ = 0;
  // The time until the next turn where there is no rest, in nanoseconds.
  double spacing_ = static_cast<double>(Duration(kPause).count());
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_RECEIVE_COALESCING_H_
