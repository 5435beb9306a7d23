#include "transfer/file/sink.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

namespace {

// Buffers that are kept for files that have a slot: whatever waits for later
// files, the first ones can always be finished.
constexpr std::size_t kReserveChunks = 4;
// Fewer free buffers than this, and the oldest is written as it is.
constexpr std::size_t kLowChunks = 8;

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

// --- What became of them ---

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
