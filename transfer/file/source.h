// Source: the bytes of the files that the receiver wants, as one linear byte
// space, from a small window of buffers that a Disk fills. Files are added as
// the receiver asks for them and dropped when it has them.
//
// Each file is read once from end to end, ahead of what is asked for, and its
// digest taken on the way: the pass. Bytes that are asked for again, because
// they got lost, come from the buffers while they are still there and are read
// again otherwise.
//
// Of a file of which the receiver has an older version (its base), the pass
// matches what it reads with the signatures of that, and says which ranges are
// copied from there; the others are read again when they are asked for, or a
// little before.

#ifndef P2PCP_TRANSFER_FILE_SOURCE_H_
#define P2PCP_TRANSFER_FILE_SOURCE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/delta_matcher.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/interval_set.h"
#include "transfer/file/layout.h"
#include "transfer/file/source_file.h"

namespace p2pcp::file {

class Source {
 public:
  // One read, and what fits a core's L2 cache together with what it becomes.
  static constexpr std::size_t kChunkBytes = 256 << 10;
  // Buffers: 8 MiB. Half are for what was sent already.
  static constexpr std::size_t kChunks = 32;
  static constexpr std::size_t kChunksAhead = kChunks / 2;
  // Where the system's cache did not have the bytes, it is asked again only
  // after so many: asking in vain costs a system call, and reading ahead stops.
  static constexpr std::uint64_t kRetryCache = std::uint64_t{32} << 20;
  // Of files from this size on the digest is kept over sessions.
  static constexpr std::uint64_t kKeptSize = 32 << 20;
  // Files up to this size are read as a whole where they fit one chunk.
  static constexpr std::uint64_t kSmallFile = 64 << 10;
  // What a block digest is of.
  static constexpr std::uint64_t kBlockBytes = 4 << 20;
  // Signatures of files that the pass has not come to: those that come unasked
  // of as many files as a Sink has open.
  static constexpr std::size_t kMaxWaitingSignatures = 64 * kFirstSignatures;

  enum class Mode : std::uint8_t {
    kSend,    // Its bytes join the space.
    kDigest,  // Only its digest is wanted.
  };

  struct Event {
    enum class Kind : std::uint8_t {
      kDigest,  // The file has been read to its end, once, unchanged.
      kFailed,  // It can't be read, or changed: kSourceUnreadable. Once.
      kHole,    // Of a sparse file: [begin, end) of it is a hole, and
      kData,    // [begin, end) of it is not and may be offered; in order.
      // Of a file with a base: [begin, end) is what lies at `from` there. All
      // else comes as kData.
      kCopy,
      kSignatures,  // Those of the blocks before `end` are wanted now.
      kBlock,       // The digest of a block that was asked for.
    };
    Kind kind = Kind::kFailed;
    std::uint64_t id = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t from = 0;
    Digest digest;
    std::optional<Error> error;
  };

  // disk must outlive it. The tags of its jobs are below 2^63.
  explicit Source(Disk* disk);
  // Abandons the disk's jobs, which use the buffers.
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // Adds a file at the end; the number of its piece. id is for events. skips,
  // sorted ranges of the file, are read for the digest but never asked for.
  // base_size: of the base, if there is one.
  std::uint64_t Add(std::uint64_t id, std::shared_ptr<const SourceFile> file,
                    Mode mode, std::vector<Interval> skips = {},
                    std::uint64_t base_size = 0);
  // Where the piece begins in the space.
  std::uint64_t Begin(std::uint64_t piece) const {
    return pieces_[piece].begin;
  }
  // Nobody will ask for the piece again.
  void Drop(std::uint64_t piece);
  // Asks for the digests of all blocks of the piece.
  void DigestBlocks(std::uint64_t piece);
  // The signatures of the base's blocks from first on. False if they are not
  // these, or were not asked for.
  bool AddSignatures(std::uint64_t piece, std::uint64_t first,
                     std::span<const BlockSignature> signatures);
  // No more of them will come.
  void EndSignatures(std::uint64_t piece);
  // So many copies of the piece, in all, have been carried out. False if there
  // are fewer, or they were more before.
  bool NoteCopies(std::uint64_t piece, std::uint64_t done);

  // Contiguous bytes at offset, at most max_size of them, valid until the next
  // call of any method. Empty: not in memory; TakeReady() will tell. REQUIRES:
  // offset lies in a piece that is neither dropped nor failed, and in no hole.
  ByteSpan Read(std::uint64_t offset, std::size_t max_size);

  // Takes the completion of one of its jobs.
  void Handle(Completion done);
  // Submits further jobs.
  void Advance();
  // Both, where nobody else uses the disk.
  void HandleDisk();
  // Whether bytes that Read() did not have may be there now. Resets.
  bool TakeReady();
  std::optional<Event> PollEvent();
  bool has_event() const { return !events_.empty(); }
  // Whether Read() of any of its bytes makes no sense any more.
  bool failed(std::uint64_t piece) const {
    return !pieces_.Has(piece) || pieces_[piece].failed;
  }

