#include "transfer/file/confined_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

namespace {

int Fail(int error) {
  errno = error;
  return -1;
}

// Whether fd is on the file system `device`; else errno is set.
bool IsOnDevice(int fd, dev_t device) {
  struct stat info;
  if (fstat(fd, &info) != 0) return false;
  if (info.st_dev != device) errno = EXDEV;
  return info.st_dev == device;
}

}  // namespace

int OpenBeneath(int dirfd, const std::string& relative, int flags,
                mode_t mode) {
  struct open_how how = {};
  how.flags = static_cast<std::uint64_t>(flags);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
                RESOLVE_NO_XDEV;
  const long fd =
      syscall(SYS_openat2, dirfd, relative.c_str(), &how, sizeof(how));
  // EPERM: what older sandboxes say to system calls that they do not know.
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
    return OpenComponents(dirfd, relative, flags, mode);
  }
  return static_cast<int>(fd);
}

int OpenComponents(int dirfd, const std::string& relative, int flags,
                   mode_t mode) {
  struct stat root;
  if (fstat(dirfd, &root) != 0) return -1;
  std::string_view rest = relative;
  UniqueFd folder;
  int at = dirfd;
  for (;;) {
    const std::size_t slash = rest.find('/');
    const std::string component(rest.substr(0, slash));
    if (component.empty() || component == "." || component == "..") {
      return Fail(EXDEV);
    }
    if (slash == std::string_view::npos) {
      UniqueFd file(openat(at, component.c_str(), flags | O_NOFOLLOW, mode));
      if (!file.ok() || !IsOnDevice(file.get(), root.st_dev)) return -1;
      return file.Release();
    }
    // O_PATH with O_NOFOLLOW would open a symbolic link itself; O_DIRECTORY
    // then refuses it with ENOTDIR, for which openat2 says ELOOP.
    UniqueFd next(openat(at, component.c_str(),
                         O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next.ok()) {
      struct stat info;
      const int error = errno;
      if (error == ENOTDIR &&
          fstatat(at, component.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISLNK(info.st_mode)) {
        return Fail(ELOOP);
      }
      return Fail(error);
    }
    if (!IsOnDevice(next.get(), root.st_dev)) return -1;
    folder = std::move(next);
    at = folder.get();
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace p2pcp::file
