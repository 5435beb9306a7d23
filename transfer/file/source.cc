#include "transfer/file/source.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "transfer/file/manifest.h"

namespace p2pcp::file {

namespace {

// Jobs that one step may submit: two opens and a read.
constexpr std::size_t kStepJobs = 3;

}  // namespace

Source::Source(const SourceList* files, Disk* disk)
    : files_(*files),
      disk_(*disk),
      buffers_(
          std::make_unique_for_overwrite<std::byte[]>(kChunks * kChunkBytes)) {}

Source::~Source() { disk_.Abandon(); }

void Source::Start(std::vector<bool> unwanted) {
  P2PCP_CHECK(unwanted.size() == files_.files.size());
  unwanted_ = std::move(unwanted);
  // The first wanted byte is asked for by nobody yet, but will be.
  std::size_t first = 0;
  while (first < unwanted_.size() && unwanted_[first]) ++first;
  if (first < unwanted_.size()) demand_ = files_.manifest.Begin(first);
  Advance();
}

ByteSpan Source::Read(std::uint64_t offset, std::size_t max_size) {
  const std::uint64_t total = files_.manifest.total();
  P2PCP_CHECK(offset < total && max_size > 0);
  if (error_) return {};
  demand_ =
      std::max(demand_, std::min<std::uint64_t>(total, offset + max_size));
  const std::uint64_t begin = offset - offset % kChunkBytes;
  ByteSpan bytes = Find(offset, max_size);
  if (bytes.empty()) {
    // Before the first pass's position: read again.
    const bool passed =
        pass_file_ == unwanted_.size() ||
        offset < files_.manifest.Begin(pass_file_) + pass_offset_;
    if (passed && !FindChunk(begin)) {
      if (const auto index = TakeChunk(begin)) {
        chunks_[*index].load_position = begin;
        AdvanceReload(*index);
      }
    }
    AdvancePass();
    // It may have come from the system's cache.
    bytes = Find(offset, max_size);
    if (bytes.empty()) waiting_ = true;
    return bytes;
  }
  AdvancePass();
  return bytes;
}

// What Read() gives if it is in memory.
ByteSpan Source::Find(std::uint64_t offset, std::size_t max_size) {
  if (error_) return {};
  const std::uint64_t begin = offset - offset % kChunkBytes;
  const std::optional<std::size_t> found = FindChunk(begin);
  if (!found || chunks_[*found].state != Chunk::State::kReady) return {};
  chunks_[*found].last_used = ++use_counter_;
  pinned_ = *found;
  const std::uint64_t end =
      std::min(files_.manifest.total(), begin + kChunkBytes);
  const std::uint64_t size = std::min<std::uint64_t>(max_size, end - offset);
  return {Data(*found) + (offset - begin), static_cast<std::size_t>(size)};
}

void Source::HandleDisk() {
  while (std::optional<Completion> done = disk_.Poll()) {
    --under_way_;
    HandleDone(std::move(*done));
  }
  Advance();
}

void Source::HandleDone(Completion done) {
  if (error_) return;
  if (done.error) {
    error_ = std::move(done.error);
    ready_ = false;
    return;
  }
  if (done.kind != Job::Kind::kReadSource) return;
  const auto file = static_cast<std::size_t>(done.tag >> 8);
  const auto chunk = static_cast<std::uint32_t>(done.tag & 0xff);
  if (done.last) digests_.push_back({file, done.digest});
  if (chunk != kNoChunk) {
    --chunks_[chunk].outstanding;
    SettleChunk(chunks_[chunk]);
  }
}

bool Source::TakeReady() { return std::exchange(ready_, false); }

std::optional<Source::FileDigest> Source::PollDigest() {
  if (digests_.empty()) return std::nullopt;
  const FileDigest digest = digests_.front();
  digests_.pop_front();
  return digest;
}

std::optional<std::size_t> Source::FindChunk(std::uint64_t begin) const {
  const auto holds = [&](const Chunk& chunk) {
    return chunk.state != Chunk::State::kFree && chunk.begin == begin;
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
    if (chunk.state == Chunk::State::kFree) free = i;
    if (chunk.state != Chunk::State::kReady || i == pinned_) continue;
    // What was read ahead waits for its use.
    if (std::min(chunk.begin + kChunkBytes, files_.manifest.total()) > demand_)
      continue;
    const std::uint64_t used = chunk.last_used;
    if (!oldest || used < chunks_[*oldest].last_used) oldest = i;
    if (!newest || used > chunks_[*newest].last_used) newest = i;
  }
  const std::optional<std::size_t> best = cached_ && newest ? newest
                                          : free            ? free
                                                            : oldest;
  if (!best) return std::nullopt;
  chunks_[*best] = {};
  chunks_[*best].state = Chunk::State::kLoading;
  chunks_[*best].begin = begin;
  return best;
}

void Source::SealPassChunk() {
  if (!pass_chunk_) return;
  Chunk& chunk = chunks_[*std::exchange(pass_chunk_, std::nullopt)];
  chunk.all_submitted = true;
  SettleChunk(chunk);
}

void Source::SettleChunk(Chunk& chunk) {
  if (!chunk.all_submitted || chunk.outstanding > 0) return;
  chunk.state = Chunk::State::kReady;
  chunk.last_used = ++use_counter_;
  if (waiting_) {
    waiting_ = false;
    ready_ = true;
  }
}

void Source::Advance() {
  if (error_ || unwanted_.empty()) return;
  // Reading again comes first: the receiver waits for it.
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    const Chunk& chunk = chunks_[i];
    if (chunk.state == Chunk::State::kLoading && !chunk.all_submitted &&
        pass_chunk_ != i) {
      AdvanceReload(i);
    }
  }
  AdvancePass();
}

