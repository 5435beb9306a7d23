#include "transfer/file/stream_sink.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {
namespace {

// More than a window of that size has when every other packet is lost.
constexpr std::size_t kMaxIntervals = 16 << 10;

}  // namespace

StreamSink::StreamSink(int fd, Disk* disk)
    : fd_(fd),
      disk_(*disk),
      buffer_(new std::byte[kBuffer]),
      received_(kMaxIntervals) {}

StreamSink::~StreamSink() { disk_.Abandon(); }

bool StreamSink::Write(std::uint64_t offset, ByteSpan bytes) {
  if (bytes.empty()) return true;
  if (offset < written_ || offset + bytes.size() > written_ + kBuffer) {
    return false;
  }
  if (end_ && offset + bytes.size() > *end_) return false;
  if (!received_.Add(offset, offset + bytes.size())) return false;
  const std::size_t at = static_cast<std::size_t>(offset % kBuffer);
  const std::size_t first = std::min(bytes.size(), kBuffer - at);
  std::memcpy(buffer_.get() + at, bytes.data(), first);
  std::memcpy(buffer_.get(), bytes.data() + first, bytes.size() - first);
  Submit();
  return true;
}

bool StreamSink::End(std::uint64_t size) {
  if (end_ || received_.ContiguousEnd(written_) > size ||
      received_.bytes() > size) {
    return false;
  }
  end_ = size;
  Submit();
  return true;
}

void StreamSink::Submit() {
  if (writing_ || digest_ || error_ || disk_.room() == 0) return;
  const std::uint64_t frontier = received_.ContiguousEnd(written_);
  const std::size_t at = static_cast<std::size_t>(written_ % kBuffer);
  const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(
      {frontier - written_, kBuffer - at, kWriteBytes}));
  const bool last = end_ && written_ + size == *end_;
  if (size == 0 && !last) return;
  writing_ = true;
  Job job;
  job.kind = Job::Kind::kWriteStream;
  job.stream = fd_;
  job.last = last;
  job.buffer = {buffer_.get() + at, size};
  disk_.Submit(job);
}

void StreamSink::HandleDisk() {
  while (std::optional<Completion> done = disk_.Poll()) {
    writing_ = false;
    if (done->error) {
      error_ = std::move(done->error);
      return;
    }
    written_ += done->size;
    if (done->last) digest_ = done->digest;
    Submit();
  }
}

std::uint64_t StreamSink::TakeReleased() {
  return written_ - std::exchange(released_, written_);
}

}  // namespace p2pcp::file
