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
#include "transfer/file/confined_open.h"
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

// Whether it says: this file system has no such name.
bool IsNameError(int dirfd, int error) {
  struct stat info;
  // exFAT over FUSE says ENOENT of a name with a colon, as if the folder had
  // been removed: that has no link then.
  return error == ENAMETOOLONG || error == EINVAL || error == EILSEQ ||
         (error == ENOENT && fstat(dirfd, &info) == 0 && info.st_nlink > 0);
}

}  // namespace

Error CannotWrite(const std::string& name, int error) {
  return ErrnoError(ErrorCode::kCannotWrite, "cannot write " + name, error);
}

Error KeptBack(const Output& output, std::string_view why, int error) {
  return Error{ErrorCode::kKeptBack, output.Path() + " " + std::string(why),
               error};
}

Error NamingError(int dirfd, const Output& output, int error) {
  if (!IsNameError(dirfd, error)) return CannotWrite(output.name, error);
  return KeptBack(output, "cannot have this name on this file system", error);
}

int OpenPart(int dirfd, const std::string& name) {
  UniqueFd fd(OpenBeneath(
      dirfd, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0));
  struct stat info;
  if (!fd.ok() || fstat(fd.get(), &info) != 0) return -1;
  // Ours alone: whoever else can write to it, or has it under another name,
  // could have put anything into it.
  if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
      info.st_nlink != 1 || (info.st_mode & 0022) != 0) {
    errno = EPERM;
    return -1;
  }
  return fd.Release();
}

std::string PartName(const std::string& prefix, std::uint64_t number) {
  constexpr std::string_view kEnd = ".part";
  const std::string digits = std::to_string(number);
  std::string name;
  name.reserve(prefix.size() + 1 + digits.size() + kEnd.size());
  return name.append(prefix).append("-").append(digits).append(kEnd);
}

std::string PartName(const Output& output) {
  if (output.remains != nullptr) return output.remains->part_name;
  P2PCP_CHECK(output.part_prefix != nullptr);
  return PartName(*output.part_prefix, output.part_number);
}

Result<PartFile> PartFile::Create(Syscalls& syscalls, FolderFd folder,
                                  const Output& output) {
  const int fd = syscalls.Create(folder->get(), PartName(output), 0600);
  if (fd < 0) return CannotWrite(output.name, errno);
  PartFile file(syscalls, std::move(folder), output, fd);
  // The holes of a sparse file are made by its size.
  if (output.sparse && ftruncate(fd, static_cast<off_t>(output.size)) != 0) {
    return CannotWrite(output.name, errno);
  }
  if (Status reserved = file.ReserveUpTo(0); !reserved) {
    return reserved.error();
  }
  return file;
}

Result<PartFile> PartFile::Reopen(Syscalls& syscalls, FolderFd folder,
                                  const Output& output) {
  P2PCP_CHECK(output.remains != nullptr);
  UniqueFd fd(OpenPart(folder->get(), output.remains->part_name));
  if (!fd.ok()) {
    return ErrnoError(ErrorCode::kIntegrity,
                      "cannot go on with what there is of " + output.name,
                      errno);
  }
  return PartFile(syscalls, std::move(folder), output, fd.Release());
}

PartFile::PartFile(Syscalls& syscalls, FolderFd folder, const Output& output,
                   int fd)
    : syscalls_(syscalls),
      fd_(fd),
      folder_(std::move(folder)),
      in_memory_(syscalls.IsInMemory(fd)),
      part_name_(PartName(output)),
      name_(output.name),
      reservable_(output.sparse ? 0 : output.size) {}

PartFile::PartFile(PartFile&& other) noexcept
    : syscalls_(other.syscalls_),
      fd_(std::move(other.fd_)),
      folder_(std::move(other.folder_)),
      in_memory_(other.in_memory_),
      part_name_(std::exchange(other.part_name_, {})),
      name_(std::move(other.name_)),
      reservable_(other.reservable_),
      reserved_(other.reserved_),
      written_since_writeback_(other.written_since_writeback_) {}

PartFile::~PartFile() {
  if (!part_name_.empty()) {
    unlinkat(folder_->get(), part_name_.c_str(), 0);
  }
}

