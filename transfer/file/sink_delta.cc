// What a Sink does with the older version of a file: signs it for the sender,
// as far as that asks for it, and copies from it.

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/sink.h"

namespace p2pcp::file {

namespace {

// What is signed or copied by one job: others wait behind it.
constexpr std::uint64_t kBaseStep = 1 << 20;
// Signatures that wait to be told: signing goes no faster than the connection.
constexpr std::size_t kMaxSignatureEvents = 8;
// The sender hears of copies that were carried out at least so often.
constexpr std::uint64_t kTellCopies = kMaxDeltaCopies / Disk::kSlots / 2;
// Jobs that this leaves to all else.
constexpr std::size_t kSpareJobs = 32;

}  // namespace

void Sink::OpenBase(std::uint32_t index) {
  Slot& slot = slots_[index];
  Job job;
  job.kind = Job::Kind::kOpenBase;
  job.slot = index;
  job.output = &pieces_[slot.piece].output;
  Submit(job, slot.piece);
}

bool Sink::AddCopy(std::uint64_t number, std::uint64_t begin, std::uint64_t end,
                   std::uint64_t from) {
  if (!IsOpen(number)) return true;
  Piece& piece = pieces_[number];
  P2PCP_CHECK(begin < end && end <= piece.size);
  const Interval range{piece.begin + begin, piece.begin + end};
  if (from > piece.base_size || end - begin > piece.base_size - from ||
      copies_ == kMaxDeltaCopies ||
      received_.FirstGap(range.begin, range.end) != range ||
      !MarkAbsent(range.begin, range.end)) {
    return false;
  }
  piece.absent->copies.push_back({{begin, end}, from});
  ++copies_;
  if (piece.state == State::kActive) AdvanceSlot(piece.slot);
  return true;
}

void Sink::WantSignatures(std::uint64_t number, std::uint64_t end) {
  if (!IsOpen(number)) return;
  Piece& piece = pieces_[number];
  piece.signatures_wanted = std::max(piece.signatures_wanted, end);
  if (piece.state == State::kActive) AdvanceSlot(piece.slot);
}

// Whether that is all there is to the completion.
bool Sink::HandleBase(std::uint64_t number, const Completion& done) {
  Piece& piece = pieces_[number];
  Slot& slot = slots_[piece.slot];
  switch (done.kind) {
    case Job::Kind::kOpenBase:
      // Another one than was told of is none.
      slot.base_open = !done.error && done.size == piece.base_size;
      if (!slot.base_open) TellSignatures(slot, /*ended=*/true);
      return true;
    case Job::Kind::kSignBase: {
      slot.signing = false;
      const std::uint64_t block = DeltaBlockBytes(piece.base_size);
      const std::uint64_t end =
          std::min(piece.base_size, (slot.signed_blocks * block));
      slot.base_open = done.offset + done.size == end;
      TellSignatures(slot, /*ended=*/!slot.base_open);
      return true;
    }
    case Job::Kind::kCopyBase: {
      if (done.error) return false;
      std::deque<Copy>& copies = piece.absent->copies;
      Copy& copy = copies.front();
      const std::uint64_t size = std::exchange(slot.copying, 0);
      written_bytes_ += size;
      copy.range.begin += size;
      copy.from += size;
      if (copy.range.empty()) {
        copies.pop_front();
        --copies_;
        ++slot.copies;
        if (slot.copies - slot.told >= kTellCopies) {
          TellSignatures(slot, /*ended=*/false);
        }
      }
      return false;
    }
    default:
      return false;
  }
}

// What has been signed since the last time.
void Sink::TellSignatures(Slot& slot, bool ended) {
  Event event;
  event.kind = Event::Kind::kSignatures;
  event.id = pieces_[slot.piece].id;
  event.signatures = std::exchange(slot.signatures, {});
  event.first = slot.told_blocks;
  slot.told_blocks += event.signatures.size();
  event.base_ended = ended;
  event.copies = slot.told = slot.copies;
  events_.push_back(std::move(event));
  ++signature_events_;
}

void Sink::AdvanceBase(std::uint32_t index) {
  AdvanceCopy(index);
  Slot& slot = slots_[index];
  const Piece& piece = pieces_[slot.piece];
  const std::uint64_t block = DeltaBlockBytes(piece.base_size);
  const std::uint64_t end =
      std::min(piece.signatures_wanted, DeltaBlocks(piece.base_size));
  if (!slot.base_open || slot.signing || slot.signed_blocks >= end ||
      signature_events_ >= kMaxSignatureEvents || disk_.room() <= kSpareJobs) {
    return;
  }
  const std::uint64_t blocks =
      std::min(end - slot.signed_blocks, kBaseStep / block);
  Job job;
  job.kind = Job::Kind::kSignBase;
  job.slot = index;
  job.offset = slot.signed_blocks * block;
  job.size = std::min(blocks * block, piece.base_size - job.offset);
  job.block = block;
  job.signatures = &slot.signatures;
  slot.signing = true;
  slot.signed_blocks += blocks;
  Submit(job, slot.piece);
}

// One at a time; the next part of the first copy.
void Sink::AdvanceCopy(std::uint32_t index) {
  Slot& slot = slots_[index];
  Piece& piece = pieces_[slot.piece];
  const std::deque<Copy>& copies = piece.absent->copies;
  if (slot.copying > 0 || copies.empty() || disk_.room() <= kSpareJobs) {
    return;
  }
  const Copy& copy = copies.front();
  Job job;
  job.kind = Job::Kind::kCopyBase;
  job.slot = index;
  job.output = &piece.output;
  job.offset = copy.range.begin;
  job.from = copy.from;
  job.length = std::min(copy.range.size(), kBaseStep);
  slot.copying = job.length;
  const std::uint64_t begin = piece.begin + job.offset;
  P2PCP_CHECK(written_.Add(begin, begin + job.length));
  TakeFrontier(slot, job);
  Submit(job, slot.piece);
}

}  // namespace p2pcp::file
