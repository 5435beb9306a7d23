#include "cmd/ask.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cmd/text.h"

namespace p2pcp::cmd {
namespace {

// A longer list scrolls away what matters; the totals still tell.
constexpr std::size_t kMaxListed = 40;

}  // namespace

Ask::~Ask() {
  if (terminal_.valid()) loop_->Unwatch(terminal_.get());
}

void Ask::Show(const std::string& peer, const Receiver::Listing& listing,
               std::function<void(bool)> answer) {
  // Below the question is where the answer is typed.
  console_->ClearLive();
  console_->Error(fmt::format(
      "{} offers {}{}, {} in all:", peer, listing.complete ? "" : "at least ",
      FormatCount(listing.files, "file"), FormatSize(listing.bytes)));
  const auto& entries = listing.entries;
  for (std::size_t i = 0; i < std::min(entries.size(), kMaxListed); ++i) {
    console_->Error(
        fmt::format("  {:>12}  {}{}",
                    entries[i].is_folder ? "" : FormatSize(entries[i].size),
                    Escape(entries[i].path), entries[i].is_folder ? "/" : ""));
  }
  if (entries.size() > kMaxListed || !listing.complete) {
    console_->Error(
        entries.size() > kMaxListed && listing.complete
            ? fmt::format("  and {} more", entries.size() - kMaxListed)
            : "  and more");
  }
  terminal_ =
      udp::FileDescriptor(open("/dev/tty", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!terminal_.valid()) {
    console_->Error("There is no terminal to ask on, so the answer is no.");
    answer(false);
    return;
  }
  answer_ = std::move(answer);
  console_->Error("Take them? [y/N]");
  loop_->Watch(terminal_.get(), EPOLLIN,
               [this](std::uint32_t) { HandleReadable(); });
}

void Ask::HandleReadable() {
  char c = 0;
  for (;;) {
    const ssize_t n = read(terminal_.get(), &c, 1);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    // A terminal that is gone stays readable for ever; it has not said yes.
    if (n < 0) line_.clear();
    if (n <= 0 || c == '\n') break;
    if (line_.size() < 8) line_ += c;
  }
  loop_->Unwatch(terminal_.get());
  terminal_ = udp::FileDescriptor();
  const auto answer = std::exchange(answer_, nullptr);
  answer(line_ == "y" || line_ == "Y" || line_ == "yes");
}

}  // namespace p2pcp::cmd
