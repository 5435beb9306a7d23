#include "transfer/file/unnamed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

namespace p2pcp::file {

int CreateUnnamed(int dirfd, mode_t mode) {
  return openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
}

int NameUnnamed(int fd, int dirfd, const char* name) {
  const int named = linkat(fd, "", dirfd, name, AT_EMPTY_PATH);
  // What the kernel says to those who may not.
  if (named == 0 || errno != ENOENT) return named;
  return NameThroughProc(fd, dirfd, name);
}

int NameThroughProc(int fd, int dirfd, const char* name) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return linkat(AT_FDCWD, path.c_str(), dirfd, name, AT_SYMLINK_FOLLOW);
}

}  // namespace p2pcp::file
