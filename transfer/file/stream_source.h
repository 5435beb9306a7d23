// StreamSource: a stream that is read once, as the byte space of a transfer.
// What was read stays in memory until the peer has it, so no more is read than
// a bounded buffer holds: a peer that is slow slows down whoever writes into
// the stream.

#ifndef P2PCP_TRANSFER_FILE_STREAM_SOURCE_H_
#define P2PCP_TRANSFER_FILE_STREAM_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"

namespace p2pcp::file {

class StreamSource {
 public:
  // Bytes kept: what is under way on a line of 1 Gbit/s and 200 ms.
  static constexpr std::size_t kBuffer = 24 << 20;
  // Of one read at most.
  static constexpr std::size_t kReadBytes = 256 << 10;

  // fd and disk must outlive it; it is the disk's only user.
  StreamSource(int fd, Disk* disk);
  // Abandons the disk's job, which uses the buffer.
  ~StreamSource();
  StreamSource(const StreamSource&) = delete;
  StreamSource& operator=(const StreamSource&) = delete;

  // As ByteSource::Read. REQUIRES: offset is not below what was released.
  ByteSpan Read(std::uint64_t offset, std::size_t max_size);
  // Nothing below offset will be read again.
  void Release(std::uint64_t offset);

  // Takes the completions of its jobs, and submits the next.
  void HandleDisk();
  // Bytes that are there, from the beginning of the stream.
  std::uint64_t end() const { return end_; }
  // Of the whole stream, once it has ended.
  const std::optional<Digest>& digest() const { return digest_; }
  // It can't be read. Final.
  const std::optional<Error>& error() const { return error_; }
  // A job is under way: the stream has nothing for us, or next to nothing.
  bool waits() const { return reading_; }

 private:
  void Submit();

  const int fd_;
  Disk& disk_;
  std::unique_ptr<std::byte[]> buffer_;  // A ring.
  std::uint64_t begin_ = 0;              // Released up to here.
  std::uint64_t end_ = 0;
  bool reading_ = false;
  std::optional<Digest> digest_;
  std::optional<Error> error_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_STREAM_SOURCE_H_
