#include "transfer/file/part_keeper.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/folder_stream.h"
#include "transfer/file/part_file.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

namespace {

UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

// Beneath the output folder.
void SetBeneath(const Output& output, const std::string& name,
                std::string& path) {
  path.clear();
  if (output.folder != nullptr && !output.folder->empty()) {
    path.append(*output.folder).append("/");
  }
  path.append(name);
}

std::string Beneath(const Output& output, const std::string& name) {
  std::string path;
  SetBeneath(output, name, path);
  return path;
}

void SetKey(const Output& output, FileKey& key) {
  SetBeneath(output, output.name, key.path);
  key.size = output.size;
  key.mtime = output.mtime;
  key.executable = output.executable;
}

FileKey KeyOf(const Output& output) {
  FileKey key;
  SetKey(output, key);
  return key;
}

std::string NameIn(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

bool IsThatFile(const struct stat& info, const JournalState::Part& part) {
  return static_cast<std::uint64_t>(info.st_dev) == part.device &&
         static_cast<std::uint64_t>(info.st_ino) == part.inode;
}

// What may be believed of the part, of which the system says info.
Remains RemainsOf(std::uint64_t id, const JournalState::Part& part,
                  const struct stat& info, bool sparse) {
  Remains remains;
  remains.part_id = id;
  remains.part_name = NameIn(part.part_path);
  remains.disk_bytes = static_cast<std::uint64_t>(info.st_blocks) * 512;
  const auto size = static_cast<std::uint64_t>(info.st_size);
  for (const Interval& range : part.written.list()) {
    // A file that became shorter has lost what was behind its end.
    const Interval there{range.begin, std::min(range.end, size)};
    if (there.begin >= there.end) break;
    // Where there are holes besides, only what is contiguous can be told.
    if (sparse && there.begin > 0) break;
    if (remains.had.size() == PartKeeper::kMaxPieces) break;
    remains.had.push_back(there);
  }
  // What an earlier boot has synced is read again: that is the test of it.
  if (!remains.had.empty() && remains.had.front().begin == 0 && part.hash &&
      !part.hash->earlier_boot &&
      part.hash->offset <= remains.had.front().end &&
      Hasher().Restore(part.hash->state)) {
    remains.hashed = part.hash->offset;
  }
  return remains;
}

}  // namespace

bool PartKeeper::IsInPlace(int dirfd, Output& output) const {
  const std::uint64_t hash = JournalState::HashOf(KeyOf(output));
  const JournalState& state = journal_.state();
  if (!state.IsDone(hash)) return false;
  const std::string* const renamed = state.RenamedTo(hash);
  const std::string& name = renamed != nullptr ? *renamed : output.name;
  struct stat info;
  if (name.find('/') != std::string::npos ||
      fstatat(dirfd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return false;
  }
  if (!MayBeSame(info, output)) return false;
  output.final_name = name;
  return true;
}

bool PartKeeper::FindRemains(int dirfd, Output& output) {
  const FileKey key = KeyOf(output);
  const std::optional<std::uint64_t> id = journal_.state().FindPart(key.path);
  // Of two files of one name only the first has remains.
  if (!id || claimed_.contains(*id) || open_.contains(*id)) return false;
  const JournalState::Part& part = journal_.state().parts().at(*id);
  const std::string name = NameIn(part.part_path);
  const UniqueFd fd(OpenPart(dirfd, name));
  struct stat info;
  if (!fd.ok() || fstat(fd.get(), &info) != 0) {
    journal_.End(*id);
    return false;
  }
  const bool same = part.key == key;
  const auto known = IsThatFile(info, part) ? id : Adopt(*id, info);
  if (!known) return false;
  if (same) {
    Remains remains = RemainsOf(*known, journal_.state().parts().at(*known),
                                info, output.sparse);
    if (!remains.had.empty()) {
      claimed_.insert(*known);
      output.remains = std::make_shared<const Remains>(std::move(remains));
      return false;
    }
  }
  unlinkat(dirfd, name.c_str(), 0);
  journal_.End(*known);
  return !same;
}

std::optional<std::uint64_t> PartKeeper::Adopt(std::uint64_t id,
                                               const struct stat& info) {
  JournalState::Part part = journal_.state().parts().at(id);
  journal_.End(id);
  part.device = static_cast<std::uint64_t>(info.st_dev);
  part.inode = static_cast<std::uint64_t>(info.st_ino);
  const std::optional<std::uint64_t> adopted = journal_.Begin(part);
  if (!adopted) return std::nullopt;
  for (const Interval& range : part.durable.list()) {
    journal_.Written(*adopted, range.begin, range.end);
  }
  journal_.Mark(*adopted);
  journal_.Synced(*adopted);
  return adopted;
}

void PartKeeper::ForgetLost(int dirfd, const Output& output) {
  const std::optional<std::uint64_t> id =
      journal_.state().FindPart(KeyOf(output).path);
  if (!id || claimed_.contains(*id) || open_.contains(*id)) return;
  const JournalState::Part& part = journal_.state().parts().at(*id);
  if (UniqueFd(OpenPart(dirfd, NameIn(part.part_path))).ok()) return;
  journal_.End(*id);
}

void PartKeeper::NotePrefix(const Output& output) {
  if (output.remains != nullptr || *output.part_prefix == prefix_) return;
  prefix_ = *output.part_prefix;
  journal_.Prefix(prefix_);
}

void PartKeeper::Sweep(int dirfd, const std::string& path) {
  const JournalState& state = journal_.state();
  const auto is_old = [&](const std::string& name) {
    return std::any_of(state.prefixes().begin(), state.prefixes().end(),
                       [&](const std::string& prefix) {
                         return prefix != prefix_ && name.starts_with(prefix);
                       });
  };
  // A folder of ours is not even listed where nobody can have left anything.
  if (std::all_of(state.prefixes().begin(), state.prefixes().end(),
                  [&](const std::string& p) { return p == prefix_; })) {
    return;
  }
  std::set<std::string> kept;
  for (const auto& [id, part] : state.parts()) kept.insert(part.part_path);
  const FolderStream stream = ListFolder(
      UniqueFd(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (stream == nullptr) return;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (!is_old(name)) continue;
    const std::string beneath = path.empty() ? name : path + '/' + name;
    if (!kept.contains(beneath)) unlinkat(dirfd, name.c_str(), 0);
  }
}

std::optional<std::uint64_t> PartKeeper::Begin(const Output& output, int fd,
                                               const Hasher* hasher,
                                               bool in_memory) {
  struct stat info;
  if (output.size < kMinSize || fstat(fd, &info) != 0) return std::nullopt;
  JournalState::Part part;
  part.key = KeyOf(output);
  part.part_path = Beneath(output, PartName(output));
  part.device = static_cast<std::uint64_t>(info.st_dev);
  part.inode = static_cast<std::uint64_t>(info.st_ino);
  part.stamp = info.st_ctim.tv_sec;
  if (const auto old = journal_.state().FindPart(part.key.path)) {
    if (claimed_.contains(*old) || open_.contains(*old)) return std::nullopt;
    journal_.End(*old);
  }
  const std::optional<std::uint64_t> id = journal_.Begin(part);
  if (id) open_[*id] = {fd, hasher, in_memory, 0};
  return id;
}

void PartKeeper::Resume(const Remains& remains, int fd, Hasher* hasher,
                        bool in_memory) {
  const JournalState::Part& part = journal_.state().parts().at(remains.part_id);
  if (remains.hashed > 0) {
    P2PCP_CHECK(hasher->Restore(part.hash->state) &&
                hasher->size() == remains.hashed);
  }
  open_[remains.part_id] = {fd, hasher, in_memory, 0};
}

Status PartKeeper::Written(std::uint64_t id, std::uint64_t begin,
                           std::uint64_t end) {
  journal_.Written(id, begin, end);
  Open& open = open_.at(id);
  if (open.in_memory) return status();
  open.dirty += end - begin;
  dirty_ += end - begin;
  TakePass(/*wait=*/false);
  if (pass_ != Pass::kNone && dirty_ + syncing_ >= kMaxUnsynced) {
    TakePass(/*wait=*/true);
  }
  if (pass_ == Pass::kNone && (dirty_ >= kSyncBytes || syncer_.due())) {
    StartPass();
  }
  return status();
}

void PartKeeper::End(std::uint64_t id) {
  const auto found = open_.find(id);
  P2PCP_CHECK(found != open_.end());
  dirty_ -= found->second.dirty;
  open_.erase(found);
  journal_.End(id);
}

PartKeeper::InPlace PartKeeper::InPlace::Of(const Output& output,
                                            FileKey& key) {
  SetKey(output, key);
  InPlace in_place{JournalState::HashOf(key), output.size, std::nullopt,
                   std::nullopt};
  if (output.final_name != output.name) in_place.renamed_to = output.final_name;
  return in_place;
}

void PartKeeper::Placed(const Output& output, std::optional<std::uint64_t> id) {
  placed_.push_back(InPlace::Of(output, placed_key_));
  placed_.back().id = id;
  if (!id) return;
  const auto found = open_.find(*id);
  P2PCP_CHECK(found != open_.end());
  dirty_ -= found->second.dirty;
  open_.erase(found);
}

void PartKeeper::Placed(std::vector<InPlace> files) {
  std::move(files.begin(), files.end(), std::back_inserter(placed_));
}

void PartKeeper::PlacedAreDurable() {
  for (const InPlace& in_place : placed_) {
    journal_.Done(in_place.hash, in_place.size,
                  in_place.renamed_to ? &*in_place.renamed_to : nullptr);
    if (in_place.id) journal_.End(*in_place.id);
  }
  placed_.clear();
}

void PartKeeper::StartPass() {
  std::vector<UniqueFd> files;
  pass_ids_.clear();
  for (auto& [id, open] : open_) {
    if (open.dirty == 0) continue;
    open.dirty = 0;
    journal_.Mark(id);
    pass_ids_.push_back(id);
    files.push_back(Duplicate(open.fd));
  }
  syncing_ = std::exchange(dirty_, 0);
  pass_ = Pass::kParts;
  syncer_.Start(std::move(files));
}

void PartKeeper::TakePass(bool wait) {
  while (pass_ != Pass::kNone) {
    const std::optional<int> done = syncer_.Take(wait);
    if (!done) return;
    if (pass_ == Pass::kJournal) {
      pass_ = Pass::kNone;
      syncing_ = 0;
      return;
    }
    if (*done != 0) error_ = *done;
    for (const std::uint64_t id : pass_ids_) {
      const auto open = open_.find(id);
      if (open == open_.end()) continue;
      if (*done == 0) journal_.Synced(id);
      journal_.SaveHash(id, *open->second.hasher);
    }
    pass_ = Pass::kJournal;
    std::vector<UniqueFd> files;
    files.push_back(Duplicate(journal_.fd()));
    syncer_.Start(std::move(files));
  }
}

Status PartKeeper::status() const {
  if (error_ == 0) return {};
  return ErrnoError(ErrorCode::kCannotWrite,
                    "the disk did not take what was written", error_);
}

void PartKeeper::Close() {
  TakePass(/*wait=*/true);
  StartPass();
  TakePass(/*wait=*/true);
  for (const auto& [id, open] : open_) journal_.SaveHash(id, *open.hasher);
  open_.clear();
  claimed_.clear();
  placed_.clear();
  dirty_ = 0;
  error_ = 0;
}

}  // namespace p2pcp::file
