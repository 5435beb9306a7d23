#include "transfer/file/folder_cache.h"

#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <memory>

#include "net/base/check.h"
#include "transfer/file/confined_open.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

namespace {

const std::string kRoot;

}  // namespace

const std::string& FolderPathOf(const Output& output) {
  return output.folder == nullptr ? kRoot : *output.folder;
}

Error FolderError(const Output& output, int error) {
  const std::string& path = FolderPathOf(output);
  // How the user knows it.
  const std::string& root = output.root->path();
  return CannotWriteTo(path.empty() ? root : root + "/" + path, error);
}

Result<FolderFd> FolderCache::Open(const Output& output) {
  P2PCP_CHECK(output.root != nullptr);
  if (last_folder_ != nullptr && output.folder == last_path_) {
    return last_folder_;
  }
  Result<FolderFd> folder = Find(*output.root, FolderPathOf(output));
  if (!folder) return FolderError(output, folder.error().os_errno);
  last_path_ = output.folder;
  last_folder_ = *folder;
  return folder;
}

Result<FolderFd> FolderCache::Find(const OutputFolder& root,
                                   const std::string& path) {
  const auto found = folders_.find(path);
  if (found != folders_.end()) {
    found->second.used = ++use_counter_;
    return found->second.fd;
  }
  // A folder that may be written and not read can't be opened to be synced.
  int fd = -1;
  for (const int flags : {O_RDONLY, O_PATH}) {
    const int all = flags | O_DIRECTORY | O_CLOEXEC;
    fd = path.empty() ? openat(root.fd(), ".", all)
                      : OpenBeneath(root.fd(), path, all, 0);
    if (fd >= 0 || errno != EACCES) break;
  }
  if (fd < 0) return ErrnoError(ErrorCode::kCannotWrite, path, errno);
  if (folders_.size() == kMaxFolders) {
    folders_.erase(std::min_element(folders_.begin(), folders_.end(),
                                    [](const auto& a, const auto& b) {
                                      return a.second.used < b.second.used;
                                    }));
  }
  FolderFd folder = std::make_shared<const UniqueFd>(fd);
  if (opened_) opened_(fd, path);
  folders_[path] = {folder, ++use_counter_};
  return folder;
}

void FolderCache::Close() {
  last_path_.reset();
  last_folder_.reset();
  folders_.clear();
}

}  // namespace p2pcp::file
