// What a Sink does with bytes as they come: see sink_files.cc for the files and
// sink_batch.cc for how they get their names.

#include "transfer/file/sink.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

namespace {

// Buffers that are kept for files that have their turn: whatever waits for
// later files, the first ones can always be finished.
constexpr std::size_t kReserveChunks = 4;
// Fewer free buffers than this, and the oldest is written as it is.
constexpr std::size_t kLowChunks = 8;
// Gaps between bytes that came. With 10 % loss a gap lasts a round trip, so
// this is 80,000 packets in flight; a sender that scatters its bytes wider is
// refused until it has filled gaps.
constexpr std::size_t kMaxGaps = 8192;
// Every part that waits in a buffer or is being written may part what has been
// written once more.
constexpr std::size_t kMaxWrittenIntervals =
    kMaxGaps + ChunkPool::kChunks * ChunkPool::kMaxDirty + kMaxDeltaCopies +
    1024;
// Holes of a file that wait to be hashed: as many as the bytes between them
// make gaps.
constexpr std::size_t kMaxHoles = 2 * kMaxGaps;

constexpr std::uint64_t ChunkEnd(std::uint64_t offset) {
  return ChunkPool::ChunkBegin(offset) + ChunkPool::kChunkBytes;
}

}  // namespace

Sink::Sink(const OutputTarget* target, ConflictPolicy conflict, Disk* disk,
           Random* random)
    : target_(*target),
      conflict_(conflict),
      disk_(*disk),
      part_prefix_(".p2pcp-" + Hex(random->Array<8>())),
      received_(kMaxGaps),
      written_(kMaxWrittenIntervals) {
  root_output_.root = &target_.folder;
}

Sink::~Sink() { disk_.Abandon(); }

void Sink::Abandon() {
  failed_ = true;
  disk_.Abandon();
  for (std::uint64_t i = pieces_.begin(); i < pieces_.end(); ++i) {
    pieces_[i].output.unnamed.reset();
  }
}

std::uint64_t Sink::Add(File file) {
  Piece piece;
  piece.size = file.size;
  piece.id = file.id;
  piece.base_size = file.base_size;
  if (file.sparse || file.base_size > 0) {
    piece.absent = std::make_unique<Absent>();
  }
  Output& output = piece.output;
  output.root = &target_.folder;
  output.folder = std::move(file.folder);
  output.fresh = file.fresh;
  output.part_prefix = &part_prefix_;
  output.part_number = next_part_++;
  output.name = std::move(file.name);
  output.exact = file.exact;
  output.conflict = conflict_;
  output.size = file.size;
  output.mtime = file.mtime;
  output.executable = file.executable;
  output.sparse = file.sparse;
  output.compared = file.compared;
  output.remains = std::move(file.remains);
  // A chunk that the space ended in gets longer.
  const std::uint64_t end = pieces_.total();
  if (end % ChunkPool::kChunkBytes != 0 && file.size > 0) {
    if (const auto chunk = pool_.Find(ChunkPool::ChunkBegin(end))) {
      pool_.AddMissing(*chunk, std::min(ChunkEnd(end), end + file.size) - end);
    }
  }
  ++open_;
  const std::uint64_t number = pieces_.Append(std::move(piece));
  TakeRemains(pieces_[number]);
  return number;
}

void Sink::TakeRemains(const Piece& piece) {
  if (piece.output.remains == nullptr) return;
  for (const Interval& had : piece.output.remains->had) {
    const Interval range{piece.begin + had.begin, piece.begin + had.end};
    if (!MarkAbsent(range.begin, range.end) ||
        !written_.Add(range.begin, range.end)) {
      return Fail({ErrorCode::kMalformed, "too many gaps in what came"});
    }
    written_bytes_ += range.size();
  }
}

bool Sink::IsOpen(std::uint64_t piece) const {
  return pieces_.Has(piece) && pieces_[piece].state != State::kOver &&
         !pieces_[piece].dropped;
}

std::uint64_t Sink::WrittenOf(std::uint64_t id, std::uint64_t piece) const {
  if (!IsOpen(piece) || pieces_[piece].id != id) return 0;
  const std::uint64_t begin = pieces_[piece].begin;
  return written_.BytesIn(begin, begin + pieces_[piece].size);
}

bool Sink::IsSmall(const Piece& piece) const {
  return piece.size <= kSmallFile && !piece.output.sparse &&
         piece.output.remains == nullptr &&
         (piece.size == 0 || piece.begin + piece.size <= ChunkEnd(piece.begin));
}

// --- Taking bytes ---

Sink::Take Sink::Write(std::uint64_t offset, BytePieces bytes) {
  P2PCP_CHECK(bytes.size() <= ChunkPool::kChunkBytes);
  if (failed_) return Take::kNoRoom;
  if (bytes.size() == 0) return Take::kTaken;
  if (offset > pieces_.total() || bytes.size() > pieces_.total() - offset) {
    return Take::kOutside;
  }
  const std::uint64_t end = offset + bytes.size();
  if (received_.FirstGap(offset, end) != Interval{offset, end}) {
    return Take::kOutside;
  }
  // All of it must fit before any of it is taken.
  const std::uint64_t begin_of_last = ChunkPool::ChunkBegin(end - 1);
  const bool fits = Prepare(offset, std::min(end, ChunkEnd(offset))) &&
                    (begin_of_last <= offset || Prepare(begin_of_last, end)) &&
                    // Fails where there are too many gaps in what came.
                    received_.Add(offset, end);
  if (fits) {
    Store(offset, end, bytes);
    high_ = std::max(high_, end);
  } else {
    pool_.FreeIfEmpty(ChunkPool::ChunkBegin(offset));
    pool_.FreeIfEmpty(begin_of_last);
  }
  // Not before: it frees buffers.
  HandleWrittenNow();
  return fits ? Take::kTaken : Take::kNoRoom;
}

