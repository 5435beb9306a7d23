// Sink: takes the bytes of a transfer in whatever order they come and makes
// files of them. Nothing stands under a file's final name before its content,
// read back from where it was written, has the digest that was promised, and is
// synced.
//
// Files are added as they are decided on, and lie end to end in the byte space.
// Bytes gather in chunks of a fixed pool; a chunk is written when it is full,
// or in parts when the pool is short. Behind the contiguous frontier of each
// file what was written is read back for the digest while the transfer runs.
// A small file waits until all of it is there and is then written by one job.
// Where there is an older version of a file (its base) that is signed for the
// sender, and what it says is the same is copied from there.
//
// Small files are synced together, and get their names only then:
//
//   gathering -> stored, without a name or under a temporary one -> synced
//             -> placed under its name -> synced
//
// What is not finished is deleted when the sink or its disk goes away. Only a
// process that is killed outright leaves its temporary files behind: names that
// begin with ".p2pcp-" and end with ".part", never read again.

#ifndef P2PCP_TRANSFER_FILE_SINK_H_
#define P2PCP_TRANSFER_FILE_SINK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/file/chunk_pool.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/interval_set.h"
#include "transfer/file/layout.h"
#include "transfer/file/output_folder.h"

namespace p2pcp::file {

class Sink {
 public:
  // Bytes that may be in it and not written: the pool less what the ends of a
  // window that is not aligned occupy besides.
  static constexpr std::uint64_t kBudget =
      (ChunkPool::kChunks - 4) * ChunkPool::kChunkBytes;
  // Files up to this size are written as a whole where they lie in one chunk.
  static constexpr std::uint64_t kSmallFile = 64 << 10;
  // Files that are synced together: with 2,000 of them syncing is a small part
  // of the work, and what a kill leaves behind is bounded.
  static constexpr std::size_t kBatch = 2048;
  // Of those, files that get their names at once.
  static constexpr std::size_t kMaxPlacing = 128;
  // What a batch waits for more files.
  static constexpr Duration kBatchTime = 250ms;
  // What is checked and repaired at once, and how often.
  static constexpr std::uint64_t kBlockBytes = 4 << 20;
  static constexpr unsigned kMaxRepairs = 2;
  // Slots of the disk that it does not use.
  static constexpr std::uint32_t kForeignSlots = 1;

  // What is to be received.
  struct File {
    std::uint64_t id = 0;  // For events.
    FolderPath folder;
    bool fresh = false;  // As Output's.
    std::string name;
    bool exact = false;
    std::uint64_t size = 0;
    FileTime mtime;
    bool executable = false;
    bool sparse = false;
    std::uint64_t compared = 0;                        // As Output's.
    std::shared_ptr<const Remains> remains = nullptr;  // As Output's.
    // Bytes of the file that stands under the name, if that is its base.
    std::uint64_t base_size = 0;
  };

  struct Event {
    enum class Kind : std::uint8_t {
      kFileDone,    // Verified, synced, and has its final_name.
      kFileFailed,  // Was kept back (kKeptBack) or is bad (kIntegrity).
      // What was written has another digest: the digests of its blocks are
      // wanted (ExpectBlocks()).
      kCheckBlocks,
      // These blocks are wanted again, and will be taken.
      kRepair,
      // Of the base: the signatures of the blocks from `first` on, or that
      // there are no more (base_ended); and how many copies are carried out.
      kSignatures,
      kFailed,  // The folder can't be written to; nothing more will come.
    };
    Kind kind = Kind::kFailed;
    std::uint64_t id = 0;
    std::string final_name;
    Digest digest;
    std::vector<std::uint64_t> blocks;
    std::uint64_t first = 0;
    std::vector<BlockSignature> signatures;
    bool base_ended = false;
    std::uint64_t copies = 0;
    std::optional<Error> error;
  };

  enum class Take : std::uint8_t {
    kTaken,
    kNoRoom,   // None of it was taken.
    kOutside,  // Some bytes are not wanted, or outside of the space.
  };

