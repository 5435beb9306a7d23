#include "transfer/file/target_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/confined_open.h"

namespace p2pcp::file {

namespace {

const std::string kRoot;

const std::string& PathOf(const FolderPath& folder) {
  return folder == nullptr ? kRoot : *folder;
}

// How the user knows it.
std::string NameOf(const Output& output) {
  const std::string& path = PathOf(output.folder);
  return path.empty() ? output.root->path() : output.root->path() + "/" + path;
}

// Some file systems sync their folders by themselves and say so.
bool SyncsItself(int error) {
  return error == EINVAL || error == EOPNOTSUPP || error == EBADF;
}

}  // namespace

// --- Folders ---

Error TargetWorker::FolderError(const Output& output, int error) const {
  return ErrnoError(ErrorCode::kCannotWrite,
                    "cannot write to the folder " + NameOf(output), error);
}

Result<FolderFd> TargetWorker::OpenFolder(const Output& output) {
  P2PCP_CHECK(output.root != nullptr);
  if (last_folder_ != nullptr && output.folder == last_path_) {
    return last_folder_;
  }
  Result<FolderFd> folder = Open(*output.root, PathOf(output.folder));
  if (!folder) return FolderError(output, folder.error().os_errno);
  last_path_ = output.folder;
  last_folder_ = *folder;
  return folder;
}

Result<FolderFd> TargetWorker::Open(const OutputFolder& root,
                                    const std::string& path) {
  const auto found = folders_.find(path);
  if (found != folders_.end()) {
    found->second.used = ++use_counter_;
    return found->second.fd;
  }
  // A folder that may be written and not read can't be opened to be synced.
  int fd = -1;
  for (const int flags : {O_RDONLY, O_PATH}) {
    const int all = flags | O_DIRECTORY | O_CLOEXEC;
    fd = path.empty() ? openat(root.fd(), ".", all)
                      : OpenBeneath(root.fd(), path, all, 0);
    if (fd >= 0 || errno != EACCES) break;
  }
  if (fd < 0) return ErrnoError(ErrorCode::kCannotWrite, path, errno);
  if (folders_.size() == kMaxFolders) {
    folders_.erase(std::min_element(folders_.begin(), folders_.end(),
                                    [](const auto& a, const auto& b) {
                                      return a.second.used < b.second.used;
                                    }));
  }
  FolderFd folder = std::make_shared<const UniqueFd>(fd);
  if (keeper_ != nullptr) keeper_->Sweep(fd, path);
  folders_[path] = {folder, ++use_counter_};
  return folder;
}

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
    NoteTouched(*std::move(parent));
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
    return KeptBack(output.name, "is on another file system", errno);
  }
  return KeptBack(output.name, "exists and is not a folder", EEXIST);
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

Status TargetWorker::Store(const Output& output, ByteSpan content,
                           MutableByteSpan scratch, Completion& completion) {
  Result<FolderFd> folder = OpenFolder(output);
  if (!folder) return folder.error();
  if (keeper_ != nullptr) keeper_->NotePrefix(output);
  const int dirfd = (*folder)->get();
  const mode_t mode = output.executable ? 0777 : 0666;
  const bool unnamed = MayBeUnnamed(output, dirfd);
  const FileFd file = std::make_shared<const UniqueFd>(
      unnamed ? syscalls_.CreateUnnamed(dirfd, mode)
              : syscalls_.Create(dirfd, PartName(output), mode));
  if (!file->ok()) return CannotWrite(output.name, errno);
  root_ = output.root;
  const bool few = unsynced_files_.size() < kFewSyncs && !many_unsynced_;
  Stored& stored = stored_[output.part_number];
  if (unnamed) {
    stored.unnamed = file;
    ++unnamed_;
  } else {
    stored = {nullptr, few ? *folder : nullptr, output.folder,
              output.part_prefix};
  }
  const int fd = file->get();
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
  if (few) {
    unsynced_files_.push_back(file);
  } else {
    many_unsynced_ = true;
  }
  return {};
}

