// The files of a Sink: from the first byte to the final name.

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/sink.h"

namespace p2pcp::file {

namespace {

// What is read back at once: with less, jobs are many; with more, a file's
// other jobs wait long.
constexpr std::uint64_t kHashMin = 256 << 10;
constexpr std::uint64_t kHashMax = 1 << 20;

// Files that begin further ahead of the bytes that came are not created yet.
constexpr std::uint64_t kCreateAhead = 64 << 20;

// Jobs that the writing of chunks leaves to all else.
constexpr std::size_t kSpareJobs = 16;

}  // namespace

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

}  // namespace p2pcp::file
