#include "transfer/file/part_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/path_policy.h"

namespace p2pcp::file {

namespace {

// What may be dirty before writing out begins: bounds how long the sync at the
// end takes.
constexpr std::uint64_t kWritebackBytes = 32 << 20;

// Room is reserved this far ahead of what is written: enough for large extents,
// and no more than that, since the size is just the sender's word, and what it
// never sends shall not take the disk from others.
constexpr std::uint64_t kReserveAhead = 64 << 20;

// "name (9999)" is where looking for a free name ends.
constexpr unsigned kMaxNumber = 9999;

Error CannotWrite(const std::string& name, int error) {
  return ErrnoError(ErrorCode::kCannotWrite, "cannot write " + name, error);
}

Error KeptBack(const std::string& name, std::string_view why, int error = 0) {
  return Error{ErrorCode::kKeptBack, name + " " + std::string(why), error};
}

PlacedFiles::value_type IdOf(const struct stat& info) {
  return {static_cast<std::uint64_t>(info.st_dev),
          static_cast<std::uint64_t>(info.st_ino)};
}

// Errors that say: this file system has no such names.
bool IsNameError(int error) {
  return error == ENAMETOOLONG || error == EINVAL || error == EILSEQ;
}

}  // namespace

Result<PartFile> PartFile::Create(Syscalls& syscalls, const Output& output) {
  P2PCP_CHECK(output.folder != nullptr);
  const int fd = syscalls.Create(output.folder->fd(), output.part_name, 0600);
  if (fd < 0) return CannotWrite(output.name, errno);
  PartFile file(syscalls, output, fd);
  if (Status reserved = file.ReserveUpTo(0); !reserved) {
    return reserved.error();
  }
  return file;
}

PartFile::PartFile(Syscalls& syscalls, const Output& output, int fd)
    : syscalls_(syscalls),
      fd_(fd),
      dirfd_(output.folder->fd()),
      part_name_(output.part_name),
      name_(output.name),
      size_(output.size) {}

PartFile::PartFile(PartFile&& other) noexcept
    : syscalls_(other.syscalls_),
      fd_(std::move(other.fd_)),
      dirfd_(other.dirfd_),
      part_name_(std::exchange(other.part_name_, {})),
      name_(std::move(other.name_)),
      size_(other.size_),
      reserved_(other.reserved_),
      written_since_writeback_(other.written_since_writeback_) {}

PartFile::~PartFile() {
  if (!part_name_.empty()) unlinkat(dirfd_, part_name_.c_str(), 0);
}

Status PartFile::ReserveUpTo(std::uint64_t end) {
  // Half of it is still ahead, else each write would ask anew.
  if (reserved_ >= size_ || reserved_ >= end + kReserveAhead / 2) return {};
  const std::uint64_t target = std::min(size_, end + kReserveAhead);
  if (syscalls_.Reserve(fd_.get(), reserved_, target - reserved_) != 0) {
    return CannotWrite(name_, errno);
  }
  reserved_ = target;
  return {};
}

Status PartFile::Write(std::uint64_t offset, ByteSpan bytes) {
  if (Status reserved = ReserveUpTo(offset + bytes.size()); !reserved) {
    return reserved;
  }
  written_since_writeback_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t n = syscalls_.Pwrite(fd_.get(), bytes.data(), bytes.size(),
                                       static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    // A regular file takes at least a byte, or says why not.
    if (n <= 0) return CannotWrite(name_, n < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  if (written_since_writeback_ >= kWritebackBytes) {
    written_since_writeback_ = 0;
    // Advice: whatever is wrong will show in the sync.
    syscalls_.StartWriteback(fd_.get());
  }
  return {};
}

Status PartFile::ReadBack(std::uint64_t offset, std::uint64_t size,
                          MutableByteSpan scratch, Hasher& hasher) {
  while (size > 0) {
    const auto want =
        static_cast<std::size_t>(std::min<std::uint64_t>(size, scratch.size()));
    const ssize_t n = syscalls_.Pread(fd_.get(), scratch.data(), want,
                                      static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return ErrnoError(ErrorCode::kCannotWrite,
                        "cannot read back what was written of " + name_, errno);
    }
    if (n == 0) {
      return Error{ErrorCode::kIntegrity,
                   name_ + " became shorter while it was being received"};
    }
    hasher.Update(scratch.first(static_cast<std::size_t>(n)));
    offset += static_cast<std::uint64_t>(n);
    size -= static_cast<std::uint64_t>(n);
  }
  return {};
}

Status PartFile::Commit(Output& output, PlacedFiles& placed) {
  // Only the owner's x comes from the peer; the rest is as if the file had
  // been made here.
  const mode_t mode = output.executable ? 0777 : 0666;
  if (fchmod(fd_.get(), mode & ~output.folder->umask()) != 0) {
    // FAT and the like have one mode for all files.
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) {
      return CannotWrite(name_, errno);
    }
  }
  // What ext4 can hold; other file systems clamp by themselves.
  const std::int64_t seconds = std::clamp<std::int64_t>(
      output.mtime.seconds, std::numeric_limits<std::int32_t>::min(),
      (std::int64_t{1} << 34) - 1);
  const struct timespec times[2] = {
      {0, UTIME_OMIT},
      {static_cast<time_t>(seconds),
       static_cast<long>(output.mtime.nanoseconds)}};
  // A wrong time is no reason to lose a file.
  (void)futimens(fd_.get(), times);
  if (syscalls_.Fdatasync(fd_.get()) != 0) return CannotWrite(name_, errno);
  Status in_place = PutInPlace(output, placed);
  struct stat info;
  if (in_place && output.conflict == ConflictPolicy::kOverwrite &&
      fstat(fd_.get(), &info) == 0) {
    placed.insert(IdOf(info));
  }
  return in_place;
}

Status PartFile::PutInPlace(Output& output, const PlacedFiles& placed) {
  std::string name = output.name;
  for (unsigned number = 1;; ++number) {
    if (RenameNoReplace(name)) break;
    if (IsNameError(errno)) {
      return KeptBack(output.name, "cannot have this name on this file system",
                      errno);
    }
    if (errno != EEXIST) return CannotWrite(output.name, errno);
    if (output.conflict == ConflictPolicy::kOverwrite) {
      Result<bool> taken = ProbeName(output);
      if (!taken) return taken.error();
      struct stat info;
      if (fstatat(dirfd_, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
          placed.contains(IdOf(info))) {
        return KeptBack(output.name,
                        "has the same name here as another file that is sent",
                        EEXIST);
      }
      if (syscalls_.Rename(dirfd_, part_name_.c_str(), name.c_str(), 0) != 0) {
        return CannotWrite(output.name, errno);
      }
      part_name_.clear();
      break;
    }
    if (output.conflict == ConflictPolicy::kSkip || output.exact ||
        number > kMaxNumber) {
      return KeptBack(output.name, "exists", EEXIST);
    }
    name = NumberedName(output.name, number);
  }
  output.final_name = name;
  return {};
}

bool PartFile::RenameNoReplace(const std::string& name) {
  const char* from = part_name_.c_str();
  if (syscalls_.Rename(dirfd_, from, name.c_str(), RENAME_NOREPLACE) == 0) {
    part_name_.clear();
    return true;
  }
  if (errno != EINVAL && errno != ENOSYS) return false;
  // A file system without RENAME_NOREPLACE (NFS): link() refuses to replace
  // too. The temporary name is deleted by the destructor.
  if (syscalls_.Link(dirfd_, from, name.c_str()) == 0) return true;
  if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) return false;
  // Without links either (FUSE over FAT, a phone): whoever creates the name has
  // it, and may replace what he created.
  const UniqueFd claim(syscalls_.Create(dirfd_, name, 0600));
  if (claim.get() < 0) return false;
  if (syscalls_.Rename(dirfd_, from, name.c_str(), 0) == 0) {
    part_name_.clear();
    return true;
  }
  const int error = errno;
  unlinkat(dirfd_, name.c_str(), 0);
  errno = error;
  return false;
}

std::string NumberedName(const std::string& name, unsigned number) {
  std::size_t dot = name.rfind('.');
  if (dot == std::string::npos || dot == 0) dot = name.size();
  if (dot < name.size() && dot > 4 && name.compare(dot - 4, 4, ".tar") == 0) {
    dot -= 4;
  }
  const std::string extension = name.substr(dot);
  const std::string suffix = " (" + std::to_string(number) + ")";
  std::string stem = name.substr(0, dot);
  const std::size_t rest = suffix.size() + extension.size();
  if (stem.size() + rest > kMaxComponent) {
    // An extension so long is none.
    if (rest >= kMaxComponent) {
      return name.substr(0, kMaxComponent - suffix.size()) + suffix;
    }
    std::size_t size = kMaxComponent - rest;
    // Not in the middle of a UTF-8 character.
    while (size > 1 &&
           (static_cast<unsigned char>(stem[size]) & 0xc0) == 0x80) {
      --size;
    }
    stem.resize(size);
  }
  return stem + suffix + extension;
}

Result<bool> ProbeName(const Output& output) {
  struct stat info;
  if (fstatat(output.folder->fd(), output.name.c_str(), &info,
              AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return false;
    if (IsNameError(errno)) {
      return KeptBack(output.name, "cannot have this name on this file system",
                      errno);
    }
    return CannotWrite(output.name, errno);
  }
  if (output.conflict == ConflictPolicy::kOverwrite) {
    if (S_ISREG(info.st_mode)) return true;
    return KeptBack(output.name, "exists and is not a regular file", EEXIST);
  }
  if (output.conflict == ConflictPolicy::kSkip || output.exact) {
    return KeptBack(output.name, "exists", EEXIST);
  }
  return true;
}

}  // namespace p2pcp::file
