// What a Sink does where the content that was written has another digest than
// the sender's: it finds out which blocks are wrong, and wants them again.

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/sink.h"

namespace p2pcp::file {

// False: it is of no use. REQUIRES: room for a job.
bool Sink::BeginRepair(std::uint64_t number) {
  Piece& piece = pieces_[number];
  if (piece.size == 0 || piece.repairs == kMaxRepairs) return false;
  ++piece.repairs;
  Event event;
  event.id = piece.id;
  if (piece.state == State::kActive) {
    Slot& slot = slots_[piece.slot];
    slot.checking = true;
    slot.next_block = 0;
    slot.blocks.clear();
    slot.bad.clear();
    event.kind = Event::Kind::kCheckBlocks;
  } else {
    // A small file is one block.
    if (!Forget(piece.begin, piece.begin + piece.size)) return false;
    Job job;
    job.kind = Job::Kind::kRemove;
    job.output = &piece.output;
    Submit(job, number);
    piece.stored = false;
    piece.state = State::kGathering;
    event.kind = Event::Kind::kRepair;
    event.blocks = {0};
  }
  events_.push_back(std::move(event));
  return true;
}

bool Sink::ExpectBlocks(std::uint64_t number, std::uint64_t first,
                        const std::vector<Digest>& digests) {
  if (!IsOpen(number) || pieces_[number].state != State::kActive) return false;
  const Piece& piece = pieces_[number];
  Slot& slot = slots_[piece.slot];
  const std::uint64_t blocks = (piece.size + kBlockBytes - 1) / kBlockBytes;
  if (!slot.checking || first != slot.blocks.size() ||
      digests.size() > blocks - first) {
    return false;
  }
  slot.blocks.insert(slot.blocks.end(), digests.begin(), digests.end());
  AdvanceSlot(piece.slot);
  return true;
}

// Reads the next block back.
void Sink::CheckBlock(std::uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.hash_busy || slot.next_block == slot.blocks.size()) return;
  const Piece& piece = pieces_[slot.piece];
  Job job;
  job.kind = Job::Kind::kHash;
  job.slot = index;
  job.digest = job.last = true;
  job.offset = slot.next_block * kBlockBytes;
  job.size = std::min(kBlockBytes, piece.size - job.offset);
  slot.hash_busy = true;
  Submit(job, slot.piece);
}

void Sink::HandleBlock(std::uint64_t number, const Completion& done) {
  Piece& piece = pieces_[number];
  Slot& slot = slots_[piece.slot];
  const std::uint64_t block = slot.next_block++;
  if (done.digest != slot.blocks[static_cast<std::size_t>(block)]) {
    slot.bad.push_back(block);
  }
  if (slot.next_block * kBlockBytes < piece.size) return;
  // All are known. Whether or not any was bad, all of it is hashed anew.
  for (const std::uint64_t bad : slot.bad) {
    const std::uint64_t begin = bad * kBlockBytes;
    const std::uint64_t end = std::min(piece.size, begin + kBlockBytes);
    if (!Forget(piece.begin + begin, piece.begin + end)) {
      return FailDamaged(number);
    }
  }
  if (!slot.bad.empty()) {
    Event event;
    event.kind = Event::Kind::kRepair;
    event.id = piece.id;
    event.blocks = std::move(slot.bad);
    events_.push_back(std::move(event));
  }
  slot.checking = slot.hashed = slot.hash_last = false;
  slot.hash_offset = 0;
  slot.blocks.clear();
  slot.bad.clear();
}

// [begin, end), all of which was written, is to come again.
bool Sink::Forget(std::uint64_t begin, std::uint64_t end) {
  if (!received_.Remove(begin, end)) return false;
  if (!written_.Remove(begin, end)) {
    P2PCP_CHECK(received_.Add(begin, end));
    return false;
  }
  for (std::size_t chunk = 0; chunk < ChunkPool::kChunks; ++chunk) {
    if (!pool_.IsUsed(chunk)) continue;
    const std::uint64_t low = std::max(begin, pool_.Begin(chunk));
    const std::uint64_t high =
        std::min(end, pool_.Begin(chunk) + ChunkPool::kChunkBytes);
    if (low < high) pool_.AddMissing(chunk, high - low);
  }
  written_bytes_ -= end - begin;
  return true;
}

void Sink::FailDamaged(std::uint64_t number) {
  Piece& piece = pieces_[number];
  FailFile(piece,
           Error{ErrorCode::kIntegrity,
                 piece.output.Path() + " arrived damaged: its digest is " +
                     piece.digest.ToString() + ", the sender's " +
                     piece.expected->ToString()});
  piece.dropped = true;
  Discard(number, piece.state == State::kActive ? Job::Kind::kDiscard
                                                : Job::Kind::kRemove);
}

}  // namespace p2pcp::file
