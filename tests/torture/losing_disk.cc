// A disk as a power failure sees it: loaded before the C library, it notes in
// a log what was written where, and what has been synced since, so that
// somebody can undo afterwards what a failing machine may lose
// (power_loss.py). It also says that this is another boot.
//
// P2PCP_POWER_LOG names the log, P2PCP_POWER_BOOT the file that stands for
// /proc/sys/kernel/random/boot_id. Lines of the log, numbers in decimal:
//   w INODE OFFSET SIZE   was written
//   b SERIAL INODE        syncing began
//   s SERIAL              that syncing has ended well
//   t INODE SIZE          was cut to that size

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace {

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int LogFd() {
  static const int fd = [] {
    const char* path = getenv("P2PCP_POWER_LOG");
    if (path == nullptr) return -1;
    return Next<int (*)(const char*, int, ...)>("open")(
        path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }();
  return fd;
}

void Log(const char* format, ...) {
  if (LogFd() < 0) return;
  char line[128];
  va_list arguments;
  va_start(arguments, format);
  const int size = vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  const int error = errno;
  (void)!write(LogFd(), line, static_cast<std::size_t>(size));
  errno = error;
}

unsigned long long InodeOf(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? info.st_ino : 0;
}

ssize_t Write(const char* name, int fd, const void* buffer, std::size_t size,
              off64_t offset) {
  using Pwrite = ssize_t (*)(int, const void*, std::size_t, off64_t);
  const ssize_t n = Next<Pwrite>(name)(fd, buffer, size, offset);
  if (n > 0) {
    Log("w %llu %llu %llu\n", InodeOf(fd),
        static_cast<unsigned long long>(offset),
        static_cast<unsigned long long>(n));
  }
  return n;
}

int Sync(const char* name, int fd) {
  static std::atomic<unsigned> serial = 0;
  const unsigned mine = ++serial;
  const unsigned process = static_cast<unsigned>(getpid());
  Log("b %u.%u %llu\n", process, mine, InodeOf(fd));
  const int result = Next<int (*)(int)>(name)(fd);
  if (result == 0) Log("s %u.%u\n", process, mine);
  return result;
}

const char* Redirect(const char* path) {
  if (strcmp(path, "/proc/sys/kernel/random/boot_id") != 0) return path;
  const char* other = getenv("P2PCP_POWER_BOOT");
  return other == nullptr ? path : other;
}

int Open(const char* name, const char* path, int flags, mode_t mode) {
  return Next<int (*)(const char*, int, ...)>(name)(Redirect(path), flags,
                                                    mode);
}

mode_t ModeOf(int flags, va_list arguments) {
  const bool creates =
      (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return creates ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

extern "C" {

ssize_t pwrite(int fd, const void* buffer, std::size_t size, off_t offset) {
  return Write("pwrite", fd, buffer, size, offset);
}
ssize_t pwrite64(int fd, const void* buffer, std::size_t size, off64_t offset) {
  return Write("pwrite64", fd, buffer, size, offset);
}
int fdatasync(int fd) { return Sync("fdatasync", fd); }
int fsync(int fd) { return Sync("fsync", fd); }
int ftruncate(int fd, off_t size) noexcept {
  const int result = Next<int (*)(int, off_t)>("ftruncate")(fd, size);
  if (result == 0) {
    Log("t %llu %llu\n", InodeOf(fd), static_cast<unsigned long long>(size));
  }
  return result;
}
int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  return Open("open", path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  return Open("open64", path, flags, mode);
}

}  // extern "C"