Status TargetWorker::Place(Output& output) {
  Result<FolderFd> folder = OpenFolder(output);
  if (!folder) return folder.error();
  const auto stored = stored_.find(output.part_number);
  P2PCP_CHECK(stored != stored_.end());
  const FileFd& unnamed = stored->second.unnamed;
  Status placed =
      unnamed != nullptr
          ? NameInPlace(syscalls_, (*folder)->get(), unnamed->get(), output)
          : PutInPlace(syscalls_, (*folder)->get(), PartName(output), output,
                       placed_);
  if (!placed) {
    (void)Remove(output);
    return placed;
  }
  Forget(stored);
  NoteTouched(*std::move(folder));
  return {};
}

Status TargetWorker::Remove(const Output& output) {
  const auto stored = stored_.find(output.part_number);
  if (stored == stored_.end()) return {};
  const bool named = stored->second.unnamed == nullptr;
  Forget(stored);
  if (!named) return {};
  const Result<FolderFd> folder = OpenFolder(output);
  if (folder) unlinkat((*folder)->get(), PartName(output).c_str(), 0);
  return {};
}

void TargetWorker::Forget(
    std::unordered_map<std::uint64_t, Stored>::iterator stored) {
  if (stored->second.unnamed != nullptr) --unnamed_;
  stored_.erase(stored);
}

// Whether a file gets no temporary name: where no file of others can have its
// final one, which has to be dealt with by renaming.
bool TargetWorker::MayBeUnnamed(const Output& output, int dirfd) {
  if (!output.fresh || has_unnamed_ == false) return false;
  if (!has_unnamed_) {
    rlimit open_files = {};
    getrlimit(RLIMIT_NOFILE, &open_files);
    max_unnamed_ = open_files.rlim_cur <= kOtherFiles
                       ? 0
                       : std::min<std::size_t>(
                             kMaxUnnamed, open_files.rlim_cur - kOtherFiles);
    // By doing it: kernels and file systems differ in what may be named again.
    const std::string name = PartName(output);
    const UniqueFd probe(syscalls_.CreateUnnamed(dirfd, 0600));
    has_unnamed_ = probe.ok() &&
                   syscalls_.NameUnnamed(probe.get(), dirfd, name.c_str()) == 0;
    if (*has_unnamed_) unlinkat(dirfd, name.c_str(), 0);
  }
  return *has_unnamed_ && unnamed_ < max_unnamed_;
}

Status TargetWorker::Commit(PartFile& part, Output& output) {
  Status committed = part.Commit(output, placed_);
  if (!committed) return committed;
  Result<FolderFd> folder = OpenFolder(output);
  if (!folder) return folder.error();
  NoteTouched(*std::move(folder));
  return {};
}

void TargetWorker::DropStored() {
  for (const auto& [number, stored] : stored_) {
    if (stored.unnamed != nullptr) continue;
    FolderFd folder = stored.folder;
    if (folder == nullptr) {
      Result<FolderFd> opened = Open(*root_, PathOf(stored.folder_path));
      if (!opened) continue;
      folder = *std::move(opened);
    }
    unlinkat(folder->get(), PartName(*stored.part_prefix, number).c_str(), 0);
  }
  stored_.clear();
  unnamed_ = 0;
  last_path_.reset();
  last_folder_.reset();
  unsynced_files_.clear();
  unsynced_folders_.clear();
  folders_.clear();
}

// --- Syncing ---

void TargetWorker::NoteTouched(FolderFd folder) {
  if (many_unsynced_) return;
  for (const FolderFd& known : unsynced_folders_) {
    if (known == folder) return;
  }
  if (unsynced_folders_.size() == kFewSyncs) {
    many_unsynced_ = true;
    return;
  }
  unsynced_folders_.push_back(std::move(folder));
}

Status TargetWorker::Sync(const Output& output) {
  const bool all = std::exchange(many_unsynced_, false);
  const std::vector<FileFd> files = std::exchange(unsynced_files_, {});
  const std::vector<FolderFd> folders = std::exchange(unsynced_folders_, {});
  if (all) {
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
  for (const FileFd& file : files) {
    if (syscalls_.Fdatasync(file->get()) != 0) {
      return FolderError(output, errno);
    }
  }
  for (const FolderFd& folder : folders) {
    if (syscalls_.Fsync(folder->get()) != 0 && !SyncsItself(errno)) {
      return FolderError(output, errno);
    }
  }
  return {};
}

}  // namespace p2pcp::file
