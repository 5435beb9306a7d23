// The files of a Sink: from the first byte to verified content.

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/sink.h"

namespace p2pcp::file {

namespace {

// What is read back at once: with less, jobs are many; with more, a file's
// other jobs wait long. Holes are not read.
constexpr std::uint64_t kHashMin = 256 << 10;
constexpr std::uint64_t kHashMax = 1 << 20;
constexpr std::uint64_t kHashHoleMax = 64 << 20;

// Files that begin further ahead of the bytes that came are not created yet.
constexpr std::uint64_t kCreateAhead = 64 << 20;

// Jobs that the writing of chunks leaves to all else: to the placing of files,
// which is done beside it, its share.
constexpr std::size_t kSpareJobs = 16 + Sink::kMaxPlacing;

// With more buffers free than that, what can be written at once waits until the
// disk is idle: a file's first bytes come while it is being created, and with
// each write that is submitted the disk would be busy when the next one comes.
constexpr std::size_t kRoomToWait = ChunkPool::kChunks / 2;

}  // namespace

void Sink::HandleDisk(TimePoint now) {
  while (std::optional<Completion> done = disk_.Poll()) {
    Handle(*std::move(done));
  }
  Advance(now);
}

void Sink::Handle(Completion done) {
  if (failed_) return;
  if (done.kind == Job::Kind::kSync) return HandleSynced(std::move(done));
  // Parts of chunks have a tag with both.
  const std::uint64_t number = done.tag >> 8;
  Piece& piece = pieces_[number];
  --piece.under_way;
  switch (done.kind) {
    case Job::Kind::kStore:
      HandleStored(number, std::move(done));
      break;
    case Job::Kind::kPlace:
      HandlePlaced(number, std::move(done));
      break;
    case Job::Kind::kCreate:
    case Job::Kind::kWrite:
    case Job::Kind::kHash:
    case Job::Kind::kCommit:
    case Job::Kind::kOpenBase:
    case Job::Kind::kSignBase:
    case Job::Kind::kCopyBase:
      HandleSlot(number, std::move(done));
      break;
    default:
      break;
  }
  if (failed_) return;
  if (piece.dropped && piece.under_way == 0 && piece.state != State::kOver &&
      piece.state != State::kWaiting) {
    Finish(number);
  }
  Collect();
}

void Sink::HandleSlot(std::uint64_t number, Completion done) {
  Piece& piece = pieces_[number];
  Slot& slot = slots_[piece.slot];
  if (done.kind == Job::Kind::kWrite) {
    pool_.Written(static_cast<std::size_t>(done.tag & 0xff));
    released_ += done.size;
    written_bytes_ += done.size;
  }
  if (piece.dropped && done.kind != Job::Kind::kCommit) return;
  if (HandleBase(number, done)) return;
  if (done.error) {
    if (done.kind == Job::Kind::kCommit &&
        done.error->code == ErrorCode::kKeptBack) {
      FailFile(piece, *std::move(done.error));
      return Finish(number);
    }
    return Fail(*std::move(done.error));
  }
  switch (done.kind) {
    case Job::Kind::kCreate:
      slot.open = true;
      slot.now = done.now;
      return;
    case Job::Kind::kWrite:
    case Job::Kind::kCopyBase:
      if (!done.last) return;
      slot.hashed = true;
      piece.digest = done.digest;
      return;
    case Job::Kind::kHash:
      slot.hash_busy = false;
      if (slot.checking) return HandleBlock(number, done);
      slot.hashed = done.last;
      piece.digest = done.digest;
      return;
    default:  // kCommit
      slot.used = false;
      piece.state = State::kPlaced;
      piece.dropped = false;
      --open_;
      placed_.push_back(number);
      return;
  }
}

void Sink::Advance(TimePoint now) {
  if (failed_) return;
  Activate();
  Flush();
  HandleWrittenNow();
  for (std::uint32_t i = 0; i < slots_.size(); ++i) AdvanceSlot(i);
  // A slot that came free takes the next file.
  Activate();
  PlaceSome();
  AdvanceSync(now);
}

void Sink::Submit(Job job, std::uint64_t number) {
  ++pieces_[number].under_way;
  job.tag |= number << 8;
  if (job.kind == Job::Kind::kWrite && slots_[job.slot].now) {
    if (std::optional<Completion> done = disk_.TryNow(job)) {
      return written_now_.push_back(*std::move(done));
    }
  }
  disk_.Submit(job);
}

// Whether a file begins close to the bytes that came.
bool Sink::IsNear(const Piece& piece) const {
  return piece.begin <= high_ + kCreateAhead;
}

// Gives the next files their turn, in order: slots to large ones.
void Sink::Activate() {
  while (next_piece_ < pieces_.end()) {
    Piece& piece = pieces_[next_piece_];
    if (piece.dropped) {
      ++next_piece_;
      Finish(next_piece_ - 1);
      Collect();
      continue;
    }
    if (disk_.room() == 0) return;
    if (!IsSmall(piece)) {
      if (!IsNear(piece) || !TakeSlot(next_piece_)) return;
    } else if (piece.size == 0) {
      piece.state = State::kStoring;
      Job job;
      job.kind = Job::Kind::kStore;
      job.output = &piece.output;
      Submit(job, next_piece_);
    } else {
      piece.state = State::kGathering;
    }
    ++next_piece_;
  }
}

bool Sink::TakeSlot(std::uint64_t number) {
  const auto free = std::find_if(slots_.begin(), slots_.end(),
                                 [](const Slot& slot) { return !slot.used; });
  if (free == slots_.end() || disk_.room() < 2) return false;
  *free = {};
  free->used = true;
  free->piece = number;
  Piece& piece = pieces_[number];
  piece.state = State::kActive;
  piece.slot = static_cast<std::uint32_t>(free - slots_.begin());
  if (piece.output.remains != nullptr) {
    free->hash_offset = piece.output.remains->hashed;
  }
  Job job;
  job.kind = Job::Kind::kCreate;
  job.slot = piece.slot;
  job.output = &piece.output;
  Submit(job, number);
  if (piece.base_size > 0) OpenBase(piece.slot);
  return true;
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

void Sink::HandleWrittenNow() {
  for (std::size_t i = 0; i < written_now_.size(); ++i) {
    Handle(std::move(written_now_[i]));
  }
  written_now_.clear();
}

// Submits the first part of a chunk that is to be written, as far as one file
// goes; false if there is none, or its file has no slot yet. Files get their
// turn in order, so nothing behind it could be written either.
bool Sink::FlushRange(std::size_t chunk) {
  const Interval dirty = pool_.FirstDirty(chunk);
  if (dirty.empty()) return false;
  const auto forget = [&](std::uint64_t end) {
    pool_.TakeDirty(chunk, end);
    pool_.Written(chunk);
    released_ += end - dirty.begin;
    return true;
  };
  // Of files that failed.
  if (dirty.begin < pieces_.front_offset()) {
    return forget(std::min(dirty.end, pieces_.front_offset()));
  }
  const std::uint64_t number = pieces_.At(dirty.begin);
  Piece& piece = pieces_[number];
  const std::uint64_t end = std::min(dirty.end, piece.begin + piece.size);
  if (piece.dropped || piece.state == State::kOver) return forget(end);
  if (piece.state == State::kGathering) {
    if (end - dirty.begin == piece.size) {
      piece.state = State::kStoring;
      Job job;
      job.kind = Job::Kind::kStore;
      job.tag = chunk;
      job.output = &piece.output;
      job.buffer = pool_.TakeDirty(chunk, end);
      P2PCP_CHECK(written_.Add(dirty.begin, end));
      Submit(job, number);
      return true;
    }
    // The pool is short, and the rest has not come: it is written in parts.
    if (!TakeSlot(number)) return false;
  }
  if (piece.state != State::kActive) return false;
  Slot& slot = slots_[piece.slot];
  // What can be written at once waits for that, as long as there is room.
  if (slot.now && !disk_.idle() && pool_.free() > kRoomToWait) return false;
  Job job;
  job.kind = Job::Kind::kWrite;
  job.slot = piece.slot;
  job.tag = chunk;
  job.offset = dirty.begin - piece.begin;
  job.buffer = pool_.TakeDirty(chunk, end);
  P2PCP_CHECK(written_.Add(dirty.begin, end));
  TakeFrontier(slot, job);
  Submit(job, number);
  return true;
}

// Where a job that writes moves the contiguous frontier, it reads back at once.
void Sink::TakeFrontier(Slot& slot, Job& job) {
  const std::uint64_t frontier = HashFrontier(slot);
  if (frontier == slot.hash_offset || slot.hash_busy) return;
  TakeHashRange(slot, frontier - slot.hash_offset, job);
  job.digest = true;
}

// The end of the contiguous bytes of the file that can be read back from where
// that has come to: up to the next hole.
std::uint64_t Sink::HashFrontier(const Slot& slot) const {
  const Piece& piece = pieces_[slot.piece];
  if (piece.size == 0) return 0;
  std::uint64_t end = piece.size;
  if (const Interval* hole = piece.hole()) end = hole->begin;
  return std::min(
      written_.ContiguousEnd(piece.begin + slot.hash_offset) - piece.begin,
      end);
}

// Makes job hash the next bytes of the file, at most size of them.
void Sink::TakeHashRange(Slot& slot, std::uint64_t size, Job& job) {
  job.digest_offset = slot.hash_offset;
  job.size = std::min(size, kHashMax);
  slot.hash_offset += job.size;
  slot.hash_last = slot.hash_offset == pieces_[slot.piece].size;
  job.last = slot.hash_last;
}

// Where a hole is next, it is hashed.
bool Sink::HashHole(std::uint32_t index) {
  Slot& slot = slots_[index];
  Piece& piece = pieces_[slot.piece];
  Interval* const hole = piece.hole();
  if (hole == nullptr || hole->begin != slot.hash_offset) return false;
  Job job;
  job.kind = Job::Kind::kHash;
  job.slot = index;
  job.zeros = true;
  job.offset = slot.hash_offset;
  job.size = std::min(hole->size(), kHashHoleMax);
  slot.hash_offset += job.size;
  hole->begin += job.size;
  if (hole->empty()) piece.absent->holes.pop_front();
  slot.hash_last = job.last = slot.hash_offset == piece.size;
  slot.hash_busy = true;
  Submit(job, slot.piece);
  return true;
}

void Sink::AdvanceSlot(std::uint32_t index) {
  Slot& slot = slots_[index];
  if (!slot.used || !slot.open || slot.committing || failed_) return;
  Piece& piece = pieces_[slot.piece];
  if (piece.dropped || disk_.room() == 0) return;
  if (piece.base_size > 0) AdvanceBase(index);
  if (disk_.room() == 0) return;
  if (slot.checking) return CheckBlock(index);
  if (!slot.hashed) {
    if (slot.hash_busy || slot.hash_last || HashHole(index)) return;
    const std::uint64_t frontier = HashFrontier(slot);
    const std::uint64_t ready = frontier - slot.hash_offset;
    const bool ends = frontier == piece.size || piece.hole() != nullptr;
    if (ready < kHashMin && !ends) return;
    if (ready == 0 && slot.hash_offset < piece.size) return;
    Job job;
    job.kind = Job::Kind::kHash;
    job.slot = index;
    TakeHashRange(slot, ready, job);
    job.offset = job.digest_offset;
    slot.hash_busy = true;
    return Submit(job, slot.piece);
  }
  if (piece.expected) Verify(slot.piece);
}

// Both digests of a file are known. REQUIRES: room for a job.
void Sink::Verify(std::uint64_t number) {
  Piece& piece = pieces_[number];
  const bool slotted = piece.state == State::kActive;
  if (*piece.expected == piece.digest) {
    if (!slotted) {
      piece.state = State::kVerified;
      --open_;
      return verified_.push_back(number);
    }
    slots_[piece.slot].committing = true;
    Job job;
    job.kind = Job::Kind::kCommit;
    job.slot = piece.slot;
    job.output = &piece.output;
    return Submit(job, number);
  }
  if (disk_.room() == 0 || BeginRepair(number)) return;
  FailDamaged(number);
}

// Deletes what there is of a file that is dropped. The file is over when that
// is done.
void Sink::Discard(std::uint64_t number, Job::Kind kind) {
  Piece& piece = pieces_[number];
  if (piece.state == State::kVerified) {
    ++open_;
    piece.state = State::kStoring;
  }
  Job job;
  job.kind = kind;
  job.slot = piece.state == State::kActive ? piece.slot : 0;
  job.output = &piece.output;
  Submit(job, number);
}

void Sink::Finish(std::uint64_t number) {
  Piece& piece = pieces_[number];
  if (piece.state == State::kActive) slots_[piece.slot].used = false;
  if (piece.state != State::kPlaced && piece.state != State::kVerified &&
      piece.state != State::kPlacing) {
    --open_;
  }
  piece.state = State::kOver;
}

// Forgets the pieces at the front that are over.
void Sink::Collect() {
  while (!pieces_.empty() && pieces_.begin() < next_piece_) {
    const Piece& front = pieces_[pieces_.begin()];
    if (front.state != State::kOver || front.under_way > 0) return;
    pieces_.PopFront();
  }
}

}  // namespace p2pcp::file
