// What a DiskWorker does below the output folder besides writing large files:
// folders, small files as a whole, names that are taken, and syncing.
//
// Every path that a peer chose is resolved here, beneath the output folder and
// without following links (confined_open.h), one folder at a time; within a
// folder only single names are used, which can't lead out of it.

#ifndef P2PCP_TRANSFER_FILE_TARGET_WORKER_H_
#define P2PCP_TRANSFER_FILE_TARGET_WORKER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/part_file.h"
#include "transfer/file/part_keeper.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

// All methods block; see Job for what they do.
class TargetWorker {
 public:
  // Small files without a name that wait for theirs, each of them open: as many
  // as a sender may offer at once (transfer/session/limits.h).
  static constexpr std::size_t kMaxUnnamed = 8192;
  // What else the process may have open.
  static constexpr std::size_t kOtherFiles = 512;

  // What it is given must outlive it; keeper may be null.
  TargetWorker(Syscalls& syscalls, PartKeeper* keeper, WholeHasher& hasher)
      : syscalls_(syscalls), keeper_(keeper), whole_files_(hasher) {}
  ~TargetWorker() { DropStored(); }
  TargetWorker(const TargetWorker&) = delete;
  TargetWorker& operator=(const TargetWorker&) = delete;

  // The folder that output lies in.
  Result<FolderFd> OpenFolder(const Output& output);

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

  Status Store(const Output& output, ByteSpan content, MutableByteSpan scratch,
               Completion& completion);
  Status Place(Output& output);
  Status Remove(const Output& output);
  Status Sync(const Output& output);
  Status Commit(PartFile& part, Output& output);

  // Deletes what was stored and not placed.
  void DropStored();

 private:
  // Folders that are held open.
  static constexpr std::size_t kMaxFolders = 64;
  // Up to so many files, and folders, are synced one by one; with more of them
  // syncing all of the file system takes less.
  static constexpr std::size_t kFewSyncs = 8;

  struct Folder {
    FolderFd fd;
    std::uint64_t used = 0;
  };
  using FileFd = std::shared_ptr<const UniqueFd>;
  struct Stored {
    FileFd unnamed;   // The file, if it has no temporary name; else that is
    FolderFd folder;  // in here (null where too many would be open).
    FolderPath folder_path;
    const std::string* part_prefix = nullptr;
  };

  Result<FolderFd> Open(const OutputFolder& root, const std::string& path);
  bool MayBeUnnamed(const Output& output, int dirfd);
  void Forget(std::unordered_map<std::uint64_t, Stored>::iterator stored);
  void NoteTouched(FolderFd folder);
  Error FolderError(const Output& output, int error) const;

  Syscalls& syscalls_;
  PartKeeper* const keeper_;
  WholeHasher& whole_files_;
  std::unordered_map<std::string, Folder> folders_;
  std::uint64_t use_counter_ = 0;
  // The one that was asked for last.
  FolderPath last_path_;
  FolderFd last_folder_;
  PlacedFiles placed_;
  // Folders that this transfer has made: names of it that meet in one of them
  // must not meet for the second time in what lies there.
  PlacedFiles made_;

  // By part number.
  std::unordered_map<std::uint64_t, Stored> stored_;
  const OutputFolder* root_ = nullptr;  // Of what is stored.
  // Whether the file system has files without a name, once that was tried; and
  // how many of them are, and may be, held open.
  std::optional<bool> has_unnamed_;
  std::size_t unnamed_ = 0;
  std::size_t max_unnamed_ = 0;

  // Since the last kSync: files with content, folders with names. Where there
  // are more than a few only that is remembered.
  std::vector<FileFd> unsynced_files_;
  std::vector<FolderFd> unsynced_folders_;
  bool many_unsynced_ = false;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_TARGET_WORKER_H_
