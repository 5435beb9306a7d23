#include "transfer/file/chunk_pool.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::file {

ChunkPool::ChunkPool()
    : buffers_(
          std::make_unique_for_overwrite<std::byte[]>(kChunks * kChunkBytes)) {}

std::optional<std::size_t> ChunkPool::Find(std::uint64_t begin) {
  const Chunk& last = chunks_[last_found_];
  if (last.used && last.begin == begin) return last_found_;
  for (std::size_t i = 0; i < kChunks; ++i) {
    if (chunks_[i].used && chunks_[i].begin == begin) {
      last_found_ = i;
      return i;
    }
  }
  return std::nullopt;
}

std::size_t ChunkPool::Allocate(std::uint64_t begin, std::uint64_t missing) {
  for (std::size_t i = 0; i < kChunks; ++i) {
    Chunk& chunk = chunks_[i];
    if (chunk.used) continue;
    chunk.used = true;
    chunk.due = false;
    chunk.outstanding = 0;
    chunk.dirty_count = 0;
    chunk.begin = begin;
    chunk.missing = missing;
    chunk.last_put = ++put_counter_;
    --free_;
    last_found_ = i;
    return i;
  }
  P2PCP_CHECK(false);
  return 0;
}

void ChunkPool::FreeIfEmpty(std::uint64_t begin) {
  const std::optional<std::size_t> index = Find(begin);
  if (!index) return;
  Chunk& chunk = chunks_[*index];
  if (chunk.outstanding > 0 || chunk.dirty_count > 0) return;
  chunk.used = false;
  ++free_;
}

bool ChunkPool::HasRoom(std::size_t index, std::uint64_t begin,
                        std::uint64_t end) const {
  const Chunk& chunk = chunks_[index];
  if (chunk.dirty_count < kMaxDirty) return true;
  // Full: only what extends a part that waits already.
  for (const Chunk::Range& range : chunk.dirty) {
    if (chunk.begin + range.end == begin || chunk.begin + range.begin == end) {
      return true;
    }
  }
  return false;
}

void ChunkPool::Put(std::size_t index, std::uint64_t first, std::uint64_t stop,
                    BytePieces& bytes) {
  Chunk& chunk = chunks_[index];
  P2PCP_CHECK(first < stop && stop - chunk.begin <= kChunkBytes);
  const auto begin = static_cast<std::uint32_t>(first - chunk.begin);
  const auto end = static_cast<std::uint32_t>(stop - chunk.begin);
  const std::uint32_t size = end - begin;
  P2PCP_CHECK(size <= chunk.missing);
  bytes.Take({Data(index) + begin, size});
  chunk.missing -= size;
  chunk.last_put = ++put_counter_;
  if (chunk.missing == 0) chunk.due = true;

  // Ranges [0, at) end before begin. From the back, where most bytes come.
  std::uint32_t at = chunk.dirty_count;
  while (at > 0 && chunk.dirty[at - 1].begin > begin) --at;
  const bool joins_left = at > 0 && chunk.dirty[at - 1].end == begin;
  const bool joins_right =
      at < chunk.dirty_count && chunk.dirty[at].begin == end;
  const auto position = chunk.dirty.begin() + at;
  const auto last = chunk.dirty.begin() + chunk.dirty_count;
  if (joins_left && joins_right) {
    chunk.dirty[at - 1].end = chunk.dirty[at].end;
    std::copy(position + 1, last, position);
    --chunk.dirty_count;
  } else if (joins_left) {
    chunk.dirty[at - 1].end = end;
  } else if (joins_right) {
    chunk.dirty[at].begin = begin;
  } else {
    P2PCP_CHECK(chunk.dirty_count < kMaxDirty);
    std::copy_backward(position, last, last + 1);
    *position = {begin, end};
    ++chunk.dirty_count;
  }
}

void ChunkPool::AddMissing(std::size_t index, std::uint64_t bytes) {
  chunks_[index].missing += bytes;
}

void ChunkPool::RemoveMissing(std::size_t index, std::uint64_t bytes) {
  Chunk& chunk = chunks_[index];
  P2PCP_CHECK(bytes <= chunk.missing);
  chunk.missing -= bytes;
  if (chunk.missing == 0) chunk.due = true;
}

std::optional<std::size_t> ChunkPool::Oldest() const {
  std::optional<std::size_t> oldest;
  for (std::size_t i = 0; i < kChunks; ++i) {
    const Chunk& chunk = chunks_[i];
    if (!chunk.used || chunk.due || chunk.dirty_count == 0) continue;
    if (!oldest || chunk.last_put < chunks_[*oldest].last_put) oldest = i;
  }
  return oldest;
}

Interval ChunkPool::FirstDirty(std::size_t index) const {
  const Chunk& chunk = chunks_[index];
  if (chunk.dirty_count == 0) return {chunk.begin, chunk.begin};
  return {chunk.begin + chunk.dirty[0].begin, chunk.begin + chunk.dirty[0].end};
}

MutableByteSpan ChunkPool::TakeDirty(std::size_t index, std::uint64_t end) {
  Chunk& chunk = chunks_[index];
  P2PCP_CHECK(chunk.dirty_count > 0);
  Chunk::Range& range = chunk.dirty[0];
  const auto stop = static_cast<std::uint32_t>(end - chunk.begin);
  P2PCP_CHECK(range.begin < stop && stop <= range.end);
  const MutableByteSpan bytes(Data(index) + range.begin, stop - range.begin);
  if (stop < range.end) {
    range.begin = stop;
  } else {
    std::copy(chunk.dirty.begin() + 1, chunk.dirty.begin() + chunk.dirty_count,
              chunk.dirty.begin());
    --chunk.dirty_count;
    // What comes later gathers again.
    if (chunk.dirty_count == 0) chunk.due = false;
  }
  ++chunk.outstanding;
  return bytes;
}

void ChunkPool::Written(std::size_t index) {
  Chunk& chunk = chunks_[index];
  P2PCP_CHECK(chunk.outstanding > 0);
  if (--chunk.outstanding > 0 || chunk.dirty_count > 0) return;
  chunk.used = false;
  ++free_;
}

}  // namespace p2pcp::file
