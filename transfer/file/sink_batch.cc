// How the files of a Sink get their names: synced, renamed, and synced again,
// many at a time. One kSync makes durable what was stored since the last one,
// and the names that were given since.

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/sink.h"

namespace p2pcp::file {

void Sink::HandleStored(std::uint64_t number, Completion done) {
  Piece& piece = pieces_[number];
  if (piece.size > 0) {
    pool_.Written(static_cast<std::size_t>(done.tag & 0xff));
    released_ += piece.size;
    written_bytes_ += piece.size;
  }
  if (done.error) return Fail(*std::move(done.error));
  piece.stored = true;
  piece.digest = done.digest;
  if (piece.dropped) {
    Discard(number, Job::Kind::kRemove);
  } else if (piece.expected) {
    Verify(number);
  }
}

// Renames what the last kSync has made durable.
void Sink::PlaceSome() {
  while (!to_place_.empty() && placing_ < kMaxPlacing && disk_.room() > 0) {
    const std::uint64_t number = to_place_.front();
    to_place_.pop_front();
    if (!pieces_.Has(number)) continue;
    Piece& piece = pieces_[number];
    if (piece.state != State::kVerified) continue;  // Dropped meanwhile.
    piece.state = State::kPlacing;
    ++placing_;
    Job job;
    job.kind = Job::Kind::kPlace;
    job.output = &piece.output;
    Submit(job, number);
  }
}

void Sink::HandlePlaced(std::uint64_t number, Completion done) {
  Piece& piece = pieces_[number];
  --placing_;
  if (!done.error) {
    piece.state = State::kPlaced;
    return placed_.push_back(number);
  }
  if (done.error->code != ErrorCode::kKeptBack) {
    return Fail(*std::move(done.error));
  }
  FailFile(piece, *std::move(done.error));
  Finish(number);
}

void Sink::NoteFolder(TimePoint now) {
  folders_made_ = true;
  if (!batch_deadline_) batch_deadline_ = now + kBatchTime;
}

bool Sink::idle() const {
  return open_ == 0 && verified_.empty() && placed_.empty() &&
         to_place_.empty() && placing_ == 0 && !syncing_ && !folders_made_;
}

std::optional<TimePoint> Sink::deadline() const {
  // Without room nothing can be submitted before something completes.
  if (syncing_ || failed_ || disk_.room() == 0) return std::nullopt;
  return batch_deadline_;
}

void Sink::AdvanceSync(TimePoint now) {
  if (syncing_) return;
  const std::size_t waiting = verified_.size() + placed_.size();
  if (waiting == 0 && !folders_made_) return;
  if (!batch_deadline_) batch_deadline_ = now + kBatchTime;
  const bool last = final_ && open_ == 0 && to_place_.empty() && placing_ == 0;
  if (waiting < kBatch && now < *batch_deadline_ && !last) return;
  if (disk_.room() == 0) return;
  batch_deadline_.reset();
  folders_made_ = false;
  syncing_ = true;
  syncing_verified_ = verified_.size();
  syncing_placed_ = placed_.size();
  Job job;
  job.kind = Job::Kind::kSync;
  job.output = &root_output_;
  disk_.Submit(job);
}

void Sink::HandleSynced(Completion done) {
  syncing_ = false;
  if (done.error) return Fail(*std::move(done.error));
  for (; syncing_verified_ > 0; --syncing_verified_) {
    to_place_.push_back(verified_.front());
    verified_.pop_front();
  }
  for (; syncing_placed_ > 0; --syncing_placed_) {
    const std::uint64_t number = placed_.front();
    placed_.pop_front();
    Piece& piece = pieces_[number];
    Event event;
    event.kind = Event::Kind::kFileDone;
    event.id = piece.id;
    event.final_name = std::move(piece.output.final_name);
    event.digest = piece.digest;
    events_.push_back(std::move(event));
    Finish(number);
  }
  Collect();
}

}  // namespace p2pcp::file