 private:
  // Bytes of a file that are digested and not sent.
  struct Skip {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool zeros = false;  // A hole.
  };
  // What there is to a base.
  struct Delta {
    std::uint64_t base_size = 0;
    std::uint64_t known = 0;                 // Signatures that came.
    std::uint64_t asked = kFirstSignatures;  // That may come.
    bool ended = false;                      // No more will.
    bool under_way = false;                  // A kMatchSource is.
    std::vector<BlockSignature> waiting;     // For the matcher.
    std::optional<DeltaMatcher> matcher;     // While the pass is here.
  };
  struct Piece {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
    std::uint64_t id = 0;
    std::shared_ptr<const SourceFile> file;
    Mode mode = Mode::kSend;
    bool failed = false;
    bool dropped = false;
    std::uint32_t under_way = 0;  // Jobs that use the file.
    std::vector<Skip> skips;
    std::unique_ptr<Delta> delta;  // Until the pass has been here.
    std::uint64_t copies = 0;      // That were told,
    std::uint64_t copied = 0;      // and carried out.
  };
  struct Chunk {
    bool used = false;
    bool reloading = false;         // Not all of its reads are submitted.
    std::uint32_t outstanding = 0;  // Reads under way.
    std::uint64_t begin = 0;
    // All in the space: submitted up to here, there up to here.
    std::uint64_t submitted = 0;
    std::uint64_t ready = 0;
    std::uint64_t first = 0;  // Nothing of it is there before this.
    std::uint64_t last_used = 0;
  };

  // The pass reads through this slot, blocks through the next, the others are
  // for reading again.
  static constexpr std::uint32_t kPassSlot = 0;
  static constexpr std::uint32_t kBlockSlot = 1;
  static constexpr std::uint32_t kSlots = 16;
  static constexpr std::uint32_t kNoChunk = 0xff;
  static_assert(kChunks < kNoChunk);

  std::byte* Data(std::size_t chunk) {
    return buffers_.get() + chunk * kChunkBytes;
  }
  std::optional<std::size_t> FindChunk(std::uint64_t begin) const;
  std::optional<std::size_t> TakeChunk(std::uint64_t begin);
  std::size_t ChunksAhead() const;
  std::uint64_t PassPosition() const;
  void AdvancePass();
  bool PassStep();
  bool PassWhole(Piece& piece);
  bool PassDigest(Piece& piece, std::uint64_t end, bool zeros);
  bool PassSeek(Piece& piece);
  bool PassData(Piece& piece, std::uint64_t end);
  bool PassMatch(Piece& piece, std::uint64_t end);
  void PrepareMatcher(Piece& piece);
  void HandleMatch(std::uint64_t number, const Completion& done);
  void EndDelta(Piece& piece);
  void ReadOn(std::size_t index);
  void ReadAhead();
  void ForgetDelta(Piece& piece);
  bool TakePassChunk(std::uint64_t position, bool ahead);
  void NextPiece();
  void AdvanceReload(std::size_t index);
  void AdvanceBlocks();
  std::uint32_t SlotFor(std::uint64_t number);
  void SubmitOpen(std::uint32_t slot, std::uint64_t number);
  bool OpenForPass(const Piece& piece);
  void Submit(Job job, std::uint64_t number, std::uint32_t chunk);
  void SubmitRead(std::uint32_t slot, std::uint64_t number, std::uint64_t begin,
                  std::uint64_t end, std::uint32_t chunk, bool digest);
  void FailPiece(std::uint64_t number, Error error);
  void HandleSeek(Piece& piece, const Completion& done);
  // Read() that came back empty may have more success now.
  void LetReadAgain();
  ByteSpan Find(std::uint64_t offset, std::size_t max_size);
  void Emit(Event::Kind kind, const Piece& piece, std::uint64_t begin,
            std::uint64_t end, const Digest& digest = {});
  void Collect();

  Disk& disk_;
  std::unique_ptr<std::byte[]> buffers_;
  std::array<Chunk, kChunks> chunks_;
  Layout<Piece> pieces_;

  // The pass: the next byte is at pass_offset_ of the file of pass_piece_.
  std::uint64_t pass_piece_ = 0;
  std::uint64_t pass_offset_ = 0;
  bool pass_open_ = false;
  // How far its digest is known is being asked.
  bool pass_opening_ = false;
  std::size_t pass_skip_ = 0;       // The next of its skips.
  std::uint64_t pass_known_ = 0;    // A sparse file: data up to here, ...
  bool pass_seeking_ = false;       // ... more is being asked for.
  std::uint32_t pass_digests_ = 0;  // kDigestSource jobs under way.
  std::optional<std::size_t> pass_chunk_;
  std::uint64_t demand_ = 0;  // The end of the highest bytes asked for.
  // What has to travel of files with a base, in the space, and is not asked for
  // yet; read ahead up to read_ahead_.
  std::deque<Interval> literals_;
  std::uint64_t literal_bytes_ = 0;
  std::uint64_t read_ahead_ = 0;
  std::size_t waiting_signatures_ = 0;
  std::uint64_t copies_ = 0;  // Of all files, not known to be carried out.

  std::size_t under_way_ = 0;  // Jobs.
  // The pass's last read came from the system's cache, on this thread: while
  // that is so nothing is read ahead, and what is read is sent while it is
  // still in this processor's cache.
  bool cached_ = false;
  std::uint64_t try_cache_from_ = 0;

  // Which piece each slot holds once the jobs under way are done.
  std::array<std::optional<std::uint64_t>, kSlots> slot_pieces_;
  std::array<std::uint64_t, kSlots> slot_used_ = {};

  std::deque<std::uint64_t> block_requests_;  // Pieces.
  std::uint64_t next_block_ = 0;              // Of the first of them.
  bool block_under_way_ = false;

  std::uint64_t use_counter_ = 0;
  std::size_t pinned_ = 0;         // The chunk that Read() has handed out last.
  bool waiting_ = false;           // Read() came back empty ...
  bool ready_ = false;             // ... and may have more success since.
  std::size_t failed_pieces_ = 0;  // That have not been dropped.
  std::deque<Event> events_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SOURCE_H_
