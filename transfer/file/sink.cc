#include "transfer/file/sink.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

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

// Buffers that are kept for files that have a slot: whatever waits for later
// files, the first ones can always be finished.
constexpr std::size_t kReserveChunks = 4;
// Fewer free buffers than this, and the oldest is written as it is.
constexpr std::size_t kLowChunks = 8;

// What is read back at once: with less, jobs are many; with more, a file's
// other jobs wait long.
constexpr std::uint64_t kHashMin = 256 << 10;
constexpr std::uint64_t kHashMax = 1 << 20;

// Files that begin further ahead of the bytes that came are not created yet.
constexpr std::uint64_t kCreateAhead = 64 << 20;

// Jobs that the writing of chunks leaves to all else.
constexpr std::size_t kSpareJobs = 16;

constexpr std::uint64_t ChunkEnd(std::uint64_t offset) {
  return ChunkPool::ChunkBegin(offset) + ChunkPool::kChunkBytes;
}

}  // namespace

Sink::Sink(const OutputTarget* target, ConflictPolicy conflict,
           const Manifest* manifest, Disk* disk, Random* random)
    : target_(*target),
      conflict_(conflict),
      manifest_(*manifest),
      disk_(*disk),
      part_prefix_(".p2pcp-" + Hex(random->Array<8>())) {
  folder_job_.folder = &target_.folder;
}

Sink::~Sink() { disk_.Abandon(); }

void Sink::Abandon() {
  failed_ = true;
  disk_.Abandon();
}

// --- Looking at the folder ---

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

// --- Taking bytes ---

void Sink::Start() {
  P2PCP_CHECK(received_.has_value() && !started_);
  started_ = true;
  Advance();
}

Sink::Take Sink::Write(std::uint64_t offset, ByteSpan bytes) {
  P2PCP_CHECK(started_ && bytes.size() <= ChunkPool::kChunkBytes);
  if (failed_) return Take::kNoRoom;
  if (bytes.empty()) return Take::kTaken;
  if (offset > manifest_.total() || bytes.size() > manifest_.total() - offset) {
    return Take::kOutside;
  }
  const std::uint64_t end = offset + bytes.size();
  if (received_->FirstGap(offset, end) != Interval{offset, end}) {
    return Take::kOutside;
  }
  // All of it must fit before any of it is taken.
  const std::uint64_t begin_of_last = ChunkPool::ChunkBegin(end - 1);
  const bool fits = Prepare(offset, std::min(end, ChunkEnd(offset))) &&
                    (begin_of_last <= offset || Prepare(begin_of_last, end)) &&
                    // Fails where there are too many gaps in what came.
                    received_->Add(offset, end);
  if (!fits) {
    pool_.FreeIfEmpty(ChunkPool::ChunkBegin(offset));
    pool_.FreeIfEmpty(begin_of_last);
    return Take::kNoRoom;
  }
  Store(offset, end, bytes);
  high_ = std::max(high_, end);
  return Take::kTaken;
}

// Whether a chunk may have a buffer now.
bool Sink::MayHold(std::uint64_t chunk_begin, std::uint64_t offset) const {
  if (pool_.free() > kReserveChunks) return true;
  if (pool_.free() == 0) return false;
  // The rest is for what can be written at once.
  return files_[manifest_.FileAt(std::max(chunk_begin, offset))] ==
         FileState::kActive;
}

// Makes sure that [begin, end), inside of one chunk, can be stored.
bool Sink::Prepare(std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t chunk_begin = ChunkPool::ChunkBegin(begin);
  if (const auto chunk = pool_.Find(chunk_begin)) {
    if (pool_.HasRoom(*chunk, begin, end)) return true;
    pool_.MakeDue(*chunk);
    Flush();
    return pool_.IsUsed(*chunk) && pool_.HasRoom(*chunk, begin, end);
  }
  if (pool_.free() < kLowChunks) {
    if (const auto oldest = pool_.Oldest()) pool_.MakeDue(*oldest);
    Flush();
  }
  if (!MayHold(chunk_begin, begin)) return false;
  const std::uint64_t chunk_end =
      std::min(manifest_.total(), ChunkEnd(chunk_begin));
  std::uint64_t missing = 0;
  for (std::uint64_t at = chunk_begin; at < chunk_end;) {
    const Interval gap = received_->FirstGap(at, chunk_end);
    missing += gap.size();
    at = gap.end;
  }
  pool_.Allocate(chunk_begin, missing);
  return true;
}

// Copies bytes to [begin, end), which may lie in two chunks.
void Sink::Store(std::uint64_t begin, std::uint64_t end, ByteSpan bytes) {
  bool due = false;
  while (begin < end) {
    const std::uint64_t chunk_begin = ChunkPool::ChunkBegin(begin);
    const std::uint64_t stop = std::min(end, ChunkEnd(begin));
    const auto chunk = pool_.Find(chunk_begin);
    P2PCP_CHECK(chunk.has_value());
    const auto size = static_cast<std::size_t>(stop - begin);
    pool_.Put(*chunk, begin, bytes.first(size));
    due = due || pool_.IsDue(*chunk);
    bytes = bytes.subspan(size);
    begin = stop;
  }
  if (due) Flush();
}

