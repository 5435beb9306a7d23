#include "transfer/file/output_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "transfer/file/path_policy.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

Error CannotWriteTo(const std::string& folder, int error) {
  return ErrnoError(ErrorCode::kCannotWrite,
                    "cannot write to the folder " + folder, error);
}

OutputFolder::OutputFolder(std::string path, int fd, int sync_fd, mode_t umask)
    : path_(std::move(path)), fd_(fd), sync_fd_(sync_fd), umask_(umask) {}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      sync_fd_(std::exchange(other.sync_fd_, -1)),
      umask_(other.umask_) {}

OutputFolder& OutputFolder::operator=(OutputFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(sync_fd_, other.sync_fd_);
  std::swap(umask_, other.umask_);
  return *this;
}

OutputFolder::~OutputFolder() {
  if (fd_ >= 0) close(fd_);
  if (sync_fd_ >= 0) close(sync_fd_);
}

Result<OutputFolder> OutputFolder::Open(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return CannotWriteTo(path, errno);
  // By the effective ids, and seeing a read-only file system too.
  if (faccessat(fd.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return CannotWriteTo(path, errno);
  }
  // A folder that may be written and not read can't be synced.
  UniqueFd sync_fd(openat(fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const mode_t mask = ::umask(077);
  ::umask(mask);
  return OutputFolder(path, fd.Release(), sync_fd.Release(), mask);
}

std::string OutputFolder::RealPath() const {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::read_symlink(
      "/proc/self/fd/" + std::to_string(fd_), error);
  return error ? path_ : path.native();
}

Result<OutputTarget> OpenOutput(const std::string& path) {
  if (path.empty()) {
    return Error{ErrorCode::kUsage,
                 "the place to write to has no name; . is this folder"};
  }
  struct stat info;
  const int error = stat(path.c_str(), &info) == 0 ? 0 : errno;
  if (error == 0 && S_ISDIR(info.st_mode)) {
    Result<OutputFolder> folder = OutputFolder::Open(path);
    if (!folder) return folder.error();
    return OutputTarget{std::move(*folder), std::nullopt};
  }
  // No --conflict replaces a device or a FIFO.
  if (error == 0 && !S_ISREG(info.st_mode)) {
    return Error{ErrorCode::kUsage,
                 path +
                     " is neither a regular file nor a folder; --out - "
                     "writes to standard output, wherever that leads"};
  }
  const std::size_t slash = path.rfind('/');
  const std::string name =
      slash == std::string::npos ? path : path.substr(slash + 1);
  // What can only be a folder, and is none, or none for us.
  if (name.empty() || name == "." || name == "..") {
    return CannotWriteTo(path, error == 0 ? ENOTDIR : error);
  }
  // The user may choose a name that a peer may not: one with a dot.
  if (name.size() > kMaxComponent) {
    return Error{ErrorCode::kUsage, path + " cannot be the name of a file"};
  }
  const std::string parent = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : path.substr(0, slash);
  Result<OutputFolder> folder = OutputFolder::Open(parent);
  if (!folder) return folder.error();
  return OutputTarget{std::move(*folder), name};
}

}  // namespace p2pcp::file
