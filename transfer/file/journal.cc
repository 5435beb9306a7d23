#include "transfer/file/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

namespace {

constexpr std::string_view kSuffix = ".journal";
// Larger ones are none of ours: the fullest state takes 20 MiB.
constexpr std::uint64_t kMaxFile = 48 << 20;
// Not worth rewriting.
constexpr std::uint64_t kCompactMin = 1 << 20;
// Small files that are done are told so many at a time; a larger one at once.
constexpr std::size_t kDoneBatch = 8 * 64;
constexpr std::uint64_t kLargeFile = 1 << 20;
// Bytes of a decimal number of 64 bits.
constexpr std::uint64_t kMaxDiskNumber = 21;
// A buffer with more is written.
constexpr std::size_t kBufferMax = 64 << 10;

Error CannotKeep(const std::string& path, int error) {
  return ErrnoError(ErrorCode::kCannotWrite, "cannot keep the journal " + path,
                    error);
}

bool WriteAll(int fd, ByteSpan bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t n =
        pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return true;
}

std::optional<Bytes> ReadAll(int fd, std::uint64_t size) {
  Bytes bytes(static_cast<std::size_t>(size));
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t n = pread(fd, bytes.data() + have, bytes.size() - have,
                            static_cast<off_t>(have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return std::nullopt;
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  bytes.resize(have);
  return bytes;
}

// Makes the folder and those above it that are missing, for us alone (as the
// XDG base directory specification wants it).
bool MakeFolders(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return true;
  const std::size_t slash = folder.rfind('/');
  if (errno != ENOENT || slash == std::string::npos || slash == 0) return false;
  return MakeFolders(folder.substr(0, slash)) &&
         (mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST);
}

// Opens a journal and locks it: 0 or an errno.
int OpenLocked(const std::string& path, int flags, UniqueFd* out) {
  UniqueFd fd(
      open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600));
  if (!fd.ok()) return errno;
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return errno;
  struct stat info;
  struct stat named;
  if (fstat(fd.get(), &info) != 0) return errno;
  // Whoever had it may have deleted or replaced it just now.
  if (lstat(path.c_str(), &named) != 0 || named.st_ino != info.st_ino ||
      named.st_dev != info.st_dev) {
    return EWOULDBLOCK;
  }
  if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
      (info.st_mode & 0077) != 0) {
    return EPERM;
  }
  *out = std::move(fd);
  return 0;
}

// The boot, or as long within it as the folder's disk is there: one that is
// pulled out loses what was not synced, as in a power failure. The kernel
// counts the disks that come (diskseq, since 5.15); of a partition its disk
// knows.
BootId EpochOf(const BootId& boot, const std::string& folder) {
  struct stat info;
  if (folder.empty() || stat(folder.c_str(), &info) != 0) return boot;
  const std::string device = "/sys/dev/block/" +
                             std::to_string(major(info.st_dev)) + ':' +
                             std::to_string(minor(info.st_dev));
  for (const char* const name : {"/diskseq", "/../diskseq"}) {
    const UniqueFd fd(open((device + name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.ok()) continue;
    const std::optional<Bytes> number = ReadAll(fd.get(), kMaxDiskNumber);
    if (!number) break;
    Hasher hasher;
    hasher.Update(boot);
    hasher.Update(*number);
    return hasher.Finish().bytes;
  }
  return boot;
}

std::string NameOf(const JournalOwner& owner) {
  Hasher hasher;
  for (const ByteSpan part :
       {ByteSpan(owner.self), ByteSpan(owner.peer), AsBytes(owner.folder)}) {
    std::array<std::byte, 8> size;
    ByteWriter(size).WriteU64(part.size());
    hasher.Update(size);
    hasher.Update(part);
  }
  return hasher.Finish().ToString();
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(const std::string& folder,
                                               const JournalOwner& owner,
                                               const BootId& boot) {
  if (!MakeFolders(folder)) return CannotKeep(folder, errno);
  const std::string name = folder + "/" + NameOf(owner);
  int error = EWOULDBLOCK;
  for (unsigned i = 0; i < kMaxAtOnce && error == EWOULDBLOCK; ++i) {
    const std::string path =
        name + (i == 0 ? "" : "-" + std::to_string(i)) + std::string(kSuffix);
    UniqueFd fd(-1);
    error = OpenLocked(path, O_CREAT, &fd);
    if (error != 0) continue;
    std::unique_ptr<Journal> journal(new Journal(path, std::move(fd)));
    if (Status loaded = journal->Load(&owner, boot); !loaded) {
      return std::move(loaded).error();
    }
    return journal;
  }
  return CannotKeep(name + std::string(kSuffix), error);
}

Result<std::unique_ptr<Journal>> Journal::OpenFile(const std::string& path,
                                                   const BootId& boot) {
  UniqueFd fd(-1);
  const int error = OpenLocked(path, 0, &fd);
  if (error != 0) return CannotKeep(path, error);
  std::unique_ptr<Journal> journal(new Journal(path, std::move(fd)));
  if (Status loaded = journal->Load(nullptr, boot); !loaded) {
    return std::move(loaded).error();
  }
  return journal;
}

std::vector<std::string> Journal::List(const std::string& folder) {
  std::vector<std::string> names;
  DIR* const stream = opendir(folder.c_str());
  if (stream == nullptr) return names;
  while (const dirent* entry = readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name.ends_with(kSuffix)) names.emplace_back(folder + "/").append(name);
  }
  closedir(stream);
  std::sort(names.begin(), names.end());
  return names;
}

Status Journal::Load(const JournalOwner* owner, const BootId& boot) {
  struct stat info;
  if (fstat(fd_.get(), &info) != 0) return CannotKeep(path_, errno);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  if (size <= kMaxFile) {
    const std::optional<Bytes> file = ReadAll(fd_.get(), size);
    if (!file) return CannotKeep(path_, errno);
    RecordReader reader(*file);
    while (const std::optional<Record> record = reader.Next()) {
      if (!state_.Apply(*record)) break;
      size_ = reader.good();
    }
  }
  const bool fits = state_.owner() && (!owner || *state_.owner() == *owner);
  if (!fits) {
    if (owner == nullptr) return CannotKeep(path_, EINVAL);
    // New, or nothing is left of it.
    state_ = JournalState();
    size_ = 0;
  }
  if (ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) {
    return CannotKeep(path_, errno);
  }
  compact_at_ = std::max(kCompactMin, 2 * size_);
  if (!fits && !Apply(Type::kHeader, JournalState::Header(*owner))) {
    return CannotKeep(path_, EINVAL);
  }
  P2PCP_CHECK(Apply(Type::kBoot, EpochOf(boot, state_.owner()->folder)));
  Flush();
  if (error_) return *TakeError();
  return {};
}

Journal::~Journal() {
  if (finished_) return;
  FlushDone();
  Flush();
}

std::optional<Error> Journal::TakeError() {
  return std::exchange(error_, std::nullopt);
}

void Journal::Quiet(Error error) {
  if (quiet_) return;
  quiet_ = true;
  error_ = std::move(error);
}

// What happens is applied before it is written, so that replaying it can't be
// something else.
bool Journal::Apply(Type type, ByteSpan payload) {
  if (quiet_ || finished_) return false;
  if (!state_.Apply({static_cast<std::uint8_t>(type), payload})) return false;
  records_.Append(size_ + buffer_.size(), static_cast<std::uint8_t>(type),
                  payload, buffer_);
  if (buffer_.size() >= kBufferMax) Flush();
  return true;
}

void Journal::Flush() {
  if (buffer_.empty() || quiet_) return;
  if (!WriteAll(fd_.get(), buffer_, size_)) {
    return Quiet(CannotKeep(path_, errno));
  }
  size_ += buffer_.size();
  buffer_.clear();
  if (size_ >= compact_at_) Compact();
}

// A new file takes the place of the old one, which is right until then.
void Journal::Compact() {
  const std::string path = path_ + ".new";
  UniqueFd fd(open(path.c_str(),
                   O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  // With a million files that are done it does not fit well into memory.
  constexpr std::size_t kPiece = 64 << 10;
  Bytes piece;
  std::uint64_t size = 0;  // Written.
  bool ok = fd.ok();
  const auto write = [&] {
    ok = ok && WriteAll(fd.get(), piece, size);
    size += piece.size();
    piece.clear();
  };
  state_.Serialize([&](Type type, ByteSpan payload) {
    records_.Append(size + piece.size(), static_cast<std::uint8_t>(type),
                    payload, piece);
    if (piece.size() >= kPiece) write();
  });
  write();
  // Locked before it has the name, so that it is never found free.
  if (!ok || flock(fd.get(), LOCK_EX | LOCK_NB) != 0 ||
      fdatasync(fd.get()) != 0 || rename(path.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    if (fd.ok()) unlink(path.c_str());
    return Quiet(CannotKeep(path_, error));
  }
  fd_ = std::move(fd);
  size_ = size;
  compact_at_ = std::max(kCompactMin, 2 * size_);
}

std::optional<std::uint64_t> Journal::Begin(const JournalState::Part& part) {
  if (part.key.path.size() > JournalOwner::kMaxOwner / 2 ||
      part.part_path.size() > JournalOwner::kMaxOwner / 2) {
    return std::nullopt;
  }
  const std::uint64_t id = state_.next_id();
  if (!Apply(Type::kPart, JournalState::PartRecord(id, part))) {
    return std::nullopt;
  }
  return id;
}

void Journal::Written(std::uint64_t id, std::uint64_t begin,
                      std::uint64_t end) {
  if (Apply(Type::kWritten, JournalState::Written(id, begin, end - begin))) {
    Flush();
  }
}

void Journal::Mark(std::uint64_t id) {
  (void)Apply(Type::kMark, JournalState::Id(id));
}

void Journal::Synced(std::uint64_t id) {
  if (Apply(Type::kSynced, JournalState::Id(id))) Flush();
}

void Journal::SaveHash(std::uint64_t id, const Hasher& hasher) {
  if (Apply(Type::kHash, JournalState::Hash(id, false, hasher.Save()))) Flush();
}

void Journal::End(std::uint64_t id) {
  (void)Apply(Type::kEnd, JournalState::Id(id));
}

void Journal::Done(std::uint64_t hash, std::uint64_t size,
                   const std::string* renamed_to) {
  if (renamed_to != nullptr && renamed_to->size() <= JournalOwner::kMaxOwner) {
    (void)Apply(Type::kRenamed, JournalState::Renamed(hash, *renamed_to));
  }
  std::array<std::byte, 8> bytes;
  ByteWriter(bytes).WriteU64(hash);
  done_.insert(done_.end(), bytes.begin(), bytes.end());
  if (done_.size() >= kDoneBatch || size >= kLargeFile) FlushDone();
}

void Journal::Prefix(const std::string& prefix) {
  if (Apply(Type::kPrefix, JournalState::Prefix(prefix))) Flush();
}

void Journal::FlushDone() {
  if (done_.empty()) return;
  if (Apply(Type::kDone, done_)) Flush();
  done_.clear();
}

void Journal::Clear() {
  while (!state_.parts().empty()) {
    const std::uint64_t id = state_.parts().begin()->first;
    if (!Apply(Type::kEnd, JournalState::Id(id))) return;
  }
}

void Journal::Finish() {
  if (!state_.parts().empty() || finished_) return;
  finished_ = true;
  unlink(path_.c_str());
}

}  // namespace p2pcp::file
