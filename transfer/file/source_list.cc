#include "transfer/file/source_list.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "transfer/file/path_policy.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

namespace {

Error Unreadable(const std::string& path, int error) {
  return ErrnoError(ErrorCode::kSourceUnreadable, "cannot read " + path, error);
}

Error Usage(const std::string& path, std::string_view what) {
  return Error{ErrorCode::kUsage, path + std::string(what)};
}

Error OpenError(const std::string& path, int error) {
  if (error != ELOOP && error != EMLINK) return Unreadable(path, error);
  char target[PATH_MAX];
  const ssize_t size = readlink(path.c_str(), target, sizeof(target));
  if (size < 0) return Unreadable(path, error);
  return Error{ErrorCode::kSourceUnreadable,
               path + " is a symbolic link; name the file it points to: " +
                   std::string(target, static_cast<std::size_t>(size)),
               error};
}

}  // namespace

Result<SourceList> ScanSources(std::span<const std::string> paths) {
  SourceList list;
  std::unordered_set<std::string> names;
  for (const std::string& path : paths) {
    // O_NONBLOCK: a FIFO without a writer must not hold us up.
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
                                             O_CLOEXEC | O_NOCTTY));
    if (!fd.ok()) return OpenError(path, errno);
    struct stat info;
    if (fstat(fd.get(), &info) != 0) return Unreadable(path, errno);
    if (S_ISDIR(info.st_mode)) {
      return Usage(path,
                   " is a folder: this version sends files only; name the "
                   "files in it");
    }
    if (!S_ISREG(info.st_mode)) {
      return Error{ErrorCode::kSourceUnreadable,
                   path + " is not a regular file"};
    }
    const std::string name = path.substr(path.rfind('/') + 1);
    const NameProblem problem = CheckPath(name);
    if (problem != NameProblem::kNone) {
      return Usage(path, ": the name " + std::string(Describe(problem)) +
                             ", which no receiver takes");
    }
    if (!names.insert(name).second) {
      return Usage(path, ": another file of this name is sent already");
    }
    const FileTime mtime{info.st_mtim.tv_sec,
                         static_cast<std::uint32_t>(info.st_mtim.tv_nsec)};
    const auto size = static_cast<std::uint64_t>(info.st_size);
    list.files.push_back({path, static_cast<std::uint64_t>(info.st_dev),
                          static_cast<std::uint64_t>(info.st_ino), size,
                          mtime});
    Status added =
        list.manifest.Add({name, size, mtime, (info.st_mode & S_IXUSR) != 0});
    if (!added) {
      return Error{ErrorCode::kUsage, path + ": " + added.error().message};
    }
  }
  if (list.files.empty()) {
    return Error{ErrorCode::kUsage, "there is nothing to send"};
  }
  Status sealed = list.manifest.Seal();
  if (!sealed) return Error{ErrorCode::kUsage, sealed.error().message};
  return list;
}

}  // namespace p2pcp::file
