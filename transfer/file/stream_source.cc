#include "transfer/file/stream_source.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

StreamSource::StreamSource(int fd, Disk* disk)
    : fd_(fd), disk_(*disk), buffer_(new std::byte[kBuffer]) {
  Submit();
}

StreamSource::~StreamSource() { disk_.Abandon(); }

ByteSpan StreamSource::Read(std::uint64_t offset, std::size_t max_size) {
  P2PCP_CHECK(offset >= begin_);
  if (offset >= end_) return {};
  const std::size_t at = static_cast<std::size_t>(offset % kBuffer);
  const std::uint64_t size = std::min<std::uint64_t>(
      {end_ - offset, kBuffer - at, static_cast<std::uint64_t>(max_size)});
  return {buffer_.get() + at, static_cast<std::size_t>(size)};
}

void StreamSource::Release(std::uint64_t offset) {
  if (offset <= begin_) return;
  P2PCP_CHECK(offset <= end_);
  begin_ = offset;
  Submit();
}

void StreamSource::Submit() {
  if (reading_ || digest_ || error_ || disk_.room() == 0) return;
  const std::size_t at = static_cast<std::size_t>(end_ % kBuffer);
  const std::uint64_t room = kBuffer - (end_ - begin_);
  const std::size_t size = static_cast<std::size_t>(
      std::min<std::uint64_t>({room, kBuffer - at, kReadBytes}));
  if (size == 0) return;
  reading_ = true;
  Job job;
  job.kind = Job::Kind::kReadStream;
  job.stream = fd_;
  job.buffer = {buffer_.get() + at, size};
  disk_.Submit(job);
}

void StreamSource::HandleDisk() {
  while (std::optional<Completion> done = disk_.Poll()) {
    reading_ = false;
    if (done->error) {
      error_ = std::move(done->error);
    } else if (done->last) {
      digest_ = done->digest;
    } else {
      end_ += done->size;
    }
    Submit();
  }
}

}  // namespace p2pcp::file
