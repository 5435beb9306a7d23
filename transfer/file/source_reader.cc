#include "transfer/file/source_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

namespace p2pcp::file {

namespace {

Error Unreadable(const SourceFile& source, int error) {
  return ErrnoError(ErrorCode::kSourceUnreadable, "cannot read " + source.path,
                    error);
}

Error Changed(const SourceFile& source) {
  return Error{ErrorCode::kSourceUnreadable,
               source.path + " changed while it was being sent"};
}

int OpenFlags(const SourceFile& source) {
  return O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY |
         (source.follow ? 0 : O_NOFOLLOW);
}

int OpenFile(const SourceFile& source) {
  return open(source.path.c_str(), OpenFlags(source));
}

}  // namespace

int SourceOpener::Open(const SourceFile& source) {
  const std::size_t name = source.path.rfind('/') + 1;
  if (name == 0) return OpenFile(source);
  if (source.path.compare(0, name, folder_) != 0) {
    folder_.assign(source.path, 0, name);
    fd_.Close();
    return OpenFile(source);
  }
  if (!fd_.ok()) {
    fd_ = UniqueFd(open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  if (!fd_.ok()) return OpenFile(source);
  return openat(fd_.get(), source.path.c_str() + name, OpenFlags(source));
}

Status SourceReader::ReadWhole(Syscalls& syscalls, SourceOpener& opener,
                               const SourceFile& source,
                               MutableByteSpan buffer) {
  const int fd = opener.Open(source);
  if (fd < 0) return Unreadable(source, errno);
  SourceReader reader(syscalls, source, fd);
  return reader.Read(0, buffer);
}

Result<SourceReader> SourceReader::Open(Syscalls& syscalls,
                                        const SourceFile& source) {
  const int fd = OpenFile(source);
  if (fd < 0) return Unreadable(source, errno);
  SourceReader reader(syscalls, source, fd);
  reader.in_memory_ = syscalls.IsInMemory(fd);
  Status unchanged = reader.CheckUnchanged();
  if (!unchanged) return unchanged.error();
  struct stat info;
  if (syscalls.Fstat(fd, &info) == 0) {
    reader.change_time_ = std::int64_t{info.st_ctim.tv_sec} * 1'000'000'000 +
                          info.st_ctim.tv_nsec;
  }
  // Advice only.
  (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  return reader;
}

Status SourceReader::Read(std::uint64_t offset, MutableByteSpan buffer) {
  while (!buffer.empty()) {
    const ssize_t n = syscalls_->Pread(fd_.get(), buffer.data(), buffer.size(),
                                       static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Unreadable(*source_, errno);
    if (n == 0) return Changed(*source_);  // It became shorter.
    buffer = buffer.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return CheckUnchanged();
}

std::optional<Status> SourceReader::ReadCached(std::uint64_t offset,
                                               MutableByteSpan buffer) {
  while (!buffer.empty()) {
    const auto at = static_cast<off_t>(offset);
    const ssize_t n =
        in_memory_
            ? syscalls_->Pread(fd_.get(), buffer.data(), buffer.size(), at)
            : syscalls_->PreadCached(fd_.get(), buffer.data(), buffer.size(),
                                     at);
    // Errors will show again where they can be waited for.
    if (n <= 0) return std::nullopt;
    buffer = buffer.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return CheckUnchanged();
}

Result<SourceReader::Extent> SourceReader::SeekData(std::uint64_t offset) {
  Extent extent{source_->size, source_->size};
  const off_t data = lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (data >= 0) {
    const off_t hole = lseek(fd_.get(), data, SEEK_HOLE);
    extent.begin = std::min(static_cast<std::uint64_t>(data), source_->size);
    if (hole >= 0) {
      extent.end = std::min(static_cast<std::uint64_t>(hole), source_->size);
    }
  } else if (errno != ENXIO) {
    // A file system that can't tell.
    extent.begin = offset;
  }
  Status unchanged = CheckUnchanged();
  if (!unchanged) return unchanged.error();
  return extent;
}

Status SourceReader::CheckUnchanged() {
  struct stat info;
  if (syscalls_->Fstat(fd_.get(), &info) != 0) {
    return Unreadable(*source_, errno);
  }
  const FileTime mtime{info.st_mtim.tv_sec,
                       static_cast<std::uint32_t>(info.st_mtim.tv_nsec)};
  const bool same =
      static_cast<std::uint64_t>(info.st_dev) == source_->device &&
      static_cast<std::uint64_t>(info.st_ino) == source_->inode &&
      static_cast<std::uint64_t>(info.st_size) == source_->size &&
      mtime == source_->mtime;
  if (!same) return Changed(*source_);
  return {};
}

}  // namespace p2pcp::file