void Source::AdvancePass() {
  while (!error_ && disk_.room() >= kStepJobs && PassStep()) {
  }
}

// Submits the next read of the first pass; false if there is none now.
bool Source::PassStep() {
  const Manifest& manifest = files_.manifest;
  while (pass_file_ < unwanted_.size() && unwanted_[pass_file_]) ++pass_file_;
  if (pass_file_ == unwanted_.size()) {
    SealPassChunk();
    return false;
  }
  const std::size_t file = pass_file_;
  const std::uint64_t end = manifest.End(file);
  const std::uint64_t position = manifest.Begin(file) + pass_offset_;
  if (position == end) {  // Empty: opened and digested like the others.
    SubmitOpen(kPassSlot, file);
    SubmitRead(kPassSlot, file, position, end, kNoChunk, /*digest=*/true);
    ++pass_file_;
    return true;
  }
  const std::uint64_t chunk_begin = position - position % kChunkBytes;
  if (pass_chunk_ && chunks_[*pass_chunk_].begin != chunk_begin) {
    SealPassChunk();
  }
  if (!pass_chunk_) {
    // Another file has to be opened first, which is always worth doing early.
    const bool ahead = !cached_ || pass_offset_ == 0;
    if (chunk_begin > demand_ + (ahead ? kReadAhead : 0)) return false;
    pass_chunk_ = TakeChunk(chunk_begin);
    if (!pass_chunk_) return false;
  }
  if (pass_offset_ == 0) SubmitOpen(kPassSlot, file);
  const std::uint64_t piece_end = std::min(end, chunk_begin + kChunkBytes);
  SubmitRead(kPassSlot, file, position, piece_end,
             static_cast<std::uint32_t>(*pass_chunk_), /*digest=*/true);
  pass_offset_ += piece_end - position;
  if (piece_end == end) {
    ++pass_file_;
    pass_offset_ = 0;
  }
  if (piece_end == chunk_begin + kChunkBytes) SealPassChunk();
  return true;
}

// Submits what is missing of a chunk that the first pass has been through.
void Source::AdvanceReload(std::size_t index) {
  const Manifest& manifest = files_.manifest;
  Chunk& chunk = chunks_[index];
  const std::uint64_t end =
      std::min(manifest.total(), chunk.begin + kChunkBytes);
  while (chunk.load_position < end) {
    if (disk_.room() < kStepJobs) return;
    const std::size_t file = manifest.FileAt(chunk.load_position);
    const std::uint64_t piece_end = std::min(end, manifest.End(file));
    if (!unwanted_[file]) {
      SubmitRead(SlotFor(file), file, chunk.load_position, piece_end,
                 static_cast<std::uint32_t>(index), /*digest=*/false);
    }
    chunk.load_position = piece_end;
  }
  chunk.all_submitted = true;
  SettleChunk(chunk);
}

// The slot that will hold the file when the jobs submitted so far are done.
std::uint32_t Source::SlotFor(std::size_t file) {
  std::uint32_t oldest = kPassSlot + 1;
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    if (slot_files_[slot] == file) {
      slot_used_[slot] = ++use_counter_;
      return slot;
    }
    if (slot > oldest && slot_used_[slot] < slot_used_[oldest]) oldest = slot;
  }
  SubmitOpen(oldest, file);
  return oldest;
}

void Source::SubmitOpen(std::uint32_t slot, std::size_t file) {
  Job job;
  job.kind = Job::Kind::kOpenSource;
  job.slot = slot;
  job.source = &files_.files[file];
  Submit(job);
  slot_files_[slot] = file;
  slot_used_[slot] = ++use_counter_;
}

void Source::SubmitRead(std::uint32_t slot, std::size_t file,
                        std::uint64_t begin, std::uint64_t end,
                        std::uint32_t chunk, bool digest) {
  Job job;
  job.kind = Job::Kind::kReadSource;
  job.slot = slot;
  job.tag = static_cast<std::uint64_t>(file) << 8 | chunk;
  job.offset = begin - files_.manifest.Begin(file);
  job.digest = digest;
  job.last = digest && end == files_.manifest.End(file);
  if (chunk != kNoChunk) {
    job.buffer = {Data(chunk) + begin % kChunkBytes,
                  static_cast<std::size_t>(end - begin)};
    ++chunks_[chunk].outstanding;
  }
  if (chunk != kNoChunk && under_way_ == 0 &&
      (cached_ || (digest && begin >= try_cache_from_))) {
    if (std::optional<Completion> done = disk_.TryRead(job)) {
      cached_ = true;
      return HandleDone(std::move(*done));
    }
    cached_ = false;
    try_cache_from_ = begin + kRetryCache;
  }
  Submit(job);
}

void Source::Submit(const Job& job) {
  ++under_way_;
  disk_.Submit(job);
}

}  // namespace p2pcp::file
