// ByteSender: which bytes of the byte space are to be sent next.
//
// Keeps no payload: what is lost is read from the source again. Lost bytes go
// before new ones, lower offsets before higher ones. New bytes are charged
// against the peer's credit, lost ones were already.

#ifndef P2PCP_TRANSFER_CONNECTION_BYTE_SENDER_H_
#define P2PCP_TRANSFER_CONNECTION_BYTE_SENDER_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/send_limits.h"
#include "transfer/recovery/range_set.h"

namespace p2pcp {

class ByteSender {
 public:
  // Holes in the acknowledged bytes beyond which nothing new is sent until some
  // are filled. Only a peer that acknowledges no loss ever repaired gets there.
  static constexpr std::size_t kMaxHoles = 65'536;

  // Contents of one DATA frame: copied and data are contiguous in the space.
  struct Chunk {
    StreamOffset offset;
    std::size_t copied = 0;  // Bytes put at the start of the scratch space.
    ByteSpan data;           // What follows them, inside the source.
    bool last = false;       // Nothing else is to be sent now.

    std::size_t size() const { return copied + data.size(); }
  };

  // source may be null: then nothing is ever offered.
  explicit ByteSender(ByteSource* source) : source_(source) {}

  // next_number: larger than all sent so far.
  void Offer(StreamOffset begin, StreamOffset end, PacketNumber next_number);
  // [begin, end), which was offered, is sent once more, whatever became of it.
  void OfferAgain(StreamOffset begin, StreamOffset end,
                  PacketNumber next_number);
  // [begin, end) is not to be sent, or not any more: it counts as acknowledged.
  // How many of its bytes were charged against the credit.
  std::uint64_t Skip(std::uint64_t begin, std::uint64_t end);
  void OnSourceReady();
  void OnCredit(std::uint64_t max_data) {
    if (max_data > credit_) credit_ = max_data;
  }

  // Whether there is anything to send that the source is not known to lack.
  bool HasPending() const { return HasLost() || HasUnsent(); }
  bool HasLost() const { return !lost_.empty() && !lost_waits_; }
  // What nothing can be sent for. REQUIRES: !HasPending().
  SendLimit limit() const;
  // The next chunk, of max_size bytes unless its range, the credit or the
  // source's buffer ends before; counts as sent. scratch holds max_size bytes.
  std::optional<Chunk> Next(std::size_t max_size, MutableByteSpan scratch);
  // New bytes that fill whole packets of `size` bytes, at most `most` packets;
  // counts as sent. No data: none, or Next() has to say more of them. (Lost
  // bytes come first, and what is sent last is marked.)
  Chunk NextRun(std::size_t size, std::uint64_t most);
  // What of [offset, offset + size) was sent and not acknowledged, to be sent
  // once more as a probe.
  std::optional<Chunk> Repeat(std::uint64_t offset, std::uint64_t size,
                              std::size_t max_size, MutableByteSpan scratch);

  // All that was offered has been sent, nothing of it is known to be lost, and
  // not all has arrived.
  bool InTail() const {
    return unsent_.empty() && lost_.empty() && !AllAcked();
  }
  // A copy of bytes at or after offset that were not acknowledged.
  // REQUIRES: InTail().
  std::optional<Chunk> Copy(std::uint64_t offset, std::size_t max_size,
                            MutableByteSpan scratch);

  void OnAcked(PacketNumber number, std::uint64_t offset, std::uint64_t size);
  void OnLost(PacketNumber number, std::uint64_t offset, std::uint64_t size);
  // No packet below will be reported to OnAcked or OnLost again.
  void OnForgotten(PacketNumber lowest);

  bool AllAcked() const { return acked_.size() == offered_.size(); }
  // Everything below has arrived.
  std::uint64_t AckedUpTo() const {
    return acked_.empty() || acked_.Front().begin > 0 ? 0 : acked_.Front().end;
  }
  // How much of [begin, end) has arrived, or need not.
  std::uint64_t AckedIn(std::uint64_t begin, std::uint64_t end) const {
    std::uint64_t bytes = 0;
    acked_.ForEachPresent(begin, end, [&](RangeSet::Range range) {
      bytes += range.size();
      return true;
    });
    return bytes;
  }
  std::uint64_t acked_bytes() const { return acked_total_; }
  std::uint64_t offered_bytes() const { return offered_.size(); }
  std::uint64_t retransmitted_bytes() const { return retransmitted_; }

 private:
  std::optional<Chunk> Read(std::uint64_t offset, std::uint64_t size,
                            MutableByteSpan scratch);
  bool HasUnsent() const {
    return !unsent_.empty() && sent_ < credit_ && !unsent_waits_ &&
           acked_.range_count() < kMaxHoles;
  }

  ByteSource* const source_;
  std::uint64_t credit_ = 0;
  std::uint64_t sent_ = 0;  // Bytes charged against it.

  RangeSet offered_;
  RangeSet acked_;   // Of those.
  RangeSet unsent_;  // Offered, never sent since.
  RangeSet lost_;    // To be sent again.
  // The source did not have the front of lost_, or of unsent_.
  bool lost_waits_ = false;
  bool unsent_waits_ = false;

  // Bytes offered anew after they were acknowledged: packets below the barrier
  // carried them in vain.
  RangeSet stale_;
  PacketNumber barrier_;

  std::uint64_t acked_total_ = 0;
  std::uint64_t retransmitted_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_CONNECTION_BYTE_SENDER_H_
