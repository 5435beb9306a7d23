// Disk: everything that a transfer asks of the file system, as jobs that are
// submitted and complete later, so that no loop ever waits for a disk.
//
// Jobs are carried out one after another, in the order in which they were
// submitted. InlineDisk does so at once, ThreadedDisk on a thread of its own.
// Only a kPlace may be carried out beside others, and completes whenever it is
// done: so whoever needs it to be done before another job, or another job
// before it, waits for that.

#ifndef P2PCP_TRANSFER_FILE_DISK_H_
#define P2PCP_TRANSFER_FILE_DISK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/delta_matcher.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/digest.h"
#include "transfer/file/entry.h"
#include "transfer/file/interval_set.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/source_file.h"
#include "transfer/file/source_tree.h"
#include "transfer/file/strong_hash.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

// What to do where the final name exists already.
enum class ConflictPolicy : std::uint8_t {
  kRename,     // "name (1).ext", or the next number that is free.
  kSkip,       // Keep the new file back.
  kOverwrite,  // Replace it, if it is a regular file; else keep back.
};

// The path of a folder below the output folder; null or empty: that itself.
using FolderPath = std::shared_ptr<const std::string>;

// What an earlier transfer left of a file.
struct Remains {
  std::uint64_t part_id = 0;  // In the journal.
  std::string part_name;      // In the folder of the file.
  std::vector<Interval> had;  // What is in it, in order.
  std::uint64_t hashed = 0;   // Its digest is known up to here.
  std::uint64_t disk_bytes = 0;
};

// A file to be written, or a folder to be made. Owned by whoever submits the
// jobs; not touched by it while a job that points to it has not completed.
struct Output {
  const OutputFolder* root = nullptr;
  FolderPath folder;  // That it lies in.
  // The folder was made by this transfer: whoever has a name in it already is
  // one of its files.
  bool fresh = false;
  // The temporary name: "<prefix>-<number>.part". The prefix outlives the disk.
  const std::string* part_prefix = nullptr;
  std::uint64_t part_number = 0;
  std::string name;    // The name to get.
  bool exact = false;  // kRename does not apply: keep back instead.
  ConflictPolicy conflict = ConflictPolicy::kRename;
  std::uint64_t size = 0;
  FileTime mtime;
  bool executable = false;
  bool sparse = false;
  // The inode of the file that kDigestExisting has looked at, of this size and
  // time: what the transfer may still replace by this file, and by no other.
  std::uint64_t compared = 0;
  // Found by kProbeName; kCreate then goes on with them.
  std::shared_ptr<const Remains> remains = nullptr;

  // Set by kStore where the file has no name yet: the file, open until kPlace
  // or kRemove has dealt with it. Or until its owner lets it go, as when the
  // disk was abandoned: nothing else is left of it then.
  std::shared_ptr<const UniqueFd> unnamed = nullptr;

  // Set when it is put in place: the name it got. By kProbeName: where an
  // earlier transfer has put it, so kDigestExisting looks there.
  std::string final_name;

  // Beneath root, for messages: a name alone may stand in many folders.
  std::string Path() const {
    return folder == nullptr || folder->empty() ? name : *folder + '/' + name;
  }
};

struct Job {
  enum class Kind : std::uint8_t {
    // --- Sending ---
    // Appends entries of *tree to *batch, at most `size`.
    kScan,
    // Opens *source into slot (closing what it held); the running digest
    // starts anew. Fails if the file is another than the one that was listed.
    // With `digest` it goes on from where an earlier transfer has come to, if
    // there is a journal of that: Completion::size bytes from the beginning, at
    // most `size`.
    kOpenSource,
    // Fills buffer from offset of the file in slot, completely; fails if the
    // file has changed since it was listed. With `digest` the bytes are added
    // to the running digest, which completes with `last`. With *source the
    // buffer takes all of the file, which is opened and closed for it.
    kReadSource,
    // Adds `size` bytes at offset of the file in slot to the running digest,
    // as kReadSource does; with `zeros` without reading them, with `digest` to
    // one that starts anew.
    kDigestSource,
    // Completion::offset and size: the first bytes from offset on that are no
    // hole, `size` of them at most; size 0 if only a hole follows.
    kSeekSource,
    // Fills buffer, which is *matcher's, from offset of the file in slot, as
    // kReadSource does with `digest`, and has *matcher process it; with `flush`
    // it is told that nothing follows.
    kMatchSource,

