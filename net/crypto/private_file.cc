#include "net/crypto/private_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "net/base/random.h"
#include "net/crypto/base32.h"
#include "net/crypto/key.h"

namespace p2pcp::crypto {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFileMode = 0600;
constexpr mode_t kFolderMode = 0700;
constexpr mode_t kOthers = 0077;

// A descriptor that is closed when it goes.
class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  bool ok() const { return fd_ >= 0; }
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// For a command line that the user can paste into a shell.
std::string Quoted(const fs::path& path) {
  std::string quoted = "'";
  for (const char c : path.native()) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

fs::path FolderOf(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

// Of what path was opened as: that it is ours and nobody else may touch it.
Status CheckPrivate(const struct stat& status, const fs::path& path,
                    mode_t wanted) {
  if (status.st_uid != geteuid()) {
    return Error{ErrorCode::kOther,
                 path.native() + " belongs to another user (number " +
                     std::to_string(status.st_uid) +
                     "): run p2pcp as that user, or, if it is to be yours: " +
                     "chown " + std::to_string(geteuid()) + " " + Quoted(path)};
  }
  if ((status.st_mode & kOthers) != 0) {
    char command[16];
    std::snprintf(command, sizeof(command), "chmod %o ",
                  static_cast<unsigned>(wanted));
    return Error{ErrorCode::kOther, path.native() +
                                        " can be used by other users; it holds "
                                        "secrets, so: " +
                                        command + Quoted(path)};
  }
  return {};
}

// Opens the folder of a private file, if it is fit to be one.
Result<int> OpenFolder(const fs::path& folder) {
  Fd fd(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status;
  if (!fd.ok() || fstat(fd.get(), &status) != 0) {
    return ErrnoError(ErrorCode::kOther, folder.native(), errno);
  }
  if (Status fit = CheckPrivate(status, folder, kFolderMode); !fit) {
    return std::move(fit).error();
  }
  return fd.Release();
}

// Makes the folder and those above it that are missing, for us alone (as the
// XDG base directory specification wants it).
Status MakeFolders(const fs::path& folder) {
  if (folder.empty() || mkdir(folder.c_str(), kFolderMode) == 0 ||
      errno == EEXIST) {
    return {};
  }
  if (errno == ENOENT && folder.has_parent_path() &&
      folder.parent_path() != folder) {
    if (Status above = MakeFolders(folder.parent_path()); !above) return above;
    if (mkdir(folder.c_str(), kFolderMode) == 0 || errno == EEXIST) return {};
  }
  return ErrnoError(ErrorCode::kCannotWrite, folder.native(), errno);
}

bool WriteAll(int fd, ByteSpan content) {
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    content = content.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

// Gives the finished file `from` its name; both are names in folder. 0 or an
// errno.
int Install(int folder, const std::string& from, const std::string& to,
            IfExists if_exists) {
  if (if_exists == IfExists::kReplace) {
    return renameat(folder, from.c_str(), folder, to.c_str()) == 0 ? 0 : errno;
  }
  if (renameat2(folder, from.c_str(), folder, to.c_str(), RENAME_NOREPLACE) ==
      0) {
    return 0;
  }
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // A file system without that flag: link() does not replace either.
  if (linkat(folder, from.c_str(), folder, to.c_str(), 0) != 0) return errno;
  unlinkat(folder, from.c_str(), 0);
  return 0;
}

// ".NAME.xxxxxxxxxxxxxxxx.tmp": no two writers meet.
std::string TemporaryName(const std::string& name) {
  SystemRandom random;
  return "." + name + "." + Base32(random.Array<10>()) + ".tmp";
}

}  // namespace

Result<Bytes> ReadPrivateFile(const fs::path& file, std::size_t max_size,
                              FolderRule rule) {
  // A FIFO must not keep us waiting: O_NONBLOCK.
  Fd fd(
      open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC |
                             (rule == FolderRule::kPrivate ? O_NOFOLLOW : 0)));
  struct stat status;
  if (!fd.ok() || fstat(fd.get(), &status) != 0) {
    const int os_errno = errno;
    if (os_errno == ELOOP) {
      return Error{ErrorCode::kOther, file.native() + " is a symbolic link",
                   os_errno};
    }
    return ErrnoError(ErrorCode::kOther, file.native(), os_errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::kOther, file.native() + " is not a regular file"};
  }
  if (Status fit = CheckPrivate(status, file, kFileMode); !fit) {
    return std::move(fit).error();
  }
  if (rule == FolderRule::kPrivate) {
    Result<int> folder = OpenFolder(FolderOf(file));
    if (!folder) return std::move(folder).error();
    close(*folder);
  }

  if (static_cast<std::uintmax_t>(status.st_size) > max_size) {
    return Error{ErrorCode::kMalformed, file.native() + " is too large"};
  }
  // One byte more than there is, which tells a file that grows meanwhile.
  Bytes content(static_cast<std::size_t>(status.st_size) + 1);
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t n =
        read(fd.get(), content.data() + size, content.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(ErrorCode::kOther, file.native(), errno);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size == content.size()) {
    Wipe(content);
    return Error{ErrorCode::kOther,
                 file.native() + " changes while it is read"};
  }
  content.resize(size);
  return content;
}

Status WritePrivateFile(const fs::path& file, ByteSpan content,
                        IfExists if_exists) {
  const fs::path folder_path = FolderOf(file);
  if (Status made = MakeFolders(folder_path); !made) return made;
  Result<int> opened = OpenFolder(folder_path);
  if (!opened) return std::move(opened).error();
  const Fd folder(*opened);

  const std::string name = file.filename().native();
  const std::string temporary = TemporaryName(name);
  int os_errno = 0;
  {
    const Fd fd(openat(folder.get(), temporary.c_str(),
                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       kFileMode));
    if (!fd.ok()) {
      return ErrnoError(ErrorCode::kCannotWrite, file.native(), errno);
    }
    if (!WriteAll(fd.get(), content) || fsync(fd.get()) != 0) os_errno = errno;
  }
  if (os_errno == 0) {
    os_errno = Install(folder.get(), temporary, name, if_exists);
  }
  if (os_errno != 0) {
    unlinkat(folder.get(), temporary.c_str(), 0);
    return ErrnoError(ErrorCode::kCannotWrite, file.native(), os_errno);
  }
  // The file is right whatever this says; only a crash could still undo it.
  fsync(folder.get());
  return {};
}

Result<FileLock> FileLock::Acquire(const fs::path& file) {
  const fs::path folder_path = FolderOf(file);
  if (Status made = MakeFolders(folder_path); !made) {
    return std::move(made).error();
  }
  Result<int> opened = OpenFolder(folder_path);
  if (!opened) return std::move(opened).error();
  const Fd folder(*opened);
  const std::string name = file.filename().native() + ".lock";
  Fd fd(openat(folder.get(), name.c_str(),
               O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kFileMode));
  int locked = -1;
  if (fd.ok()) {
    do {
      locked = flock(fd.get(), LOCK_EX);
    } while (locked != 0 && errno == EINTR);
  }
  if (locked != 0) {
    return ErrnoError(ErrorCode::kCannotWrite, file.native() + ".lock", errno);
  }
  return FileLock(fd.Release());
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace p2pcp::crypto
