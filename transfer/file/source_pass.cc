// The pass of a Source: each file once from end to end, ahead of what is asked
// for, its holes found and its digest taken on the way.

#include <algorithm>

#include "transfer/file/source.h"

namespace p2pcp::file {

namespace {

// Small holes and pieces of data cost more to tell apart than to send.
constexpr std::uint64_t kMinHole = 64 << 10;

}  // namespace

std::uint64_t Source::PassPosition() const {
  if (pass_piece_ == pieces_.end()) return pieces_.total();
  const Piece& piece = pieces_[pass_piece_];
  return piece.begin + (piece.mode == Mode::kSend ? pass_offset_ : 0);
}

void Source::AdvancePass() {
  // A step submits an open and a read at most.
  while (disk_.room() >= 2 && PassStep()) {
  }
}

void Source::NextPiece() {
  EndDelta(pieces_[pass_piece_]);
  ++pass_piece_;
  pass_offset_ = pass_known_ = 0;
  pass_skip_ = 0;
  pass_open_ = pass_opening_ = false;
  Collect();
}

// Submits the next job of the pass; false if there is none now.
bool Source::PassStep() {
  if (pass_piece_ == pieces_.end()) return false;
  Piece& piece = pieces_[pass_piece_];
  // What it finds may end the pass over this file, and the matcher with it.
  if (piece.delta && piece.delta->under_way) return false;
  if (piece.failed || piece.dropped) {
    if (pass_seeking_) return false;
    NextPiece();
    return true;
  }
  const SourceFile& file = *piece.file;
  if (pass_offset_ == 0 && piece.mode == Mode::kSend && !file.sparse &&
      piece.skips.empty() && file.size <= kSmallFile &&
      piece.begin % kChunkBytes + file.size <= kChunkBytes) {
    return PassWhole(piece);
  }
  if (!pass_open_) return OpenForPass(piece);
  if (pass_opening_) return false;
  if (piece.mode == Mode::kDigest) {
    return PassDigest(piece, file.size, /*zeros=*/false);
  }
  while (pass_skip_ < piece.skips.size() &&
         piece.skips[pass_skip_].end <= pass_offset_) {
    ++pass_skip_;
  }
  std::uint64_t end = file.size;
  if (pass_skip_ < piece.skips.size()) {
    const Skip& skip = piece.skips[pass_skip_];
    if (skip.begin <= pass_offset_) {
      return PassDigest(piece, skip.end, skip.zeros);
    }
    end = skip.begin;
  }
  if (pass_offset_ == file.size) {  // Its digest was known to the end.
    return PassDigest(piece, file.size, /*zeros=*/false);
  }
  if (file.sparse) {
    if (pass_known_ <= pass_offset_) return PassSeek(piece);
    end = std::min(end, pass_known_);
  }
  return piece.delta ? PassMatch(piece, end) : PassData(piece, end);
}

// A large file may go on where an earlier session has come to.
bool Source::OpenForPass(const Piece& piece) {
  pass_open_ = true;
  if (piece.mode == Mode::kDigest || piece.file->size < kKeptSize) {
    SubmitOpen(kPassSlot, pass_piece_);
    return true;
  }
  pass_opening_ = true;
  Job job;
  job.kind = Job::Kind::kOpenSource;
  job.slot = kPassSlot;
  job.source = piece.file.get();
  job.digest = true;
  // What is before the place where the pass begins is not looked through for
  // holes, or for what the base has.
  job.size = piece.file->size;
  if (piece.file->sparse || piece.delta) {
    job.size = piece.skips.empty() || piece.skips[0].begin > 0
                   ? 0
                   : piece.skips[0].end;
  }
  Submit(job, pass_piece_, kNoChunk);
  slot_pieces_[kPassSlot] = pass_piece_;
  slot_used_[kPassSlot] = ++use_counter_;
  return true;
}

// A small file: one job does it all.
bool Source::PassWhole(Piece& piece) {
  const SourceFile& file = *piece.file;
  Job job;
  job.kind = Job::Kind::kReadSource;
  job.source = &file;
  job.digest = job.last = true;
  if (file.size > 0) {
    if (!TakePassChunk(piece.begin, /*ahead=*/true)) return false;
    Chunk& chunk = chunks_[*pass_chunk_];
    job.buffer = {Data(*pass_chunk_) + (piece.begin - chunk.begin),
                  static_cast<std::size_t>(file.size)};
    chunk.submitted = piece.begin + file.size;
    ++chunk.outstanding;
    Submit(job, pass_piece_, static_cast<std::uint32_t>(*pass_chunk_));
    if (chunk.submitted == chunk.begin + kChunkBytes) pass_chunk_.reset();
  } else {
    Submit(job, pass_piece_, kNoChunk);
  }
  NextPiece();
  return true;
}

// Bytes that are digested and not sent.
bool Source::PassDigest(Piece& piece, std::uint64_t end, bool zeros) {
  // Other reads should not wait behind many of these.
  constexpr std::uint32_t kMaxUnderWay = 4;
  constexpr std::uint64_t kStep = 1 << 20;
  // Zeros cost no reading.
  constexpr std::uint64_t kZerosStep = 64 << 20;
  if (pass_digests_ == kMaxUnderWay) return false;
  const std::uint64_t size = piece.file->size;
  Job job;
  job.kind = Job::Kind::kDigestSource;
  job.slot = kPassSlot;
  job.zeros = zeros;
  job.offset = pass_offset_;
  job.size = std::min(end - pass_offset_, zeros ? kZerosStep : kStep);
  pass_offset_ += job.size;
  job.last = pass_offset_ == size;
  ++pass_digests_;
  Submit(job, pass_piece_, kNoChunk);
  if (job.last) NextPiece();
  return true;
}

bool Source::PassSeek(Piece&) {
  if (pass_seeking_) return false;
  pass_seeking_ = true;
  Job job;
  job.kind = Job::Kind::kSeekSource;
  job.slot = kPassSlot;
  job.offset = pass_offset_;
  Submit(job, pass_piece_, kNoChunk);
  return true;
}

void Source::HandleSeek(Piece& piece, const Completion& done) {
  const std::uint64_t size = piece.file->size;
  std::uint64_t begin = done.offset;
  const std::uint64_t end = done.offset + done.size;
  if (begin - pass_offset_ < kMinHole && begin < size) begin = pass_offset_;
  if (begin > pass_offset_) {
    Emit(Event::Kind::kHole, piece, pass_offset_, begin);
    // Digested here, so that what follows is the data.
    piece.skips.insert(
        piece.skips.begin() + static_cast<std::ptrdiff_t>(pass_skip_),
        Skip{pass_offset_, begin, /*zeros=*/true});
  }
  if (end > begin && !piece.delta) {
    Emit(Event::Kind::kData, piece, begin, end);
  }
  pass_known_ = end;
}

bool Source::TakePassChunk(std::uint64_t position, bool ahead) {
  const std::uint64_t begin = position - position % kChunkBytes;
  if (pass_chunk_ && chunks_[*pass_chunk_].begin != begin) pass_chunk_.reset();
  if (pass_chunk_) return true;
  if (ChunksAhead() >= (ahead ? kChunksAhead : 1)) return false;
  // What was read again of it is joined.
  if (const std::optional<std::size_t> found = FindChunk(begin)) {
    Chunk& chunk = chunks_[*found];
    if (chunk.submitted < position) ReadOn(*found);
    if (chunk.submitted < position) return false;
    pass_chunk_ = found;
    return true;
  }
  pass_chunk_ = TakeChunk(begin);
  if (!pass_chunk_) return false;
  Chunk& chunk = chunks_[*pass_chunk_];
  chunk.first = chunk.submitted = chunk.ready = position;
  return true;
}

bool Source::PassData(Piece& piece, std::uint64_t end) {
  const std::uint64_t size = piece.file->size;
  if (size == 0) {  // Opened and digested like the others.
    return PassDigest(piece, 0, /*zeros=*/false);
  }
  const std::uint64_t position = piece.begin + pass_offset_;
  // Another file has just been opened, which is always worth doing early.
  if (!TakePassChunk(position, !cached_ || pass_offset_ == 0)) return false;
  Chunk& chunk = chunks_[*pass_chunk_];
  const std::uint64_t stop =
      std::min(piece.begin + end, chunk.begin + kChunkBytes);
  chunk.submitted = stop;
  const auto index = static_cast<std::uint32_t>(*pass_chunk_);
  if (stop == chunk.begin + kChunkBytes) pass_chunk_.reset();
  const std::uint64_t number = pass_piece_;
  pass_offset_ = stop - piece.begin;
  if (pass_offset_ == size) NextPiece();
  SubmitRead(kPassSlot, number, position, stop, index, /*digest=*/true);
  return true;
}

}  // namespace p2pcp::file
