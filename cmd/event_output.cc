#include "cmd/event_output.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace p2pcp::cmd {

void EventOutput::Write(std::string_view line, bool only_news) {
  if (gone_) return;
  Flush(0);
  if (only_news && !waiting_.empty()) return;
  if (waiting_.size() - written_ + line.size() > kMaxWaiting) {
    gone_ = true;
    waiting_ = {};
    written_ = 0;
    return;
  }
  waiting_ += line;
  waiting_ += '\n';
  Flush(0);
}

void EventOutput::Flush(int patience_ms) {
  while (written_ < waiting_.size() && !gone_) {
    pollfd ready = {fd_, POLLOUT, 0};
    const int found = poll(&ready, 1, patience_ms);
    if (found < 0 && errno == EINTR) continue;
    if (found == 0) return;
    // A pipe that is ready for writing takes so much without blocking.
    const ssize_t n =
        write(fd_, waiting_.data() + written_,
              std::min<std::size_t>(waiting_.size() - written_, PIPE_BUF));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (n <= 0) {
      gone_ = true;
      break;
    }
    written_ += static_cast<std::size_t>(n);
  }
  if (written_ == waiting_.size() || gone_) waiting_.clear();
  // What has been written is dropped when it is most of it.
  if (written_ > waiting_.size() / 2) {
    waiting_.erase(0, written_);
    written_ = 0;
  }
}

}  // namespace p2pcp::cmd
