// Source: the bytes of the files that are sent, as one linear byte space, from
// a small window of buffers that a Disk fills.
//
// Each file is read once from end to end, ahead of what is asked for, and its
// digest taken on the way. Bytes that are asked for again, because they got
// lost, come from the buffers while they are still there and are read again
// otherwise.

#ifndef P2PCP_TRANSFER_FILE_SOURCE_H_
#define P2PCP_TRANSFER_FILE_SOURCE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/source_list.h"

namespace p2pcp::file {

class Source {
 public:
  // One read, and what fits a core's L2 cache together with what it becomes.
  static constexpr std::size_t kChunkBytes = 256 << 10;
  // Buffers: 8 MiB. Half are for what was sent already.
  static constexpr std::size_t kChunks = 32;
  static constexpr std::uint64_t kReadAhead = kChunks / 2 * kChunkBytes;
  // Where the system's cache did not have the bytes, it is asked again only
  // after so many: asking in vain costs a system call, and reading ahead stops.
  static constexpr std::uint64_t kRetryCache = std::uint64_t{32} << 20;

  struct FileDigest {
    std::size_t index = 0;
    Digest digest;
  };

  // files and disk must outlive it; it is the disk's only user.
  Source(const SourceList* files, Disk* disk);
  // Abandons the disk's jobs, which use the buffers.
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // Begins to read. Files whose index is set in unwanted are left out.
  // REQUIRES: unwanted.size() == files->files.size().
  void Start(std::vector<bool> unwanted);

  // Contiguous bytes at offset, at most max_size of them, valid until the next
  // call of any method. Empty: not in memory (or error()); TakeReady() will
  // tell. REQUIRES: started; offset lies in a wanted file.
  ByteSpan Read(std::uint64_t offset, std::size_t max_size);

  // Takes the disk's completions and submits further jobs.
  void HandleDisk();
  // Whether bytes that Read() did not have may be there now. Resets.
  bool TakeReady();
  // The next file that has been read to its end, once, unchanged.
  std::optional<FileDigest> PollDigest();
  bool has_digest() const { return !digests_.empty(); }
  // Something could not be read, or changed: kSourceUnreadable. Final.
  const std::optional<Error>& error() const { return error_; }

 private:
  struct Chunk {
    enum class State : std::uint8_t { kFree, kLoading, kReady };
    State state = State::kFree;
    bool all_submitted = false;     // Every read for it is under way or done.
    std::uint32_t outstanding = 0;  // Reads under way.
    std::uint64_t begin = 0;
    std::uint64_t load_position = 0;  // Where reloading goes on.
    std::uint64_t last_used = 0;
  };

  // The first pass reads through this slot, the others are for reading again.
  static constexpr std::uint32_t kPassSlot = 0;
  static constexpr std::uint32_t kSlots = 16;
  static constexpr std::uint32_t kNoChunk = 0xff;
  static_assert(kChunks < kNoChunk);

  std::byte* Data(std::size_t chunk) {
    return buffers_.get() + chunk * kChunkBytes;
  }
  std::optional<std::size_t> FindChunk(std::uint64_t begin) const;
  std::optional<std::size_t> TakeChunk(std::uint64_t begin);
  void SealPassChunk();
  void SettleChunk(Chunk& chunk);
  void Advance();
  void AdvancePass();
  bool PassStep();
  void AdvanceReload(std::size_t index);
  std::uint32_t SlotFor(std::size_t file);
  void SubmitOpen(std::uint32_t slot, std::size_t file);
  void Submit(const Job& job);
  void HandleDone(Completion done);
  ByteSpan Find(std::uint64_t offset, std::size_t max_size);
  void SubmitRead(std::uint32_t slot, std::size_t file, std::uint64_t begin,
                  std::uint64_t end, std::uint32_t chunk, bool digest);

  const SourceList& files_;
  Disk& disk_;
  std::unique_ptr<std::byte[]> buffers_;
  std::array<Chunk, kChunks> chunks_;
  std::vector<bool> unwanted_;

  // The first pass: the next byte is at pass_offset_ of pass_file_.
  std::size_t pass_file_ = 0;
  std::uint64_t pass_offset_ = 0;
  std::optional<std::size_t> pass_chunk_;
  std::uint64_t demand_ = 0;  // The end of the highest bytes asked for.

  std::size_t under_way_ = 0;  // Jobs.
  // The pass's last read came from the system's cache, on this thread: while
  // that is so nothing is read ahead, and what is read is sent while it is
  // still in this processor's cache.
  bool cached_ = false;
  std::uint64_t try_cache_from_ = 0;

  // Which file each slot holds once the jobs under way are done.
  std::array<std::optional<std::size_t>, kSlots> slot_files_;
  std::array<std::uint64_t, kSlots> slot_used_ = {};

  std::uint64_t use_counter_ = 0;
  std::size_t pinned_ = 0;  // The chunk that Read() has handed out last.
  bool waiting_ = false;    // Read() came back empty ...
  bool ready_ = false;      // ... and something has been loaded since.
  std::deque<FileDigest> digests_;
  std::optional<Error> error_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SOURCE_H_
