#include "transfer/file/source.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

namespace {

// The last 8 bits of a tag are the chunk.
constexpr std::uint64_t Tag(std::uint64_t piece, std::uint32_t chunk) {
  return piece << 8 | chunk;
}

}  // namespace

Source::Source(Disk* disk)
    : disk_(*disk),
      buffers_(
          std::make_unique_for_overwrite<std::byte[]>(kChunks * kChunkBytes)) {}

Source::~Source() { disk_.Abandon(); }

std::uint64_t Source::Add(std::uint64_t id,
                          std::shared_ptr<const SourceFile> file, Mode mode,
                          std::vector<Interval> skips,
                          std::uint64_t base_size) {
  Piece piece;
  piece.size = mode == Mode::kSend ? file->size : 0;
  piece.id = id;
  piece.file = std::move(file);
  piece.mode = mode;
  for (const Interval& skip : skips) {
    piece.skips.push_back({skip.begin, skip.end, /*zeros=*/false});
  }
  if (base_size > 0 && piece.file->size > kSmallFile) {
    piece.delta = std::make_unique<Delta>();
    piece.delta->base_size = base_size;
  }
  return pieces_.Append(std::move(piece));
}

void Source::Drop(std::uint64_t piece) {
  Piece& gone = pieces_[piece];
  if (gone.failed && !gone.dropped) --failed_pieces_;
  gone.dropped = true;
  ForgetDelta(gone);
  Collect();
}

void Source::DigestBlocks(std::uint64_t piece) {
  block_requests_.push_back(piece);
  Advance();
}

// Forgets the pieces at the front that nobody needs.
void Source::Collect() {
  while (!pieces_.empty() && pieces_.begin() < pass_piece_) {
    const Piece& front = pieces_[pieces_.begin()];
    if (!front.dropped || front.under_way > 0) return;
    pieces_.PopFront();
  }
}

ByteSpan Source::Read(std::uint64_t offset, std::size_t max_size) {
  P2PCP_CHECK(offset < pieces_.total() && max_size > 0);
  const std::uint64_t before = demand_;
  demand_ = std::max(
      demand_, std::min<std::uint64_t>(pieces_.total(), offset + max_size));
  ByteSpan bytes = Find(offset, max_size);
  if (!bytes.empty()) {
    // Only a chunk that is asked for to its end makes room for another.
    if (demand_ / kChunkBytes != before / kChunkBytes) AdvancePass();
    return bytes;
  }
  const std::uint64_t begin = offset - offset % kChunkBytes;
  const std::optional<std::size_t> found = FindChunk(begin);
  // Before the pass's position, and not what the pass has put there: read
  // again.
  if (offset < PassPosition() && found && offset >= chunks_[*found].submitted) {
    ReadOn(*found);
  } else if (offset < PassPosition() &&
             (!found || offset < chunks_[*found].first)) {
    if (found && chunks_[*found].outstanding == 0) {
      chunks_[*found].used = false;
      if (pass_chunk_ == *found) pass_chunk_.reset();
    }
    if (!FindChunk(begin)) {
      if (const auto index = TakeChunk(begin)) {
        chunks_[*index].reloading = true;
        AdvanceReload(*index);
      }
    }
  }
  AdvancePass();
  // It may have come from the system's cache.
  bytes = Find(offset, max_size);
  if (bytes.empty()) waiting_ = true;
  return bytes;
}

// What Read() gives if it is in memory.
ByteSpan Source::Find(std::uint64_t offset, std::size_t max_size) {
  const std::uint64_t begin = offset - offset % kChunkBytes;
  const std::optional<std::size_t> found = FindChunk(begin);
  if (!found) return {};
  Chunk& chunk = chunks_[*found];
  if (offset < chunk.first || offset >= chunk.ready) return {};
  if (failed_pieces_ > 0) {
    const Piece& piece = pieces_[pieces_.At(offset)];
    if (piece.failed) return {};
    max_size = static_cast<std::size_t>(
        std::min<std::uint64_t>(max_size, piece.begin + piece.size - offset));
  }
  chunk.last_used = ++use_counter_;
  pinned_ = *found;
  const std::uint64_t size =
      std::min<std::uint64_t>(max_size, chunk.ready - offset);
  return {Data(*found) + (offset - begin), static_cast<std::size_t>(size)};
}

void Source::HandleDisk() {
  while (std::optional<Completion> done = disk_.Poll()) {
    Handle(*std::move(done));
  }
  Advance();
}

