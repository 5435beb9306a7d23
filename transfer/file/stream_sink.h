// StreamSink: writes the bytes of a transfer to a stream, in order. What comes
// early waits in a bounded buffer, and what the stream does not take yet keeps
// the sender back: a reader that is slow slows down the sender.

#ifndef P2PCP_TRANSFER_FILE_STREAM_SINK_H_
#define P2PCP_TRANSFER_FILE_STREAM_SINK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/interval_set.h"

namespace p2pcp::file {

class StreamSink {
 public:
  // Bytes received and not written at most: what a sender may have under way.
  static constexpr std::size_t kBuffer = 24 << 20;
  // Of one write at most.
  static constexpr std::size_t kWriteBytes = 256 << 10;

  // fd and disk must outlive it; it is the disk's only user.
  StreamSink(int fd, Disk* disk);
  // Abandons the disk's job, which uses the buffer.
  ~StreamSink();
  StreamSink(const StreamSink&) = delete;
  StreamSink& operator=(const StreamSink&) = delete;

  // As ByteSink::Write: each byte once. False: some lie outside of the buffer.
  bool Write(std::uint64_t offset, ByteSpan bytes);
  // The stream has so many bytes; those that came must lie below. False if not,
  // or if it was told already.
  bool End(std::uint64_t size);

  // Takes the completions of its jobs, and submits the next.
  void HandleDisk();
  // Bytes disposed of since the last call, to be credited to the sender.
  std::uint64_t TakeReleased();
  std::uint64_t written() const { return written_; }
  // Of all that was written, once that is all there is.
  const std::optional<Digest>& digest() const { return digest_; }
  // It can't be written to. Final.
  const std::optional<Error>& error() const { return error_; }

 private:
  void Submit();

  const int fd_;
  Disk& disk_;
  std::unique_ptr<std::byte[]> buffer_;  // A ring.
  std::uint64_t written_ = 0;
  std::uint64_t released_ = 0;  // And taken.
  bool writing_ = false;
  IntervalSet received_;
  std::optional<std::uint64_t> end_;
  std::optional<Digest> digest_;
  std::optional<Error> error_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_STREAM_SINK_H_
