// Carries out the jobs of a Disk, blocking: one at a time, and beside it one of
// those that MayRunBeside().

#ifndef P2PCP_TRANSFER_FILE_DISK_WORKER_H_
#define P2PCP_TRANSFER_FILE_DISK_WORKER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/delta_base.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/part_file.h"
#include "transfer/file/part_keeper.h"
#include "transfer/file/source_keeper.h"
#include "transfer/file/source_reader.h"
#include "transfer/file/stream_worker.h"
#include "transfer/file/strong_hash.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/target_worker.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

class DiskWorker {
 public:
  // What it is given must outlive it. syscalls: null for the real ones. keeper
  // and sources may be null: then no part outlives the worker, and digests
  // begin anew. writes_now: TryNow() writes to files that are in memory.
  explicit DiskWorker(Syscalls* syscalls, PartKeeper* keeper = nullptr,
                      SourceKeeper* sources = nullptr, bool writes_now = false);

  Completion Execute(const Job& job);
  // Whether a second thread may execute the job, one such at a time: a kPlace
  // of a file that has no name.
  static bool MayRunBeside(const Job& job) {
    return job.kind == Job::Kind::kPlace && job.output->unnamed != nullptr;
  }
  // As Disk's. What was written so is not in the journal before its
  // kNoteWritten is executed, beside which this may be called on another
  // thread.
  std::optional<Completion> TryNow(const Job& job);
  static Job NoteOf(const Job& write);
  // The job at hand shall not wait for a stream. From any thread; until the
  // next CloseAll().
  void Interrupt() { stream_.Interrupt(); }
  // Closes all files; deletes the temporary ones.
  void CloseAll();
  // As Disk's.
  void UseStrongDigests(StrongHasherFactory make);

 private:
  struct Slot {
    std::optional<SourceReader> source;
    std::optional<PartFile> part;
    std::optional<std::uint64_t> part_id;  // Its account with the keeper.
    // Of the source that the running digest is of, where that is kept.
    std::optional<JournalState::Part> kept_source;
    std::uint64_t noted = 0;  // Bytes of it that were, last.
    UniqueFd existing;
    std::optional<DeltaBase> base;  // Of the part.
    std::optional<Hasher> hasher;   // HasherOf() makes it.
  };

  bool WritesNow(const Slot& slot) const {
    return writes_now_ && slot.part && slot.part->in_memory();
  }
  Hasher& HasherOf(Slot& slot);
  Status Run(const Job& job, Completion& completion);
  Status RunSource(const Job& job, Slot& slot, Completion& completion);
  Status OpenSource(const Job& job, Slot& slot, Completion& completion);
  Status ReadSource(const Job& job, Slot& slot, Completion& completion);
  Status DigestSource(const Job& job, Slot& slot, Completion& completion);
  void TakeDigest(const Job& job, Slot& slot, Completion& completion);
  Status DigestExisting(const Job& job, Slot& slot, Completion& completion);
  Status Create(const Job& job, Slot& slot, Completion& completion);
  std::optional<Completion> TryRead(const Job& job, Slot& slot);
  std::optional<Completion> TryWrite(const Job& job, Slot& slot);
  Status Write(const Job& job, Slot& slot, Completion& completion);
  Status Hash(const Job& job, std::uint64_t offset, Slot& slot,
              Completion& completion);
  Status Commit(const Job& job, Slot& slot);
  // What an older version is used for: disk_worker_delta.cc.
  Status OpenBase(const Job& job, Slot& slot, Completion& completion);
  Status SignBase(const Job& job, Slot& slot, Completion& completion);
  Status CopyBase(const Job& job, Slot& slot, Completion& completion);
  Status MatchSource(const Job& job, Slot& slot, Completion& completion);
  Status Probe(const Job& job, Completion& completion);
  void EndPart(Slot& slot);
  void NoteSource(Slot& slot, bool last);
  Status ReadStream(const Job& job, Completion& completion);
  Status WriteStream(const Job& job, Completion& completion);
  MutableByteSpan scratch();

  Syscalls& syscalls_;
  PartKeeper* const keeper_;
  SourceKeeper* const sources_;
  const bool writes_now_;
  StrongHasherFactory make_strong_ = nullptr;
  WholeHasher whole_files_;
  SourceOpener opener_;  // Of small files.
  TargetWorker target_;
  StreamWorker stream_;
  std::array<Slot, Disk::kSlots> slots_;
  std::unique_ptr<std::byte[]> scratch_;  // For reading back.
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_DISK_WORKER_H_