void Source::Advance() {
  // Reading again comes first: the receiver waits for it.
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (chunks_[i].used && chunks_[i].reloading) AdvanceReload(i);
  }
  AdvanceBlocks();
  AdvancePass();
}

void Source::Handle(Completion done) {
  --under_way_;
  const std::uint64_t number = done.tag >> 8;
  const auto chunk = static_cast<std::uint32_t>(done.tag & 0xff);
  Piece& piece = pieces_[number];
  --piece.under_way;
  if (chunk != kNoChunk) {
    // Also where it failed: nobody asks for that, but for what follows.
    Chunk& loaded = chunks_[chunk];
    --loaded.outstanding;
    loaded.ready =
        std::max(loaded.ready, piece.begin + done.offset + done.size);
    loaded.last_used = ++use_counter_;
    LetReadAgain();
  }
  if (done.kind == Job::Kind::kDigestSource) {
    if (done.slot == kBlockSlot) {
      block_under_way_ = false;
    } else {
      --pass_digests_;
    }
  }
  if (done.kind == Job::Kind::kSeekSource) pass_seeking_ = false;
  if (done.kind == Job::Kind::kMatchSource) piece.delta->under_way = false;
  if (done.kind == Job::Kind::kOpenSource && done.slot == kPassSlot &&
      number == pass_piece_ && pass_opening_) {
    pass_opening_ = false;
    if (!done.error) pass_offset_ = done.size;
    // What is waited for may lie before that, where the pass does not come.
    LetReadAgain();
  }
  if (done.error) {
    FailPiece(number, *std::move(done.error));
  } else if (done.kind == Job::Kind::kMatchSource) {
    HandleMatch(number, done);
  } else if (!piece.failed) {
    switch (done.kind) {
      case Job::Kind::kReadSource:
      case Job::Kind::kDigestSource:
        if (!done.last) break;
        if (done.slot == kBlockSlot) {
          Emit(Event::Kind::kBlock, piece, done.offset, done.offset + done.size,
               done.digest);
        } else {
          Emit(Event::Kind::kDigest, piece, 0, 0, done.digest);
        }
        break;
      case Job::Kind::kSeekSource:
        if (number == pass_piece_) HandleSeek(piece, done);
        break;
      default:
        break;
    }
  }
  Collect();
}

void Source::Emit(Event::Kind kind, const Piece& piece, std::uint64_t begin,
                  std::uint64_t end, const Digest& digest) {
  Event event;
  event.kind = kind;
  event.id = piece.id;
  event.begin = begin;
  event.end = end;
  event.digest = digest;
  events_.push_back(std::move(event));
}

void Source::FailPiece(std::uint64_t number, Error error) {
  Piece& piece = pieces_[number];
  if (piece.failed || piece.dropped) return;
  piece.failed = true;
  ++failed_pieces_;
  ForgetDelta(piece);
  Emit(Event::Kind::kFailed, piece, 0, 0);
  events_.back().error = std::move(error);
}

void Source::LetReadAgain() {
  if (std::exchange(waiting_, false)) ready_ = true;
}

bool Source::TakeReady() { return std::exchange(ready_, false); }

std::optional<Source::Event> Source::PollEvent() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

// --- Buffers ---

std::optional<std::size_t> Source::FindChunk(std::uint64_t begin) const {
  const auto holds = [&](const Chunk& chunk) {
    return chunk.used && chunk.begin == begin;
  };
  if (holds(chunks_[pinned_])) return pinned_;
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    if (holds(chunks_[i])) return i;
  }
  return std::nullopt;
}

// A buffer for the bytes from begin on: a free one, or the one whose bytes were
// asked for and then not used for longest. Where reading again costs nothing
// but a copy, the one used last: it is still in the processor's cache.
std::optional<std::size_t> Source::TakeChunk(std::uint64_t begin) {
  std::optional<std::size_t> free;
  std::optional<std::size_t> oldest;
  std::optional<std::size_t> newest;
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    const Chunk& chunk = chunks_[i];
    if (!chunk.used) free = i;
    if (!chunk.used || i == pinned_ || i == pass_chunk_) continue;
    if (chunk.outstanding > 0 || chunk.reloading) continue;
    // What was read ahead waits for its use.
    if (chunk.submitted > demand_) continue;
    const std::uint64_t used = chunk.last_used;
    if (!oldest || used < chunks_[*oldest].last_used) oldest = i;
    if (!newest || used > chunks_[*newest].last_used) newest = i;
  }
  const std::optional<std::size_t> best = cached_ && newest ? newest
                                          : free            ? free
                                                            : oldest;
  if (!best) return std::nullopt;
  Chunk& chunk = chunks_[*best];
  chunk = {};
  chunk.used = true;
  chunk.begin = chunk.first = chunk.submitted = chunk.ready = begin;
  return best;
}

