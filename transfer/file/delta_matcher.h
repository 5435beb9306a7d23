// DeltaMatcher: finds the blocks of an older version of a file (the base) in
// the new one, wherever they are, from the signatures of the blocks alone.
//
// The bytes of the new version go through it from the beginning to the end,
// and come out as segments: what has to travel, and what is copied from where
// in the base. Signatures come in order while that goes on, and a window of
// them is kept, so memory is bounded whatever the sizes: of a base up to 16 GiB
// all are known at once, of a larger one those of 8 GiB before and behind.
//
// Signatures are the peer's word. Whatever they are, segments cover the bytes
// that went in, in order, and copies lie inside of the base; and the time that
// is lost to signatures which promise in vain is bounded by that of the rest.

#ifndef P2PCP_TRANSFER_FILE_DELTA_MATCHER_H_
#define P2PCP_TRANSFER_FILE_DELTA_MATCHER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "net/base/bytes.h"
#include "transfer/file/delta_signature.h"

namespace p2pcp::file {

// [begin, end) of the new version.
struct DeltaSegment {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  bool copy = false;
  std::uint64_t from = 0;  // A copy: where it begins in the base.

  std::uint64_t size() const { return end - begin; }
  friend bool operator==(const DeltaSegment&, const DeltaSegment&) = default;
};

// Used by one thread at a time.
class DeltaMatcher {
 public:
  // Signatures that are kept: 6 MiB with what finds them.
  static constexpr std::size_t kWindow = 1 << 18;
  // Bytes that go in at once, at most.
  static constexpr std::size_t kMaxFeed = 1 << 20;
  // Less than this is not told apart from the copies around it: each of them is
  // a gap in what comes, of which the other side bears a bounded number, and
  // the packet that carries it costs as much as one that is full.
  static constexpr std::uint64_t kMinLiteral = 4 << 10;
  // How far beyond the bytes at hand the base has to be known, so that what was
  // taken out before them is passed over; and how far it is asked for, so that
  // a round trip of 300 ms does not hold up a disk that reads 600 MB/s.
  static constexpr std::uint64_t kLookAhead = 64 << 20;
  static constexpr std::uint64_t kAskAhead = 256 << 20;

  // REQUIRES: base_size > 0. window: a power of two; signatures to be kept.
  explicit DeltaMatcher(std::uint64_t base_size, std::size_t window = kWindow);

  // --- The base ---

  std::uint64_t block() const { return block_; }
  // Signatures that came, and that will have come in the end.
  std::uint64_t known() const { return known_; }
  std::uint64_t total() const { return total_; }
  // The next ones. REQUIRES: known() + signatures.size() <= total().
  void Add(std::span<const BlockSignature> signatures);
  // No more will come than are known.
  void EndBase() { total_ = known_; }
  // How many have to be known before the bytes from position on are given in,
  // and how many may be asked for by then. While nothing matches, both look
  // further ahead. Never more than total(), and the first is asked for before
  // it is needed.
  std::uint64_t NeededAt(std::uint64_t position) const;
  std::uint64_t WantedAt(std::uint64_t position) const;

  // --- The new version ---

  // Where the bytes from position on go, size of them. REQUIRES: position is
  // where the last ones ended, or all before it has been flushed; size <=
  // kMaxFeed.
  MutableByteSpan Buffer(std::uint64_t position, std::size_t size);
  // They are there. flush: what follows them is none of its business; nothing
  // is held back.
  void Process(std::size_t size, bool flush);
  // What is settled since the last call, in order, without gaps.
  std::vector<DeltaSegment> TakeSegments();

 private:
  // Signatures with one weak sum that are looked at.
  static constexpr int kMaxCandidates = 16;
  // Bytes that may be hashed in vain before they are weighed against those that
  // went in.
  static constexpr std::uint64_t kFreeChecks = 64 << 20;
  // A last block that is shorter is not worth a copy.
  static constexpr std::uint64_t kMinTail = 64;

  // Whether the signature of the block is in the window.
  bool Holds(std::uint64_t index) const {
    return index < known_ && known_ - index <= window_;
  }
  std::size_t Slot(std::uint64_t index) const { return index & (window_ - 1); }
  // The block that a stored number, 32 bits of it, means.
  std::uint64_t Decode(std::uint32_t stored) const {
    const std::uint64_t last = known_ - 1;
    const std::uint32_t back = static_cast<std::uint32_t>(last) - stored;
    return back > last ? known_ : last - back;
  }
  // Two bits of one word: of what is not known one in sixty gets through.
  bool MayKnow(std::uint32_t weak) const {
    const std::uint64_t word = filter_[weak >> filter_shift_];
    return ((word >> (weak & 63) & word >> (weak >> 6 & 63)) & 1) != 0;
  }
  void NoteInFilter(std::uint32_t weak) {
    filter_[weak >> filter_shift_] |=
        std::uint64_t{1} << (weak & 63) | std::uint64_t{1} << (weak >> 6 & 63);
  }
  void RebuildFilter();
  ByteSpan Window() const {
    return ByteSpan(buffer_).subspan(at_, static_cast<std::size_t>(block_));
  }
  std::optional<std::uint64_t> Find(std::uint32_t weak);
  void Match();
  void Roll();
  void TakeMatch(std::uint64_t index);
  void Flush();
  // Bytes of a copy, of size bytes, that go with what travels before it.
  std::uint64_t Eaten(std::uint64_t size) const;
  void EmitLiteral(std::size_t end);
  void EmitCopy(std::size_t end, std::uint64_t from);

  const std::uint64_t base_size_;
  const std::uint64_t block_;
  std::uint64_t total_;
  std::uint64_t known_ = 0;

  // Signatures of the last blocks, by the low bits of their numbers; for each
  // the one before it with the same low bits of the weak sum, and for those
  // bits the last one. Numbers of blocks are stored modulo 2^32.
  const std::size_t window_;
  std::vector<std::uint32_t> weak_;
  std::vector<std::uint64_t> strong_;
  std::vector<std::uint32_t> before_;
  std::vector<std::uint32_t> last_;
  // Which weak sums there may be, by their high bits: 16 bits for each.
  std::vector<std::uint64_t> filter_;
  unsigned filter_shift_;
  std::size_t forgotten_ = 0;  // Since the filter was made.

  // Bytes [0, filled_) of the buffer are those of the file from start_ on. What
  // is before done_ is told, at_ is where the next match may begin.
  Bytes buffer_;
  std::uint64_t start_ = 0;
  std::size_t filled_ = 0;
  std::size_t done_ = 0;
  std::size_t at_ = 0;
  RollingSum sum_;  // Of the window at at_, if rolling_.
  bool rolling_ = false;
  bool tested_ = false;                    // No block matches at at_.
  std::optional<std::uint64_t> expected_;  // The block after the last match.
  std::uint64_t run_ = 0;     // Bytes that travel, since the last copy.
  std::uint64_t fed_ = 0;     // Bytes that went in,
  std::uint64_t wasted_ = 0;  // and that were hashed in vain.
  std::vector<DeltaSegment> segments_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_DELTA_MATCHER_H_