// Whether a chunk may have a buffer now.
bool Sink::MayHold(std::uint64_t chunk_begin, std::uint64_t offset) const {
  if (pool_.free() > kReserveChunks) return true;
  if (pool_.free() == 0) return false;
  // The rest is for what can be written at once.
  const State state = pieces_[pieces_.At(std::max(chunk_begin, offset))].state;
  return state == State::kActive || state == State::kGathering;
}

// Bytes of [begin, end) that have not come.
std::uint64_t Sink::Missing(std::uint64_t begin, std::uint64_t end) const {
  std::uint64_t missing = 0;
  for (std::uint64_t at = begin; at < end;) {
    const Interval gap = received_.FirstGap(at, end);
    missing += gap.size();
    at = gap.end;
  }
  return missing;
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
  pool_.Allocate(
      chunk_begin,
      Missing(chunk_begin, std::min(pieces_.total(), ChunkEnd(chunk_begin))));
  return true;
}

// Copies bytes to [begin, end), which may lie in two chunks.
void Sink::Store(std::uint64_t begin, std::uint64_t end, BytePieces& bytes) {
  bool due = false;
  while (begin < end) {
    const std::uint64_t chunk_begin = ChunkPool::ChunkBegin(begin);
    const std::uint64_t stop = std::min(end, ChunkEnd(begin));
    const auto chunk = pool_.Find(chunk_begin);
    P2PCP_CHECK(chunk.has_value());
    pool_.Put(*chunk, begin, stop, bytes);
    due = due || pool_.IsDue(*chunk);
    begin = stop;
  }
  if (due) Flush();
}

bool Sink::ExpectDigest(std::uint64_t number, const Digest& digest) {
  if (!IsOpen(number)) return false;
  Piece& piece = pieces_[number];
  if (piece.expected) return *piece.expected == digest;
  piece.expected = digest;
  if (piece.state == State::kActive) {
    AdvanceSlot(piece.slot);
  } else if (piece.stored && piece.state == State::kStoring) {
    Verify(number);
  }
  return true;
}

// --- What does not come ---

// Counts [begin, end) as come and written. False if there are too many gaps.
bool Sink::MarkAbsent(std::uint64_t begin, std::uint64_t end) {
  if (begin == end) return true;
  for (std::size_t chunk = 0; chunk < ChunkPool::kChunks; ++chunk) {
    if (!pool_.IsUsed(chunk)) continue;
    const std::uint64_t low = std::max(begin, pool_.Begin(chunk));
    const std::uint64_t high =
        std::min(end, pool_.Begin(chunk) + ChunkPool::kChunkBytes);
    if (low < high) pool_.RemoveMissing(chunk, Missing(low, high));
  }
  if (!received_.Add(begin, end)) return false;
  high_ = std::max(high_, end);
  return true;
}

bool Sink::AddHole(std::uint64_t number, std::uint64_t begin,
                   std::uint64_t end) {
  if (!IsOpen(number)) return true;
  Piece& piece = pieces_[number];
  P2PCP_CHECK(begin < end && end <= piece.size);
  const Interval hole{piece.begin + begin, piece.begin + end};
  if (!piece.output.sparse || piece.absent->holes.size() == kMaxHoles ||
      received_.FirstGap(hole.begin, hole.end) != hole ||
      !MarkAbsent(hole.begin, hole.end) ||
      !written_.Add(hole.begin, hole.end)) {
    return false;
  }
  piece.absent->holes.push_back({begin, end});
  written_bytes_ += end - begin;
  if (piece.state == State::kActive) AdvanceSlot(piece.slot);
  return true;
}

void Sink::Drop(std::uint64_t number) {
  if (!IsOpen(number) || failed_) return;
  Piece& piece = pieces_[number];
  // Once it has its name it stays.
  if (piece.state == State::kPlacing || piece.state == State::kPlaced) return;
  piece.dropped = true;
  if (piece.absent != nullptr) {
    copies_ -= piece.absent->copies.size();
    piece.absent->copies.clear();
  }
  const std::uint64_t end = piece.begin + piece.size;
  if (!MarkAbsent(piece.begin, end)) {
    return Fail({ErrorCode::kMalformed, "too many gaps in what came"});
  }
  switch (piece.state) {
    case State::kWaiting:
      break;
    case State::kGathering:
      Finish(number);
      break;
    case State::kActive:
      if (slots_[piece.slot].committing) break;
      Discard(number, Job::Kind::kDiscard);
      break;
    case State::kStoring:
    case State::kVerified:
      if (piece.stored) Discard(number, Job::Kind::kRemove);
      break;
    default:
      break;
  }
}

// --- What became of them ---

void Sink::FailFile(const Piece& piece, Error error) {
  Event event;
  event.kind = Event::Kind::kFileFailed;
  event.id = piece.id;
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
  if (event.kind == Event::Kind::kSignatures) --signature_events_;
  return event;
}

std::uint64_t Sink::TakeReleased() { return std::exchange(released_, 0); }

}  // namespace p2pcp::file
