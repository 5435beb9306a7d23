// What a Sink does before it takes bytes: looks at the folder, and at the names
// that are taken there.

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/sink.h"

namespace p2pcp::file {

namespace {

// Gaps between bytes that came. With 10 % loss a gap lasts a round trip, so
// this is 80,000 packets in flight; a sender that scatters its bytes wider is
// refused until it has filled gaps.
constexpr std::size_t kMaxGaps = 8192;
// Every part that waits in a buffer or is being written may part what has been
// written once more.
constexpr std::size_t kMaxWrittenIntervals =
    kMaxGaps + ChunkPool::kChunks * ChunkPool::kMaxDirty + 1024;

}  // namespace

void Sink::Inspect() {
  P2PCP_CHECK(!inspecting_ && !started_);
  if (target_.exact_name && manifest_.size() != 1) {
    Fail(Error{ErrorCode::kUsage, "--out names a file, and " +
                                      std::to_string(manifest_.size()) +
                                      " files are offered: name a folder"});
    return;
  }
  files_.assign(manifest_.size(), FileState::kWaiting);
  slot_of_.assign(manifest_.size(), 0);
  expected_.resize(manifest_.size());
  inspecting_ = true;
  Job job;
  job.kind = Job::Kind::kInspectFolder;
  job.output = &folder_job_;
  disk_.Submit(job);
}

void Sink::FillOutput(Output& output, std::size_t file) const {
  const Entry& entry = manifest_[file];
  output.folder = &target_.folder;
  output.part_name = part_prefix_ + "-" + std::to_string(file) + ".part";
  output.name = target_.exact_name.value_or(entry.name);
  output.exact = target_.exact_name.has_value();
  output.conflict = conflict_;
  output.size = entry.size;
  output.mtime = entry.mtime;
  output.executable = entry.executable;
  output.final_name.clear();
}

void Sink::AdvanceInspection() {
  // Where a taken name only means another number, nothing depends on it yet.
  const bool probe =
      conflict_ != ConflictPolicy::kRename || target_.exact_name.has_value();
  if (!probe) probe_next_ = probe_done_ = manifest_.size();
  while (probe_next_ < manifest_.size() && disk_.room() > 0 &&
         probe_next_ - probe_done_ < slots_.size()) {
    Output& output = slots_[probe_next_ % slots_.size()].output;
    FillOutput(output, probe_next_);
    Job job;
    job.kind = Job::Kind::kProbeName;
    job.tag = probe_next_;
    job.output = &output;
    disk_.Submit(job);
    ++probe_next_;
  }
  if (free_bytes_ && probe_done_ == manifest_.size()) FinishInspection();
}

void Sink::FinishInspection() {
  inspecting_ = false;
  // The sums can't overflow: the manifest has bounded their total.
  std::size_t runs = 0;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (files_[i] == FileState::kUnwanted) {
      ++runs;
      continue;
    }
    ++wanted_files_;
    wanted_bytes_ += manifest_[i].size;
  }
  if (wanted_bytes_ > *free_bytes_) {
    Fail(Error{ErrorCode::kCannotWrite,
               "not enough room in " + target_.folder.path() + ": " +
                   std::to_string(wanted_bytes_) + " bytes are needed, " +
                   std::to_string(*free_bytes_) + " are free"});
    return;
  }
  received_.emplace(kMaxGaps + runs);
  written_.emplace(kMaxWrittenIntervals + runs);
  for (std::size_t i = 0; i < files_.size(); ++i) {
    if (files_[i] == FileState::kUnwanted && manifest_[i].size > 0) {
      P2PCP_CHECK(received_->Add(manifest_.Begin(i), manifest_.End(i)));
      P2PCP_CHECK(written_->Add(manifest_.Begin(i), manifest_.End(i)));
    }
  }
  Event event;
  event.kind = Event::Kind::kInspected;
  events_.push_back(std::move(event));
}

}  // namespace p2pcp::file
