// TailRedundancy: copies for the end of a transfer.
//
// When all bytes have been sent and only the last ones are awaited, the window
// empties, and every loss costs a round trip more: about ln(W) / ln(1/p) of
// them, for W packets in flight and a loss p (3.2 for 1,700 at 10 %). So what
// the window has to spare goes to copies of what is not acknowledged, round
// after round, where loss has been seen and a round trip is long enough for
// anybody to notice. No more than a little: it is the only thing that a
// connection sends which nobody may need.
//
// At 100 Mbit/s, 200 ms and 10 % loss, by BBR, the medians of 20 seeds are
// 1.83 -> 1.62 s for 1 MiB, 3.59 -> 3.28 s for 16 MiB, 8.07 -> 7.77 s for 64
// MiB (tests/sim/line_sim_test.cc, Tail); at 1 % and 16 MiB 0.5 % would be
// gained, for 12 % more bytes.

#ifndef P2PCP_TRANSFER_CONNECTION_TAIL_REDUNDANCY_H_
#define P2PCP_TRANSFER_CONNECTION_TAIL_REDUNDANCY_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "transfer/connection/byte_sender.h"

namespace p2pcp {

class TailRedundancy {
 public:
  // Never on a LAN: there is nothing to gain.
  static constexpr Duration kMinRtt = 20ms;
  // Loss has been seen: in so many round trips in a row. Where a smaller part
  // of the packets gets lost than that asks for, few or none of the last window
  // are missing.
  static constexpr int kMinLossyRounds = 3;
  // Of copies at most: a hundredth of all bytes, or one bandwidth times delay.
  static constexpr std::uint64_t kMaxPartDivisor = 100;
  // The same bytes are copied so often in a round trip at most.
  static constexpr int kRoundsPerRtt = 2;

  // What the sender knows of its path.
  struct Path {
    Duration min_rtt;         // Zero: unknown.
    std::uint64_t bandwidth;  // Bytes per second.
    int lossy_rounds;         // LossDetection's.
  };

  // Whether copies are worth their bytes, and may still be sent.
  bool Worthwhile(const Path& path, const ByteSender& sender) const;
  // The next copy, of max_size bytes at most, if one may go now; counts as
  // sent. scratch holds max_size bytes.
  // REQUIRES: sender.InTail(), Worthwhile(), min_rtt > 0.
  std::optional<ByteSender::Chunk> Next(TimePoint now, Duration min_rtt,
                                        ByteSender& sender,
                                        std::size_t max_size,
                                        MutableByteSpan scratch);
  // After Next() gave none: when it will, if that is a matter of time.
  std::optional<TimePoint> next_round() const { return next_round_; }
  // Copied so far.
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::uint64_t bytes_ = 0;
  std::uint64_t offset_ = 0;  // How far this round has come.
  bool any_round_ = false;
  TimePoint round_begin_;
  std::optional<TimePoint> next_round_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_CONNECTION_TAIL_REDUNDANCY_H_