Status PartFile::ReserveUpTo(std::uint64_t end) {
  // Half of it is still ahead, else each write would ask anew.
  if (reserved_ >= reservable_ || reserved_ >= end + kReserveAhead / 2)
    return {};
  const std::uint64_t target = std::min(reservable_, end + kReserveAhead);
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

namespace {

// What ext4 can hold; other file systems clamp by themselves.
timespec TimeOf(const Output& output) {
  const std::int64_t seconds = std::clamp<std::int64_t>(
      output.mtime.seconds, std::numeric_limits<std::int32_t>::min(),
      (std::int64_t{1} << 34) - 1);
  return {static_cast<time_t>(seconds),
          static_cast<long>(output.mtime.nanoseconds)};
}

// Steps, in nanoseconds, that times are kept in: NTFS and SMB, whoever sets
// them by utimes(2), exFAT, ext3 and HFS+, FAT.
constexpr std::int64_t kTimeSteps[] = {100, 1'000, 10'000'000, 1'000'000'000,
                                       2'000'000'000};

}  // namespace

bool MayBeSame(const struct stat& info, const Output& output) {
  if (!S_ISREG(info.st_mode) ||
      static_cast<std::uint64_t>(info.st_size) != output.size) {
    return false;
  }
  const timespec wanted = TimeOf(output);
  const timespec& there = info.st_mtim;
  // Not to be subtracted: what a file system says may be any number.
  if (there.tv_sec < wanted.tv_sec - 2 || there.tv_sec > wanted.tv_sec + 2) {
    return false;
  }
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t from_here =
      (there.tv_sec - wanted.tv_sec) * kSecond + there.tv_nsec - wanted.tv_nsec;
  if (from_here == 0) return true;
  const std::int64_t in_step = (there.tv_sec & 1) * kSecond + there.tv_nsec;
  return std::any_of(std::begin(kTimeSteps), std::end(kTimeSteps),
                     [&](std::int64_t step) {
                       return in_step % step == 0 && std::abs(from_here) < step;
                     });
}

Status SetAttributes(int fd, const Output& output, bool set_mode) {
  // Only the owner's x comes from the peer; the rest is as if the file had
  // been made here.
  const mode_t mode = output.executable ? 0777 : 0666;
  if (set_mode && fchmod(fd, mode & ~output.root->umask()) != 0) {
    // FAT and the like have one mode for all files.
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) {
      return CannotWrite(output.name, errno);
    }
  }
  const timespec times[2] = {{0, UTIME_OMIT}, TimeOf(output)};
  // A wrong time is no reason to lose a file.
  (void)futimens(fd, times);
  return {};
}

Status PartFile::Commit(Output& output, PlacedFiles& placed) {
  if (syscalls_.Fdatasync(fd_.get()) != 0) return CannotWrite(name_, errno);
  // Last: until it has its name it is for us alone (OpenPart).
  Status set = SetAttributes(fd_.get(), output, /*set_mode=*/true);
  if (!set) return set;
  Status in_place =
      PutInPlace(syscalls_, folder_->get(), part_name_, output, placed);
  if (in_place) part_name_.clear();
  return in_place;
}

namespace {

// Whether the name was free and is taken now by what was part_name; errno if
// not.
bool RenameNoReplace(Syscalls& syscalls, int dirfd, const char* part_name,
                     const std::string& name) {
  if (syscalls.Rename(dirfd, part_name, name.c_str(), RENAME_NOREPLACE) == 0) {
    return true;
  }
  if (errno != EINVAL && errno != ENOSYS) return false;
  // A file system without RENAME_NOREPLACE (NFS): link() refuses to replace
  // too.
  if (syscalls.Link(dirfd, part_name, name.c_str()) == 0) {
    unlinkat(dirfd, part_name, 0);
    return true;
  }
  if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS) return false;
  // Without links either (FUSE over FAT, a phone): whoever creates the name has
  // it, and may replace what he created.
  const UniqueFd claim(syscalls.Create(dirfd, name, 0600));
  if (claim.get() < 0) return false;
  if (syscalls.Rename(dirfd, part_name, name.c_str(), 0) == 0) return true;
  const int error = errno;
  unlinkat(dirfd, name.c_str(), 0);
  errno = error;
  return false;
}

Error Collides(const Output& output) {
  return KeptBack(output, "has the same name here as another file that is sent",
                  EEXIST);
}

// --conflict overwrite helps where a file is in the way, and nothing else.
Error Exists(const Output& output, bool regular) {
  return KeptBack(output,
                  regular ? kExistsText : "exists and is not a regular file",
                  EEXIST);
}

}  // namespace

Status PutInPlace(Syscalls& syscalls, int dirfd, const std::string& part_name,
                  Output& output, PlacedFiles& placed) {
  std::string name = output.name;
  struct stat info;
  for (unsigned number = 1;; ++number) {
    if (RenameNoReplace(syscalls, dirfd, part_name.c_str(), name)) break;
    const int error = errno;
    if (error != EEXIST) {
      // Where the part is gone, that is what it says.
      return fstatat(dirfd, part_name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0
                 ? NamingError(dirfd, output, error)
                 : CannotWrite(output.name, error);
    }
    // Two names that are one here, or a name that is sent twice.
    if (output.fresh ||
        (number == 1 &&
         fstatat(dirfd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
         info.st_ino != output.compared && placed.Has(info.st_ino))) {
      return Collides(output);
    }
    if (output.conflict == ConflictPolicy::kOverwrite) {
      Result<NameProbe> probe = ProbeName(dirfd, output);
      if (!probe) return probe.error();
      if (syscalls.Rename(dirfd, part_name.c_str(), name.c_str(), 0) != 0) {
        return CannotWrite(output.name, errno);
      }
      break;
    }
    if (output.conflict == ConflictPolicy::kSkip || output.exact ||
        number > kMaxNumber) {
      const bool gone =
          fstatat(dirfd, output.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0;
      return Exists(output, gone || S_ISREG(info.st_mode));
    }
    name = NumberedName(output.name, number);
  }
  // A number was not sent, so nothing collides with it.
  if (!output.fresh && name == output.name &&
      fstatat(dirfd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0) {
    placed.Add(info.st_ino);
  }
  output.final_name = std::move(name);
  return {};
}

Status NameInPlace(Syscalls& syscalls, int dirfd, int fd, Output& output) {
  P2PCP_CHECK(output.fresh);
  if (syscalls.NameUnnamed(fd, dirfd, output.name.c_str()) != 0) {
    if (errno == EEXIST) return Collides(output);
    return NamingError(dirfd, output, errno);
  }
  output.final_name = output.name;
  return {};
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

Result<NameProbe> ProbeName(int dirfd, const Output& output) {
  struct stat info;
  if (fstatat(dirfd, output.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return NameProbe{};
    return NamingError(dirfd, output, errno);
  }
  NameProbe probe{.exists = true};
  const bool regular = S_ISREG(info.st_mode);
  if (regular) {
    probe.size = static_cast<std::uint64_t>(info.st_size);
  }
  probe.same = MayBeSame(info, output);
  if (probe.same) return probe;
  if (output.conflict == ConflictPolicy::kOverwrite && regular) return probe;
  if (output.conflict != ConflictPolicy::kRename || output.exact) {
    return Exists(output, regular);
  }
  return probe;
}

}  // namespace p2pcp::file
