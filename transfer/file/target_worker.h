// What a DiskWorker does below the output folder besides writing large files:
// folders (folder_cache.h), small files as a whole, names that are taken, and
// syncing.

#ifndef P2PCP_TRANSFER_FILE_TARGET_WORKER_H_
#define P2PCP_TRANSFER_FILE_TARGET_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/folder_cache.h"
#include "transfer/file/namer.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/part_file.h"
#include "transfer/file/part_keeper.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/unique_fd.h"
#include "transfer/file/unsynced.h"

namespace p2pcp::file {

// All methods block; see Job for what they do. On one thread, but for Place()
// of what has no name.
class TargetWorker {
 public:
  // What the process may have open besides small files without names.
  static constexpr std::size_t kOtherFiles = Namer::kOtherFiles;

  // What it is given must outlive it; keeper may be null.
  TargetWorker(Syscalls& syscalls, PartKeeper* keeper, WholeHasher& hasher);
  ~TargetWorker() { DropStored(); }
  TargetWorker(const TargetWorker&) = delete;
  TargetWorker& operator=(const TargetWorker&) = delete;

  // The folder that output lies in.
  Result<FolderFd> OpenFolder(const Output& output) {
    return folders_.Open(output);
  }

  Status InspectFolder(const Output& output, Completion& completion);
  Status MakeFolder(const Output& output, Completion& completion);
  Status FinishFolder(const Output& output);
  Status Probe(const Output& output, Completion& completion);
  // The file under the name that output.final_name says is of this transfer
  // too, as if it had been placed.
  void NotePlaced(const Output& output);
  // The same of a file that is open. output may still replace it.
  void NotePlaced(std::uint64_t inode, Output& output);
  // Opens what stands under the name of output, or where an earlier transfer
  // has put it.
  Result<UniqueFd> OpenExisting(const Output& output);

  Status Store(Output& output, ByteSpan content, MutableByteSpan scratch,
               Completion& completion);
  Status Place(Output& output);
  Status Remove(Output& output);
  // Whatever was placed before is noted as being so.
  Status Sync(const Output& output);
  Status Commit(PartFile& part, Output& output);

  // Deletes what was stored and not placed.
  void DropStored();

 private:
  // A file under a temporary name.
  struct Stored {
    FolderFd folder;  // In here; null where too many would be open.
    FolderPath folder_path;
    const std::string* part_prefix = nullptr;
  };

  Status SyncAll(const Output& output);
  Status SyncFew(const Unsynced& unsynced, const Output& output);

  Syscalls& syscalls_;
  PartKeeper* const keeper_;
  WholeHasher& whole_files_;
  FolderCache folders_;
  Namer namer_;
  PlacedFiles placed_;
  // Folders that this transfer has made: names of it that meet in one of them
  // must not meet for the second time in what lies there.
  PlacedFiles made_;
  std::unordered_map<std::uint64_t, Stored> stored_;  // By part number.
  const OutputFolder* root_ = nullptr;                // Of what is stored.
  Unsynced unsynced_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_TARGET_WORKER_H_
