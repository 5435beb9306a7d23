// The buffers of a Sink: aligned pieces of the byte space that fill up in any
// order, and which parts of them are still to be written.

#ifndef P2PCP_TRANSFER_FILE_CHUNK_POOL_H_
#define P2PCP_TRANSFER_FILE_CHUNK_POOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "net/base/bytes.h"
#include "transfer/file/interval_set.h"

namespace p2pcp::file {

class ChunkPool {
 public:
  // One write: large enough to cost little, small enough to come early.
  static constexpr std::size_t kChunkBytes = 256 << 10;
  static constexpr std::size_t kChunks = 64;  // 16 MiB.
  // Parts of one chunk that wait apart: more than the 109 that losing every
  // other packet of 1,200 bytes leaves.
  static constexpr std::size_t kMaxDirty = 128;

  ChunkPool();

  static constexpr std::uint64_t ChunkBegin(std::uint64_t offset) {
    return offset - offset % kChunkBytes;
  }

  // The chunk that begins at begin, if it has a buffer.
  std::optional<std::size_t> Find(std::uint64_t begin);
  // A buffer for the chunk at begin, of which `missing` bytes are to come.
  // REQUIRES: free() > 0, and it has none.
  std::size_t Allocate(std::uint64_t begin, std::uint64_t missing);
  std::size_t free() const { return free_; }
  // More, or fewer, bytes of the chunk are to come than was said.
  void AddMissing(std::size_t chunk, std::uint64_t bytes);
  void RemoveMissing(std::size_t chunk, std::uint64_t bytes);
  // Where the chunk begins. REQUIRES: IsUsed(chunk).
  std::uint64_t Begin(std::size_t chunk) const { return chunks_[chunk].begin; }
  // Takes the buffer of the chunk at begin back, if it has one and nothing was
  // put into it.
  void FreeIfEmpty(std::uint64_t begin);

  // Whether Put() of [begin, end), in offsets of the byte space, will fit.
  bool HasRoom(std::size_t chunk, std::uint64_t begin, std::uint64_t end) const;
  // Takes [begin, end) from bytes. REQUIRES: HasRoom(); it was missing.
  void Put(std::size_t chunk, std::uint64_t begin, std::uint64_t end,
           BytePieces& bytes);

  // The chunk is to be written now: set when no byte is missing.
  bool IsDue(std::size_t chunk) const { return chunks_[chunk].due; }
  void MakeDue(std::size_t chunk) { chunks_[chunk].due = true; }
  bool IsUsed(std::size_t chunk) const { return chunks_[chunk].used; }
  // The chunk that has not been put to for longest, among those not due.
  std::optional<std::size_t> Oldest() const;

  // The first part to be written; empty if none.
  Interval FirstDirty(std::size_t chunk) const;
  // Hands out [begin, end), the beginning of FirstDirty(), to be written. It
  // counts as under way until Written().
  MutableByteSpan TakeDirty(std::size_t chunk, std::uint64_t end);
  // One part handed out has been written. Frees the buffer with the last.
  void Written(std::size_t chunk);

 private:
  struct Chunk {
    bool used = false;
    bool due = false;
    std::uint32_t outstanding = 0;
    std::uint32_t dirty_count = 0;
    std::uint64_t begin = 0;
    std::uint64_t missing = 0;
    std::uint64_t last_put = 0;
    // Sorted, disjoint, not touching; offsets in the chunk.
    struct Range {
      std::uint32_t begin;
      std::uint32_t end;
    };
    std::array<Range, kMaxDirty> dirty;
  };

  std::byte* Data(std::size_t chunk) {
    return buffers_.get() + chunk * kChunkBytes;
  }

  std::unique_ptr<std::byte[]> buffers_;
  std::array<Chunk, kChunks> chunks_;
  std::size_t free_ = kChunks;
  std::size_t last_found_ = 0;
  std::uint64_t put_counter_ = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_CHUNK_POOL_H_