    // --- Receiving ---
    // Completion::size: bytes free in the file system of *output.
    kInspectFolder,
    // Makes the folder of *output. Completion::exists: it stood there before.
    // kKeptBack: something else has the name, or it can't be had.
    kMakeFolder,
    // Sets the time of the folder that *output lies in.
    kFinishFolder,
    // Completion::exists: whether output->name is taken; same: by a file of
    // this size and time. kKeptBack where output->conflict forbids to replace
    // what is there (and it is not the same). With a journal also done: an
    // earlier transfer has put it in place, under output->final_name; and what
    // one has left of it, as output->remains; outdated: of another version of
    // it, which has been deleted. Completion::size: of the regular file that
    // has the name.
    kProbeName,
    // Adds `size` bytes at offset of the file that stands under the name of
    // *output to the running digest of slot, which begins at offset 0 and
    // completes with `last`. Completion::same: the file has that size and time.
    kDigestExisting,
    // All that a small file needs but its name: creates a file without one, or
    // under its temporary one, writes buffer, reads it back for the digest. Its
    // mode and time are set.
    kStore,
    // Gives what kStore made its final name, as kCommit does.
    kPlace,
    // Deletes what kStore made.
    kRemove,
    // Makes durable what kStore and kPlace did before. REQUIRES *output.
    kSync,
    // Creates the temporary file of *output in slot, with room reserved for
    // output->size bytes where that is cheap.
    kCreate,
    // Writes the bytes of buffer at offset of the file in slot. With `digest`
    // it then does what kHash does with `size` bytes at digest_offset, while
    // what was written is still in the processor's cache: reading it back
    // later costs twice as much (measured).
    kWrite,
    // Reads `size` bytes at offset back and adds them to the running digest,
    // which begins anew at offset 0, or with `digest`, and completes with
    // `last`; with `zeros` without reading them.
    kHash,
    // Opens the regular file that stands under the name of *output as the base
    // of slot; Completion::size: its bytes. Closed with the file in slot.
    kOpenBase,
    // Appends the signatures of the blocks, of `block` bytes, in `size` bytes
    // at
    // offset of the base to *signatures. Completion::size: the bytes that were
    // signed; fewer where the base can't be read.
    kSignBase,
    // Copies `length` bytes at `from` of the base to offset of the file in
    // slot,
    // zeros where it can't be read: the digest finds that. With `digest` as
    // kWrite.
    kCopyBase,
    // Sets mode and time, syncs, and renames the file in slot to its final
    // name, which goes to output->final_name. kKeptBack: the conflict policy,
    // or the target's file system, does not let it have its name; it is
    // deleted. The name is durable only after kSync.
    kCommit,
    // Deletes the temporary file in slot, if there is one.
    kDiscard,

    // Submitted by disks alone, to themselves; does not complete. The journal
    // learns that TryNow() has written `size` bytes at offset of the file in
    // slot.
    kNoteWritten,

    // --- Streams, one to a disk ---
    // Fills buffer with what `stream` has, waiting for at least one byte;
    // Completion::size: how many. At its end none, and `last` with the digest
    // of all.
    kReadStream,
    // Writes all of buffer to `stream`; with `last` the digest of all that was
    // written completes.
    kWriteStream,
  };

  Kind kind = Kind::kDiscard;
  bool digest = false;
  bool last = false;
  bool zeros = false;
  bool flush = false;
  std::uint32_t slot = 0;  // Below Disk::kSlots.
  std::uint64_t tag = 0;   // Handed back; means nothing to the disk.
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t digest_offset = 0;
  std::uint64_t from = 0;
  std::uint64_t length = 0;
  std::uint64_t block = 0;
  // Must outlive the job, and is not touched by the submitter meanwhile.
  MutableByteSpan buffer;
  const SourceFile* source = nullptr;
  Output* output = nullptr;
  SourceTree* tree = nullptr;
  ScanBatch* batch = nullptr;
  DeltaMatcher* matcher = nullptr;
  std::vector<BlockSignature>* signatures = nullptr;
  int stream = -1;  // A descriptor that stays open.
};

struct Completion {
  Job::Kind kind = Job::Kind::kDiscard;
  bool last = false;
  bool exists = false;
  bool same = false;
  bool done = false;
  bool outdated = false;
  bool now = false;  // kCreate: TryNow() writes to the file.
  std::uint32_t slot = 0;
  std::uint64_t tag = 0;
  std::uint64_t offset = 0;
  // Of the job, of its buffer if it has one; kInspectFolder: bytes free.
  std::uint64_t size = 0;
  Digest digest;  // Valid with `last`, and of kStore.
  std::optional<Error> error;
};

class Disk {
 public:
  // Files open at once.
  static constexpr std::uint32_t kSlots = 64;

  virtual ~Disk() = default;

  // How many jobs Submit() takes now. Grows only by Poll().
  virtual std::size_t room() const = 0;
  // REQUIRES: room() > 0.
  virtual void Submit(const Job& job) = 0;
  // No job is under way: each has been seen by Poll().
  virtual bool idle() const = 0;
  // Carries out a job at once, on the caller's thread, if that takes no
  // waiting: it is idle(), and the job a kReadSource of what the system's cache
  // has, or a kWrite to a file of which that was said when it was created
  // (Completion::now). Nothing: nothing was done.
  virtual std::optional<Completion> TryNow(const Job& job) = 0;
  // Whether Poll() has something. Cheap enough to ask for each packet.
  virtual bool ready() const = 0;
  // The next job that is done, in the order of submission, but for kPlace.
  virtual std::optional<Completion> Poll() = 0;
  // Drops the jobs that have not begun, waits for the one at hand (a stream's
  // is interrupted), closes all
  // files and deletes the temporary ones. No completion of before is seen any
  // more, and nothing that a job pointed to is used. The destructor does the
  // same.
  virtual void Abandon() = 0;
  // From now on until Abandon() each digest that completes, but for those of
  // parts of a file, has a strong one beside it, made by `make`. So all begin
  // at the beginning: none goes on from what an earlier transfer has noted.
  // REQUIRES: no job was submitted since the beginning, or Abandon().
  virtual void UseStrongDigests(StrongHasherFactory make) = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_DISK_H_
