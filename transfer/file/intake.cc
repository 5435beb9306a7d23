#include "transfer/file/intake.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/part_file.h"

namespace p2pcp::file {

namespace {

// What is compared at once: other jobs wait behind it.
constexpr std::uint64_t kCompareStep = 1 << 20;
// The slot that a Sink leaves.
constexpr std::uint32_t kCompareSlot = Disk::kSlots - 1;
// Jobs that it leaves to the sink.
constexpr std::size_t kSpareJobs = 192;

}  // namespace

Intake::Intake(const OutputTarget* target, const Config& config, Disk* disk)
    : target_(*target),
      config_(config),
      disk_(*disk),
      root_(std::make_shared<Folder>()) {
  root_->made = true;
  stack_.push_back(root_);
}

// --- Entries ---

Status Intake::Add(const Entry& entry) {
  Status checked = checker_.Add(entry);
  if (!checked) return checked;
  if (target_.exact_name && (entry.is_folder() || checker_.entries() > 1)) {
    return Error{ErrorCode::kUsage,
                 "--out names a file, and a folder or several files are "
                 "offered: name a folder"};
  }
  for (std::uint32_t i = 0; i < entry.up; ++i) {
    const FolderRef left = std::move(stack_.back());
    stack_.pop_back();
    Leave(left);
  }
  const FolderRef& parent = stack_.back();
  ++parent->children;
  Item item;
  item.is_folder = entry.is_folder();
  item.size = entry.size;
  item.disk_bytes = entry.disk_bytes();
  Output& output = item.output;
  output.root = &target_.folder;
  output.folder = parent->path;
  output.name = target_.exact_name.value_or(entry.name);
  output.exact = target_.exact_name.has_value();
  output.conflict = config_.conflict;
  output.size = entry.size;
  output.mtime = entry.mtime;
  output.executable = entry.executable;
  output.sparse = entry.sparse;
  ++open_;
  parents_.push_back(parent);
  FolderRef own;
  if (entry.is_folder()) {
    own = std::make_shared<Folder>();
    own->parent = parent;
    own->path = std::make_shared<const std::string>(checker_.path());
    own->output = output;
    ++open_folders_;
    stack_.push_back(own);
  }
  own_.push_back(std::move(own));
  items_.push_back(std::move(item));
  return {};
}

void Intake::End() {
  while (stack_.size() > 1) {
    const FolderRef left = std::move(stack_.back());
    stack_.pop_back();
    Leave(left);
  }
}

std::string Intake::PathOf(std::uint64_t index) const {
  return (*this)[index].output.Path();
}

bool Intake::IsOpen(std::uint64_t index) const {
  return index >= first_ && index < end() &&
         (*this)[index].state == Item::State::kOpen;
}

void Intake::Settle(std::uint64_t index) {
  P2PCP_CHECK(IsOpen(index));
  Item& item = (*this)[index];
  item.state = Item::State::kSettled;
  --open_;
  const auto at = static_cast<std::size_t>(index - first_);
  if (!item.is_folder) {
    const FolderRef parent = std::move(parents_[at]);
    --parent->children;
    FinishIfOver(parent);
  }
  Collect();
}

void Intake::Collect() {
  while (!items_.empty() && first_ < decided_ &&
         items_.front().state == Item::State::kSettled) {
    items_.pop_front();
    parents_.pop_front();
    own_.pop_front();
    ++first_;
  }
}

bool Intake::TakeFoldersMade() { return std::exchange(folders_made_, false); }

// --- Folders ---

void Intake::Leave(const FolderRef& folder) {
  folder->left = true;
  FinishIfOver(folder);
}

void Intake::FinishIfOver(FolderRef folder) {
  while (folder != nullptr && folder != root_ && folder->left &&
         folder->children == 0 && !folder->finishing &&
         (folder->made || folder->kept_back)) {
    folder->finishing = true;
    if (!folder->kept_back) {
      to_finish_.push_back(folder);
      return;
    }
    --open_folders_;
    FolderRef parent = folder->parent;
    --parent->children;
    folder = std::move(parent);
  }
}

// --- Decisions ---

void Intake::Decide(Item& item, Verdict verdict) {
  item.verdict = verdict;
  item.state = Item::State::kDecided;
}

void Intake::KeepBack(Item& item, Error error) {
  item.error = std::move(error);
  Decide(item, Verdict::kKeepBack);
}

void Intake::Advance() {
  if (!started_ || error_) return;
  if (!free_bytes_ && !inspecting_ && disk_.room() > 0) {
    inspecting_ = true;
    Job job;
    job.kind = Job::Kind::kInspectFolder;
    job.output = &root_->output;
    root_->output.root = &target_.folder;
    disk_.Submit(job);
  }
  while (!to_finish_.empty() && disk_.room() > kSpareJobs) {
    FolderRef folder = std::move(to_finish_.front());
    to_finish_.pop_front();
    Job job;
    job.kind = Job::Kind::kFinishFolder;
    folder->output.folder = folder->path;
    job.output = &folder->output;
    disk_.Submit(job);
    finishing_.push_back(std::move(folder));
  }
  AdvanceComparison();
  while (next_ < end() && ProcessItem(next_)) ++next_;
}

// Looks at an entry; false if it has to wait.
bool Intake::ProcessItem(std::uint64_t index) {
  Item& item = (*this)[index];
  const auto at = static_cast<std::size_t>(index - first_);
  const FolderRef& parent = parents_[at];
  if (!parent->made && !parent->kept_back) return false;
  const FolderRef& own = own_[at];
  if (parent->kept_back) {
    KeepBack(item,
             KeptBack(item.output, "lies in a folder that is kept back", 0));
  } else if (parent == root_ && !config_.allow_dotfiles &&
             !target_.exact_name && item.output.name.starts_with('.')) {
    KeepBack(item, KeptBack(item.output,
                            "begins with a dot: --allow-dotfiles takes it", 0));
  } else if (parent->fresh && own == nullptr) {
    item.output.fresh = true;
    Decide(item, Verdict::kWant);
  } else if (disk_.room() <= kSpareJobs) {
    return false;
  } else if (own != nullptr) {
    item.state = Item::State::kAsked;
    Job job;
    job.kind = Job::Kind::kMakeFolder;
    job.tag = index;
    job.output = &own->output;
    disk_.Submit(job);
  } else {
    item.state = Item::State::kAsked;
    Job job;
    job.kind = Job::Kind::kProbeName;
    job.tag = index;
    job.output = &item.output;
    disk_.Submit(job);
  }
  if (item.verdict == Verdict::kKeepBack && own != nullptr) {
    own->kept_back = true;
    FinishIfOver(own);
  }
  return true;
}

std::optional<Intake::Decision> Intake::PollDecision() {
  if (!decisions_.empty()) {
    Decision decision = std::move(decisions_.front());
    decisions_.pop_front();
    return decision;
  }
  if (decided_ == end()) return std::nullopt;
  Item& item = (*this)[decided_];
  if (item.state != Item::State::kDecided) return std::nullopt;
  item.state = Item::State::kOpen;
  if (item.verdict == Verdict::kCompare) compare_.push_back(decided_);
  return Decision{decided_++, item.verdict, false, std::move(item.error)};
}

bool Intake::Handle(Completion& done) {
  switch (done.kind) {
    case Job::Kind::kInspectFolder:
      if (done.error) {
        error_ = std::move(done.error);
      } else {
        free_bytes_ = done.size;
      }
      return true;
    case Job::Kind::kFinishFolder: {
      // A time that can't be set is no reason to fail.
      const FolderRef folder = std::move(finishing_.front());
      finishing_.pop_front();
      --open_folders_;
      --folder->parent->children;
      FinishIfOver(folder->parent);
      return true;
    }
    case Job::Kind::kMakeFolder: {
      Item& item = (*this)[done.tag];
      const FolderRef own = own_[static_cast<std::size_t>(done.tag - first_)];
      if (!done.error) {
        own->made = true;
        own->fresh = !done.exists;
        folders_made_ = folders_made_ || own->fresh;
        Decide(item, Verdict::kWant);
      } else if (done.error->code == ErrorCode::kKeptBack) {
        own->kept_back = true;
        KeepBack(item, *std::move(done.error));
      } else {
        error_ = std::move(done.error);
        return true;
      }
      FinishIfOver(own);
      return true;
    }
    case Job::Kind::kProbeName: {
      Item& item = (*this)[done.tag];
      if (!done.error) {
        const bool there = done.done || done.same;
        const bool trusted =
            !compare_all_ && (done.done || config_.trust_metadata);
        Decide(item, !there    ? Verdict::kWant
                     : trusted ? Verdict::kHave
                               : Verdict::kCompare);
        item.outdated = done.outdated;
        if (config_.delta && config_.conflict == ConflictPolicy::kOverwrite &&
            std::min(done.size, item.size) >= kMinDeltaSize) {
          item.base_size = done.size;
        }
        if (item.output.remains != nullptr) {
          item.disk_bytes -=
              std::min(item.disk_bytes, item.output.remains->disk_bytes);
        }
      } else if (done.error->code == ErrorCode::kKeptBack) {
        KeepBack(item, *std::move(done.error));
      } else {
        error_ = std::move(done.error);
      }
      return true;
    }
    case Job::Kind::kDigestExisting: {
      Item& item = (*this)[done.tag];
      comparing_ = false;
      if (done.error) {
        item.unlike = true;
      } else {
        compare_offset_ += done.size;
        if (!done.last) return true;
        item.found = done.digest;
        item.unlike = !done.same;
      }
      compare_.pop_front();
      compare_offset_ = 0;
      JudgeComparison(done.tag);
      return true;
    }
    default:
      return false;
  }
}

// --- Comparisons ---

void Intake::AdvanceComparison() {
  if (comparing_ || compare_.empty() || disk_.room() <= kSpareJobs) return;
  Item& item = (*this)[compare_.front()];
  Job job;
  job.kind = Job::Kind::kDigestExisting;
  job.slot = kCompareSlot;
  job.tag = compare_.front();
  job.offset = compare_offset_;
  job.size = std::min(kCompareStep, item.size - compare_offset_);
  job.last = compare_offset_ + job.size == item.size;
  job.output = &item.output;
  comparing_ = true;
  disk_.Submit(job);
}

bool Intake::ExpectDigest(std::uint64_t index, const Digest& digest) {
  if (!IsOpen(index)) return false;
  Item& item = (*this)[index];
  if (item.verdict != Verdict::kCompare || item.expected) return false;
  item.expected = digest;
  JudgeComparison(index);
  return true;
}

bool Intake::FailSource(std::uint64_t index) {
  if (!IsOpen(index)) return false;
  Item& item = (*this)[index];
  if (item.verdict != Verdict::kCompare || item.source_failed) return false;
  item.source_failed = true;
  // The job under way has a pointer to the item.
  if (comparing_ && compare_.front() == index) return true;
  if (!compare_.empty() && compare_.front() == index) compare_offset_ = 0;
  std::erase(compare_, index);
  JudgeComparison(index);
  return true;
}

void Intake::JudgeComparison(std::uint64_t index) {
  Item& item = (*this)[index];
  Decision decision{index, Verdict::kHave, true, std::nullopt};
  if (item.source_failed) {
    decision.verdict = Verdict::kKeepBack;
    decision.error = Error{ErrorCode::kSourceUnreadable,
                           PathOf(index) + " could not be read by the sender"};
  } else if (!item.expected || (!item.found && !item.unlike)) {
    return;
  } else if (item.unlike || *item.found != *item.expected) {
    decision.verdict = Verdict::kWant;
    if (config_.conflict == ConflictPolicy::kSkip || item.output.exact) {
      decision.verdict = Verdict::kKeepBack;
      decision.error = KeptBack(item.output, kExistsText, 0);
    }
  }
  item.verdict = decision.verdict;
  decisions_.push_back(std::move(decision));
}

}  // namespace p2pcp::file