  // All must outlive it, but random, which is used here only.
  Sink(const OutputTarget* target, ConflictPolicy conflict, Disk* disk,
       Random* random);
  // Abandons the disk's jobs, which use the buffers, and with them what is not
  // finished.
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  // Adds a file at the end of the space; the number of its piece. What remains
  // of it counts as come and written.
  std::uint64_t Add(File file);
  std::uint64_t Begin(std::uint64_t piece) const {
    return pieces_[piece].begin;
  }
  // As ByteSink::Write: each byte once. Bytes that it has already count as not
  // wanted. REQUIRES: bytes are not more than a chunk.
  Take Write(std::uint64_t offset, BytePieces bytes);
  // What the sender says of a file. False if it has said something else.
  bool ExpectDigest(std::uint64_t piece, const Digest& digest);
  // The digests of the blocks from first on, after kCheckBlocks. False if they
  // are not wanted, or not these.
  bool ExpectBlocks(std::uint64_t piece, std::uint64_t first,
                    const std::vector<Digest>& digests);
  // [begin, end) of the file is a hole: it does not come. False if that can't
  // be: it has come, or there are too many gaps.
  bool AddHole(std::uint64_t piece, std::uint64_t begin, std::uint64_t end);
  // [begin, end) of the file is what lies at from in its base: it does not
  // come. False if that can't be: it has come, lies outside, or there are too
  // many.
  bool AddCopy(std::uint64_t piece, std::uint64_t begin, std::uint64_t end,
               std::uint64_t from);
  // Signatures of the base's blocks before `end` are wanted; of the first
  // kFirstSignatures they always are.
  void WantSignatures(std::uint64_t piece, std::uint64_t end);
  // Nothing more of the file will come, and it is not wanted any more. No event
  // follows, unless it is done already.
  void Drop(std::uint64_t piece);
  // Whether the piece is known and neither done, failed nor dropped.
  bool IsOpen(std::uint64_t piece) const;
  // A folder was made: it has to be synced too.
  void NoteFolder(TimePoint now);
  // No file will be added any more.
  void SetFinal() { final_ = true; }
  // Nothing is under way, and all that was done is synced.
  bool idle() const;

  // Takes the completion of one of its jobs.
  void Handle(Completion done);
  // Submits further jobs.
  void Advance(TimePoint now);
  // Both, where nobody else uses the disk.
  void HandleDisk(TimePoint now);
  // When Advance() has something to do without anything having happened.
  std::optional<TimePoint> deadline() const;
  std::optional<Event> PollEvent();
  // Bytes disposed of since the last call, to be credited to the sender.
  std::uint64_t TakeReleased();
  // Deletes what is not finished; nothing more will come.
  void Abandon();

  // Holes count as written.
  std::uint64_t written_bytes() const { return written_bytes_; }
  // Those of file `id`, if `piece` is its piece and open, else 0. Of a small
  // file all of them count at once.
  std::uint64_t WrittenOf(std::uint64_t id, std::uint64_t piece) const;
  std::uint64_t total() const { return pieces_.total(); }

 private:
  enum class State : std::uint8_t {
    kWaiting,    // For its turn.
    kGathering,  // Small: until all of it is there.
    kStoring,    // A kStore is under way, or what it made is not verified.
    kActive,     // Has a slot.
    kVerified,   // Not under its name yet, to be synced and placed.
    kPlacing,    // A kPlace is under way.
    kPlaced,     // Has its name, to be synced.
    kOver,       // Done, failed or dropped.
  };
  // Of the file, and where it lies in the base.
  struct Copy {
    Interval range;
    std::uint64_t from = 0;
  };
  // What there is of a file besides the bytes that come.
  struct Absent {
    std::deque<Interval> holes;  // Of the file, not yet hashed.
    std::deque<Copy> copies;     // To be carried out.
  };
  struct Piece {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
    std::uint64_t id = 0;
    State state = State::kWaiting;
    bool stored = false;  // By kStore; its digest is known.
    bool dropped = false;
    std::uint8_t repairs = 0;
    std::uint32_t slot = 0;
    std::uint32_t under_way = 0;  // Jobs, and parts of chunks.
    Digest digest;
    std::optional<Digest> expected;
    // Only where there may be holes or copies: thousands of small files have
    // their turn at once, and a deque takes memory where it is empty too.
    std::unique_ptr<Absent> absent;
    std::uint64_t base_size = 0;
    std::uint64_t signatures_wanted = kFirstSignatures;
    Output output;

