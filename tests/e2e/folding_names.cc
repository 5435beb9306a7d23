// A file system on which "A" and "a" are one name, as a program sees it: loaded
// before the C library, it makes small letters of the names that are looked up
// in folders that are held open. What is looked up from the current folder or
// the root is left alone.

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <string>

namespace {

std::string Fold(int dirfd, const char* name) {
  std::string folded = name;
  if (dirfd == AT_FDCWD || folded.starts_with('/')) return folded;
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return folded;
}

template <typename Function>
Function Next(Function, const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

using Open = int (*)(int, const char*, int, ...);

int OpenNext(const char* name, int dirfd, const char* path, int flags,
             mode_t mode) {
  const auto next = reinterpret_cast<Open>(dlsym(RTLD_NEXT, name));
  return next(dirfd, Fold(dirfd, path).c_str(), flags, mode);
}

mode_t ModeOf(int flags, va_list more) {
  const bool creates = (flags & (O_CREAT | O_TMPFILE)) != 0;
  return creates ? va_arg(more, mode_t) : 0;
}

}  // namespace

extern "C" {

int openat(int dirfd, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = ModeOf(flags, more);
  va_end(more);
  return OpenNext("openat", dirfd, path, flags, mode);
}

int openat64(int dirfd, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = ModeOf(flags, more);
  va_end(more);
  return OpenNext("openat64", dirfd, path, flags, mode);
}

// openat2(2), which the C library has no name for.
long syscall(long number, ...) {
  va_list more;
  va_start(more, number);
  long a[6];
  for (long& argument : a) argument = va_arg(more, long);
  va_end(more);
  const auto next =
      reinterpret_cast<long (*)(long, ...)>(dlsym(RTLD_NEXT, "syscall"));
  if (number != SYS_openat2) {
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
  const int dirfd = static_cast<int>(a[0]);
  const std::string folded = Fold(dirfd, reinterpret_cast<const char*>(a[1]));
  return next(number, a[0], folded.c_str(), a[2], a[3]);
}

int fstatat(int dirfd, const char* path, struct stat* info, int flags) {
  return Next(fstatat, "fstatat")(dirfd, Fold(dirfd, path).c_str(), info,
                                  flags);
}

int fstatat64(int dirfd, const char* path, struct stat64* info, int flags) {
  return Next(fstatat64, "fstatat64")(dirfd, Fold(dirfd, path).c_str(), info,
                                      flags);
}

int mkdirat(int dirfd, const char* path, mode_t mode) {
  return Next(mkdirat, "mkdirat")(dirfd, Fold(dirfd, path).c_str(), mode);
}

int unlinkat(int dirfd, const char* path, int flags) {
  return Next(unlinkat, "unlinkat")(dirfd, Fold(dirfd, path).c_str(), flags);
}

int linkat(int from_fd, const char* from, int to_fd, const char* to,
           int flags) {
  return Next(linkat, "linkat")(from_fd, Fold(from_fd, from).c_str(), to_fd,
                                Fold(to_fd, to).c_str(), flags);
}

int renameat2(int from_fd, const char* from, int to_fd, const char* to,
              unsigned flags) {
  return Next(renameat2, "renameat2")(from_fd, Fold(from_fd, from).c_str(),
                                      to_fd, Fold(to_fd, to).c_str(), flags);
}

}  // extern "C"