bool Sink::ExpectDigest(std::size_t index, const Digest& digest) {
  P2PCP_CHECK(started_);
  if (index >= files_.size() || files_[index] == FileState::kUnwanted) {
    return false;
  }
  if (expected_[index]) return *expected_[index] == digest;
  expected_[index] = digest;
  if (files_[index] == FileState::kActive) AdvanceSlot(slot_of_[index]);
  return true;
}

// --- The disk ---

void Sink::HandleDisk() {
  while (std::optional<Completion> done = disk_.Poll()) {
    if (!failed_) HandleCompletion(std::move(*done));
  }
  Advance();
}

void Sink::HandleCompletion(Completion done) {
  switch (done.kind) {
    case Job::Kind::kInspectFolder:
      if (done.error) return Fail(std::move(*done.error));
      free_bytes_ = done.size;
      return;
    case Job::Kind::kProbeName: {
      ++probe_done_;
      if (!done.error) return;
      if (done.error->code != ErrorCode::kKeptBack) {
        return Fail(std::move(*done.error));
      }
      const auto file = static_cast<std::size_t>(done.tag);
      FailFile(file, std::move(*done.error));
      files_[file] = FileState::kUnwanted;
      return;
    }
    case Job::Kind::kSyncFolder:
      if (done.error) return Fail(std::move(*done.error));
      for (; syncing_ > 0; --syncing_) {
        Renamed& renamed = renamed_.front();
        Event event;
        event.kind = Event::Kind::kFileDone;
        event.index = renamed.file;
        event.final_name = std::move(renamed.final_name);
        event.digest = renamed.digest;
        events_.push_back(std::move(event));
        renamed_.pop_front();
      }
      return;
    case Job::Kind::kCreate:
    case Job::Kind::kWrite:
    case Job::Kind::kHash:
    case Job::Kind::kCommit:
      return HandleSlotCompletion(std::move(done));
    case Job::Kind::kDiscard:
    case Job::Kind::kOpenSource:
    case Job::Kind::kReadSource:
      return;
  }
}

void Sink::HandleSlotCompletion(Completion done) {
  Slot& slot = slots_[done.slot];
  const bool commit = done.kind == Job::Kind::kCommit;
  if (done.error) {
    if (commit && done.error->code == ErrorCode::kKeptBack) {
      FailFile(slot.file, std::move(*done.error));
      return FreeSlot(slot);
    }
    return Fail(std::move(*done.error));
  }
  switch (done.kind) {
    case Job::Kind::kCreate:
      slot.open = true;
      return;
    case Job::Kind::kWrite: {
      written_bytes_ += done.size;
      released_ += done.size;
      if (done.last) {
        slot.hashed = true;
        slot.digest = done.digest;
      }
      return pool_.Written(static_cast<std::size_t>(done.tag));
    }
    case Job::Kind::kHash:
      slot.hash_busy = false;
      slot.hashed = done.last;
      slot.digest = done.digest;
      return;
    default:  // kCommit
      renamed_.push_back(
          {slot.file, std::move(slot.output.final_name), slot.digest});
      return FreeSlot(slot);
  }
}

void Sink::Advance() {
  if (failed_) return;
  if (inspecting_) return AdvanceInspection();
  if (!started_) return;
  Activate();
  Flush();
  for (std::uint32_t i = 0; i < slots_.size(); ++i) AdvanceSlot(i);
  // A slot that came free takes the next file.
  Activate();
  SyncFolder();
}

// Whether a file begins close to the bytes that came.
bool Sink::IsNear(std::size_t file) const {
  return manifest_.Begin(file) <= high_ + kCreateAhead;
}

// Gives slots to the next files, in order.
void Sink::Activate() {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    while (next_file_ < files_.size() &&
           files_[next_file_] == FileState::kUnwanted && IsNear(next_file_)) {
      // No byte of it comes, so it is no distance either.
      high_ = std::max(high_, manifest_.End(next_file_));
      ++next_file_;
    }
    if (next_file_ == files_.size() || !IsNear(next_file_)) return;
    if (disk_.room() == 0) return;
    Slot& slot = slots_[i];
    if (slot.used) continue;
    slot.used = true;
    slot.open = slot.hash_busy = slot.hash_last = false;
    slot.hashed = slot.committing = false;
    slot.file = next_file_;
    slot.hash_offset = 0;
    FillOutput(slot.output, next_file_);
    files_[next_file_] = FileState::kActive;
    slot_of_[next_file_] = i;
    ++next_file_;
    Job job;
    job.kind = Job::Kind::kCreate;
    job.slot = i;
    job.output = &slot.output;
    disk_.Submit(job);
  }
}

