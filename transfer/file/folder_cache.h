// Folders beneath the output folder: those that were used last are held open.
//
// Every path that a peer chose is resolved here, beneath the output folder and
// without following links (confined_open.h); within a folder only single names
// are used, which can't lead out of it.

#ifndef P2PCP_TRANSFER_FILE_FOLDER_CACHE_H_
#define P2PCP_TRANSFER_FILE_FOLDER_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

#include "net/base/result.h"
#include "transfer/file/disk.h"
#include "transfer/file/part_file.h"

namespace p2pcp::file {

// The path of the folder that output lies in; empty: the output folder.
const std::string& FolderPathOf(const Output& output);
// kCannotWrite: the folder that output lies in.
Error FolderError(const Output& output, int error);

// Used by one thread. Blocks.
class FolderCache {
 public:
  // Told of each folder that is opened, and its path.
  using Listener = std::function<void(int dirfd, const std::string& path)>;

  explicit FolderCache(Listener opened = nullptr)
      : opened_(std::move(opened)) {}

  // The folder that output lies in. kCannotWrite: as FolderError() says.
  Result<FolderFd> Open(const Output& output);
  void Close();

 private:
  static constexpr std::size_t kMaxFolders = 64;

  struct Folder {
    FolderFd fd;
    std::uint64_t used = 0;
  };

  Result<FolderFd> Find(const OutputFolder& root, const std::string& path);

  const Listener opened_;
  std::unordered_map<std::string, Folder> folders_;
  std::uint64_t use_counter_ = 0;
  // The one that was asked for last.
  FolderPath last_path_;
  FolderFd last_folder_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_FOLDER_CACHE_H_
