// The folder that received files land in, held open: whatever happens to its
// name meanwhile, nothing is ever written anywhere else.

#ifndef P2PCP_TRANSFER_FILE_OUTPUT_FOLDER_H_
#define P2PCP_TRANSFER_FILE_OUTPUT_FOLDER_H_

#include <sys/types.h>

#include <optional>
#include <string>

#include "net/base/result.h"

namespace p2pcp::file {

// kCannotWrite. folder: as the user knows it.
Error CannotWriteTo(const std::string& folder, int error);

class OutputFolder {
 public:
  // kCannotWrite: there is no such folder, or it can't be written to. Blocks on
  // the file system. Reads the process's umask by setting it for a moment, so
  // call it before there are other threads.
  static Result<OutputFolder> Open(const std::string& path);

  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&& other) noexcept;
  ~OutputFolder();

  // As the user named it, for messages.
  const std::string& path() const { return path_; }
  // Without links, from the root.
  std::string RealPath() const;
  // For the disk: to resolve names under, possibly opened with O_PATH; and to
  // sync, -1 if the folder may not be read.
  int fd() const { return fd_; }
  int sync_fd() const { return sync_fd_; }
  mode_t umask() const { return umask_; }

 private:
  OutputFolder(std::string path, int fd, int sync_fd, mode_t umask);

  std::string path_;
  int fd_ = -1;
  int sync_fd_ = -1;
  mode_t umask_ = 077;
};

// What --out means.
struct OutputTarget {
  OutputFolder folder;
  // Set where --out names a file: the one file offered gets exactly this name.
  std::optional<std::string> exact_name;
};

// An existing folder, or a file (existing or not) in an existing folder.
// kCannotWrite: neither, or the folder can't be written to. kUsage: the path
// is empty, can't be the name of a file, or is that of a device or the like.
Result<OutputTarget> OpenOutput(const std::string& path);

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_OUTPUT_FOLDER_H_
