#include "transfer/file/source_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <unordered_set>
#include <utility>

#include "transfer/file/folder_stream.h"
#include "transfer/file/path_policy.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

namespace {

// Names that are sorted together: a folder has its order as long as it has no
// more, and however many it has, memory is bounded.
constexpr std::size_t kSortedNames = 1024;
// A file of patterns that is longer is no such file.
constexpr std::size_t kMaxIgnoreBytes = 1 << 20;
// Smaller files are not worth asking where their holes are.
constexpr std::uint64_t kMinSparse = 64 << 10;
// st_blocks counts these.
constexpr std::uint64_t kBlock = 512;

Error Unreadable(const std::string& path, int error) {
  return ErrnoError(ErrorCode::kSourceUnreadable, "cannot read " + path, error);
}

Error Usage(const std::string& path, std::string_view what) {
  return Error{ErrorCode::kUsage, path + std::string(what)};
}

Error OpenError(const std::string& path, int error) {
  if (error != ELOOP && error != EMLINK) return Unreadable(path, error);
  char target[PATH_MAX];
  const ssize_t size = readlink(path.c_str(), target, sizeof(target));
  if (size < 0) return Unreadable(path, error);
  return Error{ErrorCode::kSourceUnreadable,
               path + " is a symbolic link to " +
                   std::string(target, static_cast<std::size_t>(size)) +
                   "; name that, or say --follow",
               error};
}

FileTime TimeOf(const struct stat& info) {
  return {info.st_mtim.tv_sec,
          static_cast<std::uint32_t>(info.st_mtim.tv_nsec)};
}

// The name that the receiver will see, and a path that ends with it.
struct Root {
  std::string path;
  std::size_t name_begin = 0;
};

std::optional<Root> RootOf(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  std::size_t begin = path.rfind('/') + 1;
  const std::string_view name = std::string_view(path).substr(begin);
  if (name == "." || name == "..") {
    char real[PATH_MAX];
    if (realpath(path.c_str(), real) == nullptr) return std::nullopt;
    path = real;
    begin = path.rfind('/') + 1;
  }
  return Root{std::move(path), begin};
}

std::string ReadIgnoreFile(int dirfd) {
  const UniqueFd fd(openat(dirfd, ".gitignore",
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info;
  if (!fd.ok() || fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode) ||
      info.st_size > static_cast<off_t>(kMaxIgnoreBytes)) {
    return {};
  }
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t n = pread(fd.get(), text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

}  // namespace

class SourceTree::Walk {
 public:
  Walk(std::vector<Root> roots, TreeOptions options)
      : roots_(std::move(roots)), options_(std::move(options)) {}

  void Restart() {
    next_root_ = 0;
    up_ = 0;
    levels_.clear();
  }

  void Next(ScanBatch& batch, std::size_t max_items) {
    // Names that are left out take time too.
    for (std::size_t looked_at = 0;
         batch.items.size() < max_items && looked_at < 4 * max_items;
         ++looked_at) {
      if (!levels_.empty()) {
        Level& level = levels_.back();
        if (level.next == level.names.size()) FillNames(level, batch);
        if (level.next == level.names.size()) {
          levels_.pop_back();
          ++up_;
          continue;
        }
        const std::string name = std::move(level.names[level.next++]);
        Look(level.fd(), name, level.path + '/' + name, level.name_begin,
             batch);
      } else if (next_root_ < roots_.size()) {
        const Root& root = roots_[next_root_++];
        Look(AT_FDCWD, root.path, root.path, root.name_begin, batch);
      } else {
        batch.end = true;
        return;
      }
    }
  }

 private:
  // A folder that is being listed.
  struct Level {
    FolderStream dir;
    std::string path;
    std::size_t name_begin = 0;
    std::size_t root_size = 0;  // Of the path of the folder that was named.
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::vector<std::string> names;
    std::size_t next = 0;
    bool listed = false;
    IgnoreRules ignore;  // Its .gitignore.

    int fd() const { return dirfd(dir.get()); }
  };

  void Note(ScanBatch& batch, ScanNote::Kind kind, const std::string& path,
            Error error) {
    batch.notes.push_back({kind, path, std::move(error)});
  }

  void FillNames(Level& level, ScanBatch& batch) {
    level.names.clear();
    level.next = 0;
    while (!level.listed && level.names.size() < kSortedNames) {
      errno = 0;
      const dirent* entry = readdir(level.dir.get());
      if (entry == nullptr) {
        level.listed = true;
        if (errno != 0) {
          Note(batch, ScanNote::Kind::kUnreadable, level.path,
               Unreadable(level.path, errno));
        }
        break;
      }
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") level.names.emplace_back(name);
    }
    std::sort(level.names.begin(), level.names.end());
  }

  bool IsLeftOut(const std::string& path, bool is_folder) const {
    if (levels_.empty()) return false;
    const std::string_view all = path;
    const std::size_t root = levels_.back().root_size;
    if (options_.gitignore) {
      if (is_folder && all.ends_with("/.git")) return true;
      for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
        const auto decided =
            level->ignore.Decide(all.substr(level->path.size() + 1), is_folder);
        if (decided && *decided) return true;
        if (decided) break;
      }
    }
    return options_.exclude.Decide(all.substr(root + 1), is_folder)
        .value_or(false);
  }

  // What stands at `name` in the folder `at`; path is what to call it.
  void Look(int at, const std::string& name, std::string path,
            std::size_t name_begin, ScanBatch& batch) {
    struct stat info;
    if (fstatat(at, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      // Gone since its folder was listed: as if it had never been there.
      if (errno == ENOENT && !levels_.empty()) return;
      return Note(batch, ScanNote::Kind::kUnreadable, path,
                  Unreadable(path, errno));
    }
    const bool link = S_ISLNK(info.st_mode);
    if (IsLeftOut(path, S_ISDIR(info.st_mode))) return;
    if (link && !options_.follow) {
      return Note(batch, ScanNote::Kind::kSymlink, path,
                  Error{ErrorCode::kOther,
                        path + " is a symbolic link and is not sent"});
    }
    if (link && fstatat(at, name.c_str(), &info, 0) != 0) {
      return Note(batch, ScanNote::Kind::kUnreadable, path,
                  Unreadable(path, errno));
    }
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
      return Note(batch, ScanNote::Kind::kSpecial, path,
                  Error{ErrorCode::kKeptBack,
                        path + " is not a regular file and is not sent"});
    }
    std::string own(std::string_view(path).substr(path.rfind('/') + 1));
    const NameProblem problem = CheckComponent(own);
    const bool deep =
        levels_.size() + 1 >= kMaxDepth || path.size() - name_begin >= kMaxPath;
    if (problem != NameProblem::kNone || deep) {
      return Note(
          batch, ScanNote::Kind::kBadName, path,
          Error{ErrorCode::kKeptBack,
                path +
                    (deep ? " lies too deep"
                          : ": the name " + std::string(Describe(problem))) +
                    " and is not sent"});
    }
    ScanItem item;
    item.entry.name = std::move(own);
    item.entry.up = static_cast<std::uint32_t>(up_);
    item.entry.mtime = TimeOf(info);
    item.source.path = std::move(path);
    item.source.name_begin = name_begin;
    item.source.follow = link;
    item.source.device = info.st_dev;
    item.source.inode = info.st_ino;
    item.source.mtime = item.entry.mtime;
    if (S_ISDIR(info.st_mode)) {
      return Enter(at, name, info, std::move(item), batch);
    }
    item.entry.size = item.source.size =
        static_cast<std::uint64_t>(std::max<off_t>(info.st_size, 0));
    item.entry.executable = (info.st_mode & S_IXUSR) != 0;
    const std::uint64_t stored =
        static_cast<std::uint64_t>(info.st_blocks) * kBlock;
    if (item.entry.size >= kMinSparse && stored < item.entry.size) {
      item.entry.sparse = item.source.sparse = true;
      item.entry.data_bytes = stored;
    }
    up_ = 0;
    batch.items.push_back(std::move(item));
  }

  void Enter(int at, const std::string& name, const struct stat& info,
             ScanItem item, ScanBatch& batch) {
    const std::string& path = item.source.path;
    for (const Level& level : levels_) {
      if (level.device == info.st_dev && level.inode == info.st_ino) {
        return Note(
            batch, ScanNote::Kind::kLoop, path,
            Error{ErrorCode::kOther,
                  path + " leads back to a folder that it lies in and is "
                         "not sent"});
      }
    }
    UniqueFd fd(openat(at, name.c_str(),
                       O_RDONLY | O_DIRECTORY | O_CLOEXEC |
                           (item.source.follow ? 0 : O_NOFOLLOW)));
    struct stat opened;
    if (!fd.ok() || fstat(fd.get(), &opened) != 0) {
      return Note(batch, ScanNote::Kind::kUnreadable, path,
                  Unreadable(path, errno));
    }
    // Another one has taken its place.
    if (opened.st_dev != info.st_dev || opened.st_ino != info.st_ino) {
      return Note(batch, ScanNote::Kind::kUnreadable, path,
                  Error{ErrorCode::kSourceUnreadable,
                        path + " changed while it was being listed"});
    }
    Level level;
    level.dir = ListFolder(std::move(fd));
    if (level.dir == nullptr) {
      return Note(batch, ScanNote::Kind::kUnreadable, path,
                  Unreadable(path, errno));
    }
    if (options_.gitignore) level.ignore.AddLines(ReadIgnoreFile(level.fd()));
    level.path = path;
    level.name_begin = item.source.name_begin;
    level.root_size = levels_.empty() ? path.size() : levels_.back().root_size;
    level.device = info.st_dev;
    level.inode = info.st_ino;
    levels_.push_back(std::move(level));
    item.entry.kind = Entry::Kind::kFolder;
    up_ = 0;
    batch.items.push_back(std::move(item));
  }

  const std::vector<Root> roots_;
  const TreeOptions options_;
  std::size_t next_root_ = 0;
  std::vector<Level> levels_;
  std::size_t up_ = 0;  // Folders left since the last entry.
};

Result<SourceTree> SourceTree::Open(std::span<const std::string> paths,
                                    TreeOptions options) {
  std::vector<Root> roots;
  std::unordered_set<std::string> names;
  for (const std::string& path : paths) {
    // O_NONBLOCK: a FIFO without a writer must not hold us up.
    const UniqueFd fd(
        open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY |
                               (options.follow ? 0 : O_NOFOLLOW)));
    if (!fd.ok()) return OpenError(path, errno);
    struct stat info;
    if (fstat(fd.get(), &info) != 0) return Unreadable(path, errno);
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
      return Error{ErrorCode::kSourceUnreadable,
                   path + " is neither a regular file nor a folder"};
    }
    std::optional<Root> root = RootOf(path);
    if (!root) return Unreadable(path, errno);
    const std::string name = root->path.substr(root->name_begin);
    const NameProblem problem = CheckComponent(name);
    if (problem != NameProblem::kNone) {
      return Usage(path, ": the name " + std::string(Describe(problem)) +
                             ", which no receiver takes");
    }
    if (!names.insert(name).second) {
      return Usage(path, ": a file or folder of this name is named already");
    }
    roots.push_back(*std::move(root));
  }
  if (roots.empty()) {
    return Error{ErrorCode::kUsage, "there is nothing to send"};
  }
  return SourceTree(
      std::make_unique<Walk>(std::move(roots), std::move(options)));
}

SourceTree::SourceTree(std::unique_ptr<Walk> walk) : walk_(std::move(walk)) {}
SourceTree::SourceTree(SourceTree&&) noexcept = default;
SourceTree& SourceTree::operator=(SourceTree&&) noexcept = default;
SourceTree::~SourceTree() = default;

void SourceTree::Next(ScanBatch& batch, std::size_t max_items) {
  walk_->Next(batch, max_items);
}
void SourceTree::Restart() { walk_->Restart(); }

}  // namespace p2pcp::file