    // The first of the holes, or null.
    Interval* hole() const {
      return absent == nullptr || absent->holes.empty()
                 ? nullptr
                 : &absent->holes.front();
    }
  };
  // A file that is being written in parts.
  struct Slot {
    bool used = false;
    bool open = false;        // Its temporary file exists.
    bool now = false;         // Disk::TryNow() writes to it.
    bool hash_busy = false;   // A kHash is under way.
    bool hash_last = false;   // The whole file's hashing has been submitted.
    bool hashed = false;      // The digest is that of what was written.
    bool committing = false;  // A kCommit is under way.
    std::uint64_t piece = 0;
    std::uint64_t hash_offset = 0;  // Submitted up to here.
    // Its blocks are being compared: with these, as far as they are known.
    bool checking = false;
    std::uint64_t next_block = 0;
    std::vector<Digest> blocks;
    std::vector<std::uint64_t> bad;
    // Its base: blocks whose signing was submitted, and what comes of it.
    bool base_open = false;
    bool signing = false;
    std::uint64_t signed_blocks = 0;
    std::uint64_t told_blocks = 0;
    std::vector<BlockSignature> signatures;
    std::uint64_t copying = 0;  // Bytes of the copy under way.
    std::uint64_t copies = 0;   // Carried out,
    std::uint64_t told = 0;     // and told of.
  };

  static constexpr std::uint32_t kSlots = Disk::kSlots - kForeignSlots;

  void TakeRemains(const Piece& piece);
  bool IsSmall(const Piece& piece) const;
  bool MayHold(std::uint64_t chunk_begin, std::uint64_t offset) const;
  bool Prepare(std::uint64_t begin, std::uint64_t end);
  void Store(std::uint64_t begin, std::uint64_t end, BytePieces& bytes);
  std::uint64_t Missing(std::uint64_t begin, std::uint64_t end) const;
  bool MarkAbsent(std::uint64_t begin, std::uint64_t end);
  void HandleStored(std::uint64_t number, Completion done);
  void HandlePlaced(std::uint64_t number, Completion done);
  void HandleSynced(Completion done);
  void HandleSlot(std::uint64_t number, Completion done);
  bool IsNear(const Piece& piece) const;
  void Activate();
  bool TakeSlot(std::uint64_t number);
  void Flush();
  bool FlushRange(std::size_t chunk);
  void HandleWrittenNow();
  std::uint64_t HashFrontier(const Slot& slot) const;
  void TakeHashRange(Slot& slot, std::uint64_t size, Job& job);
  void TakeFrontier(Slot& slot, Job& job);
  bool HashHole(std::uint32_t index);
  void AdvanceSlot(std::uint32_t index);
  void OpenBase(std::uint32_t index);
  bool HandleBase(std::uint64_t number, const Completion& done);
  void AdvanceBase(std::uint32_t index);
  void AdvanceCopy(std::uint32_t index);
  void TellSignatures(Slot& slot, bool ended);
  void Verify(std::uint64_t number);
  bool BeginRepair(std::uint64_t number);
  void CheckBlock(std::uint32_t index);
  void HandleBlock(std::uint64_t number, const Completion& done);
  bool Forget(std::uint64_t begin, std::uint64_t end);
  void FailDamaged(std::uint64_t number);
  void PlaceSome();
  void AdvanceSync(TimePoint now);
  void Submit(Job job, std::uint64_t number);
  void Discard(std::uint64_t number, Job::Kind kind);
  void Finish(std::uint64_t number);
  void Collect();
  void Fail(Error error);
  void FailFile(const Piece& piece, Error error);

  const OutputTarget& target_;
  const ConflictPolicy conflict_;
  Disk& disk_;
  const std::string part_prefix_;
  bool failed_ = false;
  bool final_ = false;

  Layout<Piece> pieces_;
  std::uint64_t next_piece_ = 0;  // The next to get its turn.
  std::uint64_t next_part_ = 0;
  // Pieces that are neither verified, placed nor over.
  std::uint64_t open_ = 0;

  ChunkPool pool_;
  // Bytes that came, and bytes whose writing was submitted: jobs submitted
  // after it find them in the file. Those that do not come count as both.
  IntervalSet received_;
  IntervalSet written_;
  std::uint64_t written_bytes_ = 0;
  // The end of the highest bytes that came, or will not come.
  std::uint64_t high_ = 0;
  std::uint64_t released_ = 0;

  std::array<Slot, kSlots> slots_;

  // Of verified and placed pieces; the first so many of each are what the kSync
  // under way is for.
  std::deque<std::uint64_t> verified_;
  std::deque<std::uint64_t> placed_;
  std::size_t syncing_verified_ = 0;
  std::size_t syncing_placed_ = 0;
  bool syncing_ = false;
  bool folders_made_ = false;
  std::deque<std::uint64_t> to_place_;
  std::size_t placing_ = 0;
  std::optional<TimePoint> batch_deadline_;
  Output root_output_;
  std::vector<Completion> written_now_;  // By TryNow(), not yet handled.
  std::deque<Event> events_;
  std::size_t signature_events_ = 0;  // Of those.
  std::size_t copies_ = 0;            // Of all files, to be carried out.
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SINK_H_
