// Sink: takes the bytes of a transfer in whatever order they come and makes
// files of them. Nothing stands under a file's final name before its content,
// read back from where it was written, has the digest that was promised.
//
// Bytes gather in chunks of a fixed pool; a chunk is written when it is full,
// or in parts when the pool is short. Behind the contiguous frontier of each
// file what was written is read back for the digest while the transfer runs.
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
#include "transfer/file/chunk_pool.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/interval_set.h"
#include "transfer/file/manifest.h"
#include "transfer/file/output_folder.h"

namespace p2pcp::file {

class Sink {
 public:
  // Bytes that may be in it and not written: the pool less what the ends of a
  // window that is not aligned occupy besides.
  static constexpr std::uint64_t kBudget =
      (ChunkPool::kChunks - 4) * ChunkPool::kChunkBytes;

  struct Event {
    enum class Kind : std::uint8_t {
      kInspected,   // Inspect() is done: Start() may follow.
      kFileDone,    // index is verified, synced and has its final_name.
      kFileFailed,  // index was kept back (kKeptBack) or is bad (kIntegrity).
      kFailed,      // The folder can't be written to; nothing more will come.
    };
    Kind kind = Kind::kFailed;
    std::size_t index = 0;
    std::string final_name;
    Digest digest;
    std::optional<Error> error;
  };

  enum class Take : std::uint8_t {
    kTaken,
    kNoRoom,   // None of it was taken.
    kOutside,  // Some bytes are not wanted, or outside of the manifest.
  };

  // All must outlive it, but random, which is used here only. The manifest is
  // read from Inspect() on. It is the disk's only user.
  Sink(const OutputTarget* target, ConflictPolicy conflict,
       const Manifest* manifest, Disk* disk, Random* random);
  // Abandons the disk's jobs, which use the buffers, and with them what is not
  // finished.
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  // Looks at the folder: which names are taken, and whether there is room.
  // Ends with kInspected, after a kFileFailed for each file that is kept back,
  // or with kFailed: kCannotWrite, or kUsage if several files are to get one
  // name.
  void Inspect();
  // REQUIRES: kInspected.
  void Start();
  // As ByteSink::Write: each byte once. Bytes that it has already count as not
  // wanted. REQUIRES: started; bytes are not more than a chunk.
  Take Write(std::uint64_t offset, ByteSpan bytes);
  // What the sender says of a file. False if that can't be: such a file is not
  // wanted, or has been promised another digest. REQUIRES: started.
  bool ExpectDigest(std::size_t index, const Digest& digest);
  // Takes the disk's completions and submits further jobs.
  void HandleDisk();
  std::optional<Event> PollEvent();
  // Bytes written since the last call, to be credited to the sender.
  std::uint64_t TakeReleased();
  // Deletes what is not finished; nothing more will come.
  void Abandon();

  bool IsWanted(std::size_t index) const {
    return files_[index] != FileState::kUnwanted;
  }
  // Valid from kInspected on.
  std::uint64_t wanted_bytes() const { return wanted_bytes_; }
  std::size_t wanted_files() const { return wanted_files_; }
  std::uint64_t written_bytes() const { return written_bytes_; }

 private:
  enum class FileState : std::uint8_t {
    kWaiting,   // For a slot.
    kUnwanted,  // Kept back from the start.
    kActive,    // Has a slot.
    kOver,      // Renamed, or failed.
  };
  // A file that is being written.
  struct Slot {
    bool used = false;
    bool open = false;        // Its temporary file exists.
    bool hash_busy = false;   // A kHash is under way.
    bool hash_last = false;   // The whole file's hashing has been submitted.
    bool hashed = false;      // `digest` is that of what was written.
    bool committing = false;  // A kCommit is under way.
    std::size_t file = 0;
    std::uint64_t hash_offset = 0;  // Submitted up to here.
    Digest digest;
    Output output;
  };
  struct Renamed {
    std::size_t file = 0;
    std::string final_name;
    Digest digest;
  };

  void FillOutput(Output& output, std::size_t file) const;
  void AdvanceInspection();
  void FinishInspection();
  bool MayHold(std::uint64_t chunk_begin, std::uint64_t offset) const;
  bool Prepare(std::uint64_t begin, std::uint64_t end);
  void Store(std::uint64_t begin, std::uint64_t end, ByteSpan bytes);
  void HandleCompletion(Completion done);
  void HandleSlotCompletion(Completion done);
  void Advance();
  bool IsNear(std::size_t file) const;
  void Activate();
  void Flush();
  bool FlushRange(std::size_t chunk);
  std::uint64_t HashFrontier(const Slot& slot) const;
  void TakeHashRange(Slot& slot, std::uint64_t size, Job& job);
  void AdvanceSlot(std::uint32_t index);
  void SyncFolder();
  void Fail(Error error);
  void FailFile(std::size_t file, Error error);
  void FreeSlot(Slot& slot);

  const OutputTarget& target_;
  const ConflictPolicy conflict_;
  const Manifest& manifest_;
  Disk& disk_;
  std::string part_prefix_;

  bool inspecting_ = false;
  bool started_ = false;
  bool failed_ = false;
  std::size_t probe_next_ = 0;               // Names submitted ...
  std::size_t probe_done_ = 0;               // ... and looked at.
  std::optional<std::uint64_t> free_bytes_;  // Once the disk has said so.

  std::vector<FileState> files_;
  std::vector<std::uint32_t> slot_of_;  // Of the active ones.
  std::vector<std::optional<Digest>> expected_;
  std::uint64_t wanted_bytes_ = 0;
  std::size_t wanted_files_ = 0;

  ChunkPool pool_;
  // Bytes that came, and bytes whose writing was submitted: jobs submitted
  // after it find them in the file. Those that are not wanted count as both.
  std::optional<IntervalSet> received_;
  std::optional<IntervalSet> written_;
  std::uint64_t written_bytes_ = 0;
  // The end of the highest bytes that came, or will not come.
  std::uint64_t high_ = 0;
  std::uint64_t released_ = 0;

  std::array<Slot, Disk::kSlots> slots_;
  std::size_t next_file_ = 0;  // The next to get a slot.

  // Files that have their name, in order; the first `syncing_` of them will be
  // durable when the kSyncFolder under way is done.
  std::deque<Renamed> renamed_;
  std::size_t syncing_ = 0;
  Output folder_job_;
  std::deque<Event> events_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_SINK_H_
