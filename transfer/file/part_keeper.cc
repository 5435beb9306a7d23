#include "transfer/file/part_keeper.h"

#include <fcntl.h>

#include <utility>

#include "net/base/check.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {

namespace {

UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

}  // namespace

void PartKeeper::Resume(std::uint64_t id, int fd, const Hasher* hasher) {
  P2PCP_CHECK(journal_.state().parts().contains(id));
  open_[id] = {fd, hasher, 0};
}

std::optional<std::uint64_t> PartKeeper::Begin(const JournalState::Part& part,
                                               int fd, const Hasher* hasher) {
  const std::optional<std::uint64_t> id = journal_.Begin(part);
  if (id) Resume(*id, fd, hasher);
  return id;
}

Status PartKeeper::Written(std::uint64_t id, std::uint64_t begin,
                           std::uint64_t end) {
  journal_.Written(id, begin, end);
  open_.at(id).dirty += end - begin;
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

Status PartKeeper::End(std::uint64_t id) {
  const auto found = open_.find(id);
  P2PCP_CHECK(found != open_.end());
  dirty_ -= found->second.dirty;
  open_.erase(found);
  journal_.End(id);
  return status();
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
  dirty_ = 0;
  error_ = 0;
}

}  // namespace p2pcp::file