// Submits what is due of the chunks.
void Sink::Flush() {
  for (std::size_t chunk = 0; chunk < ChunkPool::kChunks; ++chunk) {
    while (pool_.IsUsed(chunk) && pool_.IsDue(chunk)) {
      if (disk_.room() <= kSpareJobs) return;
      if (!FlushRange(chunk)) break;
    }
  }
}

// Submits the first part of a chunk that is to be written, as far as one file
// goes; false if there is none, or its file has no slot yet. Files get their
// slots in order, so nothing behind it could be written either.
bool Sink::FlushRange(std::size_t chunk) {
  const Interval dirty = pool_.FirstDirty(chunk);
  if (dirty.empty()) return false;
  const std::size_t file = manifest_.FileAt(dirty.begin);
  if (files_[file] != FileState::kActive) return false;
  Job job;
  job.kind = Job::Kind::kWrite;
  job.slot = slot_of_[file];
  job.tag = chunk;
  job.offset = dirty.begin - manifest_.Begin(file);
  const std::uint64_t end = std::min(dirty.end, manifest_.End(file));
  job.buffer = pool_.TakeDirty(chunk, end);
  P2PCP_CHECK(written_->Add(dirty.begin, end));
  Slot& slot = slots_[job.slot];
  // Where it moves the contiguous frontier, the job reads back at once.
  if (const std::uint64_t frontier = HashFrontier(slot);
      frontier > slot.hash_offset) {
    TakeHashRange(slot, frontier - slot.hash_offset, job);
    job.digest = true;
  }
  disk_.Submit(job);
  return true;
}

// The end of the contiguous bytes of the file from its beginning on.
std::uint64_t Sink::HashFrontier(const Slot& slot) const {
  const std::uint64_t size = manifest_[slot.file].size;
  if (size == 0) return 0;
  const std::uint64_t begin = manifest_.Begin(slot.file);
  return std::min(written_->ContiguousEnd(begin + slot.hash_offset) - begin,
                  size);
}

// Makes job hash the next bytes of the file, at most size of them.
void Sink::TakeHashRange(Slot& slot, std::uint64_t size, Job& job) {
  job.digest_offset = slot.hash_offset;
  job.size = std::min(size, kHashMax);
  slot.hash_offset += job.size;
  slot.hash_last = slot.hash_offset == manifest_[slot.file].size;
  job.last = slot.hash_last;
}

void Sink::AdvanceSlot(std::uint32_t index) {
  Slot& slot = slots_[index];
  if (!slot.used || !slot.open || slot.committing || failed_) return;
  if (disk_.room() == 0) return;
  const std::uint64_t size = manifest_[slot.file].size;
  if (!slot.hashed) {
    if (slot.hash_busy || slot.hash_last) return;
    const std::uint64_t frontier = HashFrontier(slot);
    const std::uint64_t ready = frontier - slot.hash_offset;
    if (ready < kHashMin && frontier < size) return;
    Job job;
    job.kind = Job::Kind::kHash;
    job.slot = index;
    TakeHashRange(slot, ready, job);
    job.offset = job.digest_offset;
    slot.hash_busy = true;
    disk_.Submit(job);
    return;
  }
  const std::optional<Digest>& expected = expected_[slot.file];
  if (!expected) return;
  Job job;
  job.slot = index;
  if (*expected == slot.digest) {
    job.kind = Job::Kind::kCommit;
    job.output = &slot.output;
    slot.committing = true;
    disk_.Submit(job);
    return;
  }
  job.kind = Job::Kind::kDiscard;
  disk_.Submit(job);
  FailFile(slot.file, Error{ErrorCode::kIntegrity,
                            manifest_[slot.file].name +
                                " arrived damaged: its digest is " +
                                slot.digest.ToString() + ", the sender's " +
                                expected->ToString()});
  FreeSlot(slot);
}

void Sink::SyncFolder() {
  if (syncing_ > 0 || renamed_.empty() || disk_.room() == 0) return;
  syncing_ = renamed_.size();
  Job job;
  job.kind = Job::Kind::kSyncFolder;
  job.output = &folder_job_;
  disk_.Submit(job);
}

void Sink::FreeSlot(Slot& slot) {
  files_[slot.file] = FileState::kOver;
  slot.used = false;
}

void Sink::FailFile(std::size_t file, Error error) {
  Event event;
  event.kind = Event::Kind::kFileFailed;
  event.index = file;
  event.error = std::move(error);
  events_.push_back(std::move(event));
}

void Sink::Fail(Error error) {
  failed_ = true;
  Event event;
  event.kind = Event::Kind::kFailed;
  event.error = std::move(error);
  events_.push_back(std::move(event));
}

std::optional<Sink::Event> Sink::PollEvent() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::uint64_t Sink::TakeReleased() { return std::exchange(released_, 0); }

}  // namespace p2pcp::file
