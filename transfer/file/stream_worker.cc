#include "transfer/file/stream_worker.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

#include "net/base/check.h"

namespace p2pcp::file {
namespace {

// What a pipe may hold (pipe(7) lets anybody have so much): each turn of ours
// and of the program at the other end moves more. 64 KiB is the default.
constexpr int kPipeBytes = 1 << 20;

bool IsPipe(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode);
}

}  // namespace

StreamWorker::StreamWorker() : wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

bool StreamWorker::Wait(int fd, short events) {
  for (;;) {
    pollfd ready[2] = {{fd, events, 0}, {wake_.get(), POLLIN, 0}};
    const int found = poll(ready, 2, -1);
    if (found < 0 && errno == EINTR) continue;
    if (found < 0 || ready[1].revents != 0) return false;
    // An error shows with the call that follows.
    if (ready[0].revents != 0) return true;
  }
}

Result<std::size_t> StreamWorker::Read(int fd, MutableByteSpan buffer) {
  if (!begun_) {
    begun_ = true;
    if (IsPipe(fd)) (void)fcntl(fd, F_SETPIPE_SZ, kPipeBytes);
  }
  for (;;) {
    if (!Wait(fd, POLLIN)) {
      return Error{ErrorCode::kSourceUnreadable, "interrupted"};
    }
    const ssize_t size = read(fd, buffer.data(), buffer.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) {
      return ErrnoError(ErrorCode::kSourceUnreadable, "standard input", errno);
    }
    hasher_.Update(buffer.first(static_cast<std::size_t>(size)));
    return static_cast<std::size_t>(size);
  }
}

int StreamWorker::Unblocked(int fd) {
  if (unblocked_of_ == fd) return unblocked_.get();
  unblocked_of_ = fd;
  unblocked_.Close();
  if (!IsPipe(fd)) return -1;
  (void)fcntl(fd, F_SETPIPE_SZ, kPipeBytes);
  // Opened anew it has flags of its own. Not where the pipe is another user's.
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  unblocked_ = UniqueFd(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  return unblocked_.get();
}

Status StreamWorker::Write(int fd, ByteSpan bytes) {
  const int unblocked = Unblocked(fd);
  struct stat info;
  const bool file = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  while (!bytes.empty()) {
    if (!Wait(unblocked >= 0 ? unblocked : fd, POLLOUT)) {
      return Error{ErrorCode::kCannotWrite, "interrupted"};
    }
    // A pipe that is ready takes so much without blocking; a file always does.
    const std::size_t most =
        unblocked >= 0 || file ? bytes.size() : std::size_t{PIPE_BUF};
    const ssize_t size = write(unblocked >= 0 ? unblocked : fd, bytes.data(),
                               std::min(bytes.size(), most));
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0 && errno == EPIPE) {
      return Error{ErrorCode::kCannotWrite,
                   "the program that reads our standard output has closed it",
                   EPIPE};
    }
    if (size < 0) {
      return ErrnoError(ErrorCode::kCannotWrite, "standard output", errno);
    }
    const auto written = static_cast<std::size_t>(size);
    hasher_.Update(bytes.first(written));
    bytes = bytes.subspan(written);
  }
  return {};
}

Digest StreamWorker::Finish() { return hasher_.Finish(); }

void StreamWorker::SetStrong(std::unique_ptr<StrongHasher> strong) {
  hasher_.SetStrong(std::move(strong));
}

void StreamWorker::Interrupt() {
  const std::uint64_t one = 1;
  P2PCP_CHECK(write(wake_.get(), &one, sizeof(one)) == sizeof(one));
}

void StreamWorker::Resume() {
  std::uint64_t ignored = 0;
  (void)!read(wake_.get(), &ignored, sizeof(ignored));
}

}  // namespace p2pcp::file
