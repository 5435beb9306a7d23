// Namer: small files that have no name before they are synced (unnamed_file.h).
// Giving them their names is as much work as a thread does meanwhile with
// storing the next ones, so Place() may be called by another thread.

#ifndef P2PCP_TRANSFER_FILE_NAMER_H_
#define P2PCP_TRANSFER_FILE_NAMER_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "net/base/result.h"
#include "transfer/file/disk.h"
#include "transfer/file/folder_cache.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/part_keeper.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/unique_fd.h"
#include "transfer/file/unsynced.h"

namespace p2pcp::file {

class Namer {
 public:
  // Files that wait for their names, each of them open: as many as a sender may
  // offer at once (transfer/session/limits.h).
  static constexpr std::size_t kMaxUnnamed = 8192;
  // What else the process may have open.
  static constexpr std::size_t kOtherFiles = 512;

  // What was named, to be synced and noted.
  struct Named {
    Unsynced unsynced;
    std::vector<PartKeeper::InPlace> files;
  };

  // syscalls must outlive it.
  explicit Namer(Syscalls& syscalls) : syscalls_(syscalls) {}

  // Whether output, in the folder dirfd, is made without a name: where nobody
  // else can have its final one, which has to be dealt with by renaming.
  bool MayBeUnnamed(const Output& output, int dirfd);
  // Makes its file: output.unnamed.
  Status Create(Output& output, int dirfd, mode_t mode);
  // Takes the file away, which is over then.
  void Drop(Output& output);

  // As Job::kPlace. REQUIRES: output.unnamed. On any thread, but one at a time.
  Status Place(Output& output);

  // What was named since the last call.
  Named TakeNamed();
  // Forgets everything. REQUIRES: Place() is not being called.
  void Close();

 private:
  Syscalls& syscalls_;
  // Whether the file system has files without a name, once that was tried; and
  // how many of them may be, and are, open.
  std::optional<bool> has_unnamed_;
  std::size_t max_unnamed_ = 0;
  std::atomic<std::size_t> unnamed_ = 0;

  // Place()'s alone.
  FolderCache folders_;
  FileKey key_;  // For InPlace::Of().

  std::mutex mutex_;
  Named named_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_NAMER_H_
