// What was written or named since the last sync. Of more than a few only that
// is remembered: syncing all of the file system takes less then.

#ifndef P2PCP_TRANSFER_FILE_UNSYNCED_H_
#define P2PCP_TRANSFER_FILE_UNSYNCED_H_

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

class Unsynced {
 public:
  using Fd = std::shared_ptr<const UniqueFd>;

  // A file with new content.
  void AddFile(Fd file) {
    if (few_files()) {
      files_.push_back(std::move(file));
    } else {
      many_ = true;
    }
  }
  // A folder with new names.
  void AddFolder(Fd folder) {
    if (many_ ||
        std::find(folders_.begin(), folders_.end(), folder) != folders_.end()) {
      return;
    }
    if (folders_.size() == kFew) {
      many_ = true;
    } else {
      folders_.push_back(std::move(folder));
    }
  }
  void Add(const Unsynced& other) {
    many_ = many_ || other.many_;
    for (const Fd& file : other.files_) AddFile(file);
    for (const Fd& folder : other.folders_) AddFolder(folder);
  }

  bool few_files() const { return !many_ && files_.size() < kFew; }
  bool many() const { return many_; }
  const std::vector<Fd>& files() const { return files_; }
  const std::vector<Fd>& folders() const { return folders_; }

 private:
  static constexpr std::size_t kFew = 8;

  std::vector<Fd> files_;
  std::vector<Fd> folders_;
  bool many_ = false;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_UNSYNCED_H_