// Buffers whose bytes nobody has asked for yet.
std::size_t Source::ChunksAhead() const {
  return static_cast<std::size_t>(
      std::count_if(chunks_.begin(), chunks_.end(), [&](const Chunk& chunk) {
        return chunk.used && chunk.submitted > demand_;
      }));
}

// --- Reading again ---

// Submits what is missing of a chunk that the pass has been through.
void Source::AdvanceReload(std::size_t index) {
  Chunk& chunk = chunks_[index];
  const std::uint64_t end = std::min(PassPosition(), chunk.begin + kChunkBytes);
  if (chunk.submitted < pieces_.front_offset()) {
    chunk.first = chunk.submitted = chunk.ready = pieces_.front_offset();
  }
  while (chunk.submitted < end) {
    if (disk_.room() < 2) return;
    const std::uint64_t number = pieces_.At(chunk.submitted);
    const Piece& piece = pieces_[number];
    const std::uint64_t from = chunk.submitted;
    chunk.submitted = std::min(end, piece.begin + piece.size);
    if (!piece.failed && !piece.dropped) {
      SubmitRead(SlotFor(number), number, from, chunk.submitted,
                 static_cast<std::uint32_t>(index), /*digest=*/false);
    }
  }
  chunk.reloading = false;
  if (chunk.outstanding == 0) chunk.ready = chunk.submitted;
}

// The slot that will hold the file when the jobs submitted so far are done.
std::uint32_t Source::SlotFor(std::uint64_t number) {
  std::uint32_t oldest = kBlockSlot + 1;
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    if (slot_pieces_[slot] == number) {
      slot_used_[slot] = ++use_counter_;
      return slot;
    }
    if (slot > oldest && slot_used_[slot] < slot_used_[oldest]) oldest = slot;
  }
  SubmitOpen(oldest, number);
  return oldest;
}

void Source::SubmitOpen(std::uint32_t slot, std::uint64_t number) {
  Job job;
  job.kind = Job::Kind::kOpenSource;
  job.slot = slot;
  job.source = pieces_[number].file.get();
  Submit(job, number, kNoChunk);
  slot_pieces_[slot] = number;
  slot_used_[slot] = ++use_counter_;
}

void Source::SubmitRead(std::uint32_t slot, std::uint64_t number,
                        std::uint64_t begin, std::uint64_t end,
                        std::uint32_t chunk, bool digest) {
  const Piece& piece = pieces_[number];
  Job job;
  job.kind = Job::Kind::kReadSource;
  job.slot = slot;
  job.tag = Tag(number, chunk);
  job.offset = begin - piece.begin;
  job.digest = digest;
  job.last = digest && end == piece.begin + piece.size;
  job.buffer = {Data(chunk) + begin % kChunkBytes,
                static_cast<std::size_t>(end - begin)};
  ++chunks_[chunk].outstanding;
  if (under_way_ == 0 && (cached_ || (digest && begin >= try_cache_from_))) {
    if (std::optional<Completion> done = disk_.TryNow(job)) {
      cached_ = true;
      ++under_way_;
      ++pieces_[number].under_way;
      return Handle(std::move(*done));
    }
    cached_ = false;
    try_cache_from_ = begin + kRetryCache;
  }
  Submit(job, number, chunk);
}

void Source::Submit(Job job, std::uint64_t number, std::uint32_t chunk) {
  ++under_way_;
  ++pieces_[number].under_way;
  job.tag = Tag(number, chunk);
  disk_.Submit(job);
}

// --- Blocks ---

void Source::AdvanceBlocks() {
  while (!block_requests_.empty() && !block_under_way_ && disk_.room() >= 2) {
    const std::uint64_t number = block_requests_.front();
    const std::uint64_t begin = next_block_ * kBlockBytes;
    if (failed(number) || begin >= pieces_[number].file->size) {
      block_requests_.pop_front();
      next_block_ = 0;
      continue;
    }
    if (slot_pieces_[kBlockSlot] != number) SubmitOpen(kBlockSlot, number);
    Job job;
    job.kind = Job::Kind::kDigestSource;
    job.slot = kBlockSlot;
    job.digest = job.last = true;
    job.offset = begin;
    job.size = std::min(kBlockBytes, pieces_[number].file->size - begin);
    ++next_block_;
    block_under_way_ = true;
    Submit(job, number, kNoChunk);
  }
}

}  // namespace p2pcp::file
