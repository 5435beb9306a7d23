// What a Source does with a file of which the receiver has an older version.

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/source.h"

namespace p2pcp::file {

namespace {

// What the pass has found that has to travel, and nobody has asked for yet: as
// much as is read ahead of other files, and in so many ranges: each is a gap in
// what comes, of which a Sink bears 8,192.
constexpr std::uint64_t kLiteralsAhead =
    Source::kChunksAhead * Source::kChunkBytes;
constexpr std::size_t kLiteralRanges = 512;
// Buffers that are filled ahead with what has to travel.
constexpr std::size_t kReadAheadChunks = Source::kChunksAhead / 2;
// Events that wait for whoever tells the receiver.
constexpr std::size_t kMaxEvents = 1024;
// Signatures are asked for in steps of so many at least.
constexpr std::uint64_t kSignatureStep = 512;
// Copies that one job may find.
constexpr std::uint64_t kCopiesOfJob =
    DeltaMatcher::kMaxFeed / kMinDeltaBlock + 1;

}  // namespace

bool Source::AddSignatures(std::uint64_t number, std::uint64_t first,
                           std::span<const BlockSignature> signatures) {
  if (!pieces_.Has(number) || !pieces_[number].delta) return true;
  Delta& delta = *pieces_[number].delta;
  const std::uint64_t limit =
      std::min(delta.asked, DeltaBlocks(delta.base_size));
  if (delta.ended || first != delta.known ||
      signatures.size() > limit - delta.known) {
    return false;
  }
  delta.known += signatures.size();
  waiting_signatures_ += signatures.size();
  delta.waiting.insert(delta.waiting.end(), signatures.begin(),
                       signatures.end());
  // The pass takes those of its file.
  return number == pass_piece_ || waiting_signatures_ <= kMaxWaitingSignatures;
}

void Source::EndSignatures(std::uint64_t number) {
  if (!pieces_.Has(number) || !pieces_[number].delta) return;
  pieces_[number].delta->ended = true;
}

bool Source::NoteCopies(std::uint64_t number, std::uint64_t done) {
  if (failed(number)) return true;
  Piece& piece = pieces_[number];
  if (done < piece.copied || done > piece.copies) return false;
  copies_ -= done - piece.copied;
  piece.copied = done;
  return true;
}

// The pass leaves the file.
void Source::EndDelta(Piece& piece) {
  if (!piece.delta) return;
  waiting_signatures_ -= piece.delta->waiting.size();
  piece.delta.reset();
}

// Gives the matcher what came, and asks for more. REQUIRES: no job uses it.
void Source::PrepareMatcher(Piece& piece) {
  Delta& delta = *piece.delta;
  if (!delta.matcher) delta.matcher.emplace(delta.base_size);
  DeltaMatcher& matcher = *delta.matcher;
  matcher.Add(delta.waiting);
  waiting_signatures_ -= delta.waiting.size();
  delta.waiting.clear();
  if (delta.ended) matcher.EndBase();
  const std::uint64_t wanted = matcher.WantedAt(pass_offset_);
  if (wanted > delta.asked &&
      (wanted == matcher.total() || wanted - delta.asked >= kSignatureStep ||
       matcher.NeededAt(pass_offset_) > delta.asked)) {
    delta.asked = wanted;
    Emit(Event::Kind::kSignatures, piece, 0, wanted);
  }
}

bool Source::PassMatch(Piece& piece, std::uint64_t end) {
  PrepareMatcher(piece);
  ReadAhead();
  if (piece.failed) return true;
  Delta& delta = *piece.delta;
  DeltaMatcher& matcher = *delta.matcher;
  if (matcher.known() < matcher.NeededAt(pass_offset_) ||
      literal_bytes_ >= kLiteralsAhead || literals_.size() >= kLiteralRanges ||
      events_.size() >= kMaxEvents ||
      copies_ > kMaxDeltaCopies - kCopiesOfJob || disk_.room() < 2) {
    return false;
  }
  const auto size = static_cast<std::size_t>(
      std::min<std::uint64_t>(end - pass_offset_, DeltaMatcher::kMaxFeed));
  Job job;
  job.kind = Job::Kind::kMatchSource;
  job.slot = kPassSlot;
  job.digest = true;
  job.offset = pass_offset_;
  job.buffer = matcher.Buffer(pass_offset_, size);
  job.matcher = &matcher;
  pass_offset_ += size;
  job.flush = pass_offset_ == end;
  job.last = pass_offset_ == piece.file->size;
  delta.under_way = true;
  Submit(job, pass_piece_, kNoChunk);
  return true;
}

void Source::HandleMatch(std::uint64_t number, const Completion& done) {
  Piece& piece = pieces_[number];
  if (piece.failed || piece.dropped) return;
  for (const DeltaSegment& segment : piece.delta->matcher->TakeSegments()) {
    Emit(segment.copy ? Event::Kind::kCopy : Event::Kind::kData, piece,
         segment.begin, segment.end);
    if (segment.copy) {
      events_.back().from = segment.from;
      ++piece.copies;
      ++copies_;
      continue;
    }
    literals_.push_back(
        {piece.begin + segment.begin, piece.begin + segment.end});
    literal_bytes_ += segment.size();
  }
  if (!done.last) return;
  Emit(Event::Kind::kDigest, piece, 0, 0, done.digest);
  NextPiece();
}

// Reads what the pass has been through behind what there is of a chunk, whose
// bytes somebody may be using.
void Source::ReadOn(std::size_t index) {
  if (pass_chunk_ == index) pass_chunk_.reset();
  chunks_[index].reloading = true;
  AdvanceReload(index);
}

// Forgets the literals that have been asked for, and has the next ones read.
void Source::ReadAhead() {
  while (!literals_.empty() && literals_.front().end <= demand_) {
    literal_bytes_ -= literals_.front().size();
    literals_.pop_front();
  }
  // A file that turns out to have changed takes its literals away meanwhile.
  for (std::size_t i = 0; i < literals_.size(); ++i) {
    const Interval literal = literals_[i];
    std::uint64_t at = std::max({literal.begin, read_ahead_, demand_});
    while (at < literal.end) {
      const std::uint64_t begin = at - at % kChunkBytes;
      if (!FindChunk(begin)) {
        if (ChunksAhead() >= kReadAheadChunks) return;
        const std::optional<std::size_t> index = TakeChunk(begin);
        if (!index) return;
        chunks_[*index].reloading = true;
        AdvanceReload(*index);
      }
      at = begin + kChunkBytes;
      read_ahead_ = std::min(at, literal.end);
    }
  }
}

// Nothing of the file will be asked for.
void Source::ForgetDelta(Piece& piece) {
  copies_ -= piece.copies - std::exchange(piece.copied, piece.copies);
  std::erase_if(literals_, [&](const Interval& literal) {
    const bool gone = literal.begin >= piece.begin &&
                      literal.begin < piece.begin + piece.size;
    if (gone) literal_bytes_ -= literal.size();
    return gone;
  });
}

}  // namespace p2pcp::file
