// ByteReceiver: hands each byte of the byte space to the sink once, and says
// how many more may come.

#ifndef P2PCP_TRANSFER_CONNECTION_BYTE_RECEIVER_H_
#define P2PCP_TRANSFER_CONNECTION_BYTE_RECEIVER_H_

#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "transfer/connection/byte_space.h"
#include "transfer/recovery/range_set.h"

namespace p2pcp {

class ByteReceiver {
 public:
  enum class Outcome : std::uint8_t {
    kTaken,         // Now or before.
    kRefused,       // No room: not to be acknowledged.
    kNoSink,        // Violations: data for a side that takes none,
    kBeyondCredit,  // or more than it has allowed.
  };

  // Separate ranges at most: more than any honest sender's losses can leave,
  // and a few MiB. What would add another is refused.
  static constexpr std::size_t kMaxRanges = 65'536;
  // A CREDIT frame is due when the credit has grown by this part of the budget.
  static constexpr std::uint64_t kCreditStep = 8;

  // sink may be null.
  ByteReceiver(ByteSink* sink, std::uint64_t budget)
      : sink_(sink), budget_(budget) {}

  Outcome Receive(StreamOffset offset, ByteSpan bytes);
  // What came in several packets. False: not all of it is new, allowed and
  // taken at once; nothing has happened, and each is to be given to Receive().
  bool ReceiveRun(StreamOffset offset, BytePieces bytes);
  // REQUIRES: n <= bytes received and not yet released.
  void Release(std::uint64_t n);
  void Forget(StreamOffset begin, StreamOffset end);

  // Nothing more of [begin, end) comes, of which the peer has sent `charged`
  // bytes in all, now or earlier. False if that can't be.
  bool Skip(std::uint64_t begin, std::uint64_t end, std::uint64_t charged);

  // Distinct bytes that the peer may send in all.
  std::uint64_t max_data() const { return budget_ + released_; }
  // Whether the peer should hear of max_data() on its own.
  bool CreditDue() const {
    return max_data() > announced_ && max_data() - announced_ >= step();
  }
  void OnCreditSent() { announced_ = max_data(); }
  void OnCreditLost() { announced_ = 0; }

  std::uint64_t received_bytes() const { return received_total_; }
  std::uint64_t duplicate_bytes() const { return duplicate_; }
  std::uint64_t refused() const { return refused_; }

 private:
  // New bytes that may come now.
  std::uint64_t Allowance() const {
    return max_data() + forgotten_ - received_total_;
  }
  // Whether [begin, end) would part what has come into too many ranges.
  bool TooScattered(std::uint64_t begin, std::uint64_t end) const {
    return received_.range_count() >= kMaxRanges &&
           received_.WouldAddRange(begin, end);
  }
  std::uint64_t step() const {
    return budget_ / kCreditStep > 0 ? budget_ / kCreditStep : 1;
  }

  ByteSink* const sink_;
  const std::uint64_t budget_;
  RangeSet received_;
  std::uint64_t received_total_ = 0;
  std::uint64_t released_ = 0;
  std::uint64_t announced_ = 0;
  // Bytes forgotten: copies of them that were under way may come before the
  // peer, which charges them anew, has done so.
  std::uint64_t forgotten_ = 0;
  std::uint64_t duplicate_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_CONNECTION_BYTE_RECEIVER_H_
