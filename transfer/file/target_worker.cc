#include "transfer/file/target_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/confined_open.h"

namespace p2pcp::file {

namespace {

// Some file systems sync their folders by themselves and say so.
bool SyncsItself(int error) {
  return error == EINVAL || error == EOPNOTSUPP || error == EBADF;
}

}  // namespace

// --- Folders ---

TargetWorker::TargetWorker(Syscalls& syscalls, PartKeeper* keeper,
                           WholeHasher& hasher)
    : syscalls_(syscalls),
      keeper_(keeper),
      whole_files_(hasher),
      folders_([keeper](int dirfd, const std::string& path) {
        if (keeper != nullptr) keeper->Sweep(dirfd, path);
      }),
      namer_(syscalls) {}

Status TargetWorker::InspectFolder(const Output& output,
                                   Completion& completion) {
  const std::int64_t free = syscalls_.FreeBytes(output.root->fd());
  if (free < 0) return FolderError(output, errno);
  completion.size = static_cast<std::uint64_t>(free);
  return {};
}

Status TargetWorker::MakeFolder(const Output& output, Completion& completion) {
  Result<FolderFd> parent = OpenFolder(output);
  if (!parent) return parent.error();
  const int dirfd = (*parent)->get();
  struct stat info;
  const char* const name = output.name.c_str();
  if (syscalls_.MakeFolder(dirfd, output.name, 0777) == 0) {
    if (fstatat(dirfd, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
      made_.Add(info.st_ino);
    }
    unsynced_.AddFolder(*std::move(parent));
    return {};
  }
  if (errno != EEXIST) return NamingError(dirfd, output, errno);
  completion.exists = fstatat(dirfd, name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
                      !made_.Has(info.st_ino);
  // Confined like everything else: a link is no folder.
  const UniqueFd fd(
      OpenBeneath(dirfd, output.name, O_PATH | O_DIRECTORY | O_CLOEXEC, 0));
  if (fd.ok()) return {};
  if (errno == EXDEV) {
    return KeptBack(output, "is on another file system", errno);
  }
  return KeptBack(output, "exists and is not a folder", EEXIST);
}

Status TargetWorker::FinishFolder(const Output& output) {
  Result<FolderFd> folder = OpenFolder(output);
  if (!folder) return folder.error();
  // Through the name, since the fd may be one that only leads there. A wrong
  // time is no reason to fail.
  const struct timespec times[2] = {
      {0, UTIME_OMIT},
      {static_cast<time_t>(output.mtime.seconds),
       static_cast<long>(output.mtime.nanoseconds)}};
  (void)utimensat((*folder)->get(), ".", times, 0);
  return {};
}

Status TargetWorker::Probe(const Output& output, Completion& completion) {
  Result<FolderFd> folder = OpenFolder(output);
  if (!folder) return folder.error();
  Result<NameProbe> probe = ProbeName((*folder)->get(), output);
  if (!probe) return probe.error();
  completion.exists = probe->exists;
  completion.same = probe->same;
  completion.size = probe->size;
  return {};
}

void TargetWorker::NotePlaced(const Output& output) {
  const Result<FolderFd> folder = OpenFolder(output);
  struct stat info;
  if (folder && fstatat((*folder)->get(), output.final_name.c_str(), &info,
                        AT_SYMLINK_NOFOLLOW) == 0) {
    placed_.Add(info.st_ino);
  }
}

void TargetWorker::NotePlaced(std::uint64_t inode, Output& output) {
  placed_.Add(inode);
  output.compared = inode;
}

Result<UniqueFd> TargetWorker::OpenExisting(const Output& output) {
  const std::string& name =
      output.final_name.empty() ? output.name : output.final_name;
  Result<FolderFd> folder = OpenFolder(output);
  if (!folder) return folder.error();
  UniqueFd fd(
      openat((*folder)->get(), name.c_str(),
             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd.ok()) return CannotWrite(name, errno);
  return fd;
}

// --- Small files ---

Status TargetWorker::Store(Output& output, ByteSpan content,
                           MutableByteSpan scratch, Completion& completion) {
  Result<FolderFd> folder = OpenFolder(output);
  if (!folder) return folder.error();
  if (keeper_ != nullptr) keeper_->NotePrefix(output);
  const int dirfd = (*folder)->get();
  const mode_t mode = output.executable ? 0777 : 0666;
  UniqueFd named;
  if (namer_.MayBeUnnamed(output, dirfd)) {
    Status created = namer_.Create(output, dirfd, mode);
    if (!created) return created;
  } else {
    named = UniqueFd(syscalls_.Create(dirfd, PartName(output), mode));
    if (!named.ok()) return CannotWrite(output.name, errno);
    root_ = output.root;
    stored_[output.part_number] = {
        unsynced_.few_files() ? *std::move(folder) : nullptr, output.folder,
        output.part_prefix};
  }
  const int fd =
      output.unnamed != nullptr ? output.unnamed->get() : named.get();
  for (std::size_t at = 0; at < content.size();) {
    const ssize_t n = syscalls_.Pwrite(
        fd, content.data() + at, content.size() - at, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return CannotWrite(output.name, n < 0 ? errno : EIO);
    at += static_cast<std::size_t>(n);
  }
  P2PCP_CHECK(content.size() <= scratch.size());
  std::size_t read = 0;
  while (read < content.size()) {
    const ssize_t n =
        syscalls_.Pread(fd, scratch.data() + read, content.size() - read,
                        static_cast<off_t>(read));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return ErrnoError(ErrorCode::kCannotWrite,
                        "cannot read back what was written of " + output.name,
                        errno);
    }
    if (n == 0) {
      return Error{ErrorCode::kIntegrity,
                   output.name + " became shorter while it was being received"};
    }
    read += static_cast<std::size_t>(n);
  }
  completion.digest = whole_files_.Of(scratch.first(read));
  Status set = SetAttributes(fd, output, /*set_mode=*/false);
  if (!set) return set;
  unsynced_.AddFile(output.unnamed != nullptr
                        ? output.unnamed
                        : std::make_shared<const UniqueFd>(std::move(named)));
  return {};
}

Status TargetWorker::Place(Output& output) {
  if (output.unnamed != nullptr) return namer_.Place(output);
  Result<FolderFd> folder = OpenFolder(output);
  if (!folder) return folder.error();
  P2PCP_CHECK(stored_.contains(output.part_number));
  Status placed = PutInPlace(syscalls_, (*folder)->get(), PartName(output),
                             output, placed_);
  if (!placed) {
    (void)Remove(output);
    return placed;
  }
  stored_.erase(output.part_number);
  unsynced_.AddFolder(*std::move(folder));
  if (keeper_ != nullptr) keeper_->Placed(output, {});
  return {};
}

Status TargetWorker::Remove(Output& output) {
  if (output.unnamed != nullptr) {
    namer_.Drop(output);
  } else if (stored_.erase(output.part_number) > 0) {
    const Result<FolderFd> folder = OpenFolder(output);
    if (folder) unlinkat((*folder)->get(), PartName(output).c_str(), 0);
  }
  return {};
}

Status TargetWorker::Commit(PartFile& part, Output& output) {
  Status committed = part.Commit(output, placed_);
  if (!committed) return committed;
  Result<FolderFd> folder = OpenFolder(output);
  if (!folder) return folder.error();
  unsynced_.AddFolder(*std::move(folder));
  return {};
}

void TargetWorker::DropStored() {
  for (const auto& [number, stored] : stored_) {
    FolderFd folder = stored.folder;
    if (folder == nullptr) {
      Output output;
      output.root = root_;
      output.folder = stored.folder_path;
      Result<FolderFd> opened = OpenFolder(output);
      if (!opened) continue;
      folder = *std::move(opened);
    }
    unlinkat(folder->get(), PartName(*stored.part_prefix, number).c_str(), 0);
  }
  stored_.clear();
  namer_.Close();
  folders_.Close();
  unsynced_ = {};
}

// --- Syncing ---

Status TargetWorker::Sync(const Output& output) {
  Namer::Named named = namer_.TakeNamed();
  if (keeper_ != nullptr) keeper_->Placed(std::move(named.files));
  unsynced_.Add(named.unsynced);
  const Unsynced unsynced = std::exchange(unsynced_, {});
  Status synced = unsynced.many() ? SyncAll(output) : SyncFew(unsynced, output);
  if (synced && keeper_ != nullptr) keeper_->PlacedAreDurable();
  return synced;
}

// Everything on the file system.
Status TargetWorker::SyncAll(const Output& output) {
  Output root;
  root.root = output.root;
  Result<FolderFd> folder = OpenFolder(root);
  if (!folder) return folder.error();
  if (syscalls_.Syncfs((*folder)->get()) == 0) return {};
  if (errno != EBADF) return FolderError(root, errno);
  // The output folder may not be read. What is beneath it may be.
  const UniqueFd fd(
      openat((*folder)->get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  if (fd.ok() && syscalls_.Syncfs(fd.get()) == 0) return {};
  return FolderError(root, errno);
}

Status TargetWorker::SyncFew(const Unsynced& unsynced, const Output& output) {
  for (const Unsynced::Fd& file : unsynced.files()) {
    if (syscalls_.Fdatasync(file->get()) != 0) {
      return FolderError(output, errno);
    }
  }
  for (const Unsynced::Fd& folder : unsynced.folders()) {
    if (syscalls_.Fsync(folder->get()) != 0 && !SyncsItself(errno)) {
      return FolderError(output, errno);
    }
  }
  return {};
}

}  // namespace p2pcp::file
