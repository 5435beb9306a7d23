#include "cmd/code_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "cmd/product.h"
#include "cmd/text.h"
#include "net/crypto/key.h"

namespace p2pcp::cmd {
namespace {

// A code takes 25 characters; more is none, however it goes on.
constexpr std::size_t kMaxLine = 256;
// How soon a file is noticed that was not there.
constexpr Duration kPollInterval = 250ms;

void WipeText(std::string& text) {
  crypto::Wipe(std::as_writable_bytes(std::span(text)));
  text.clear();
}

}  // namespace

CodeInput::CodeInput(udp::EventLoop* loop, std::string path, Handler handler)
    : loop_(loop), path_(std::move(path)), handler_(std::move(handler)) {
  // Room first, so that no copy is left behind by growth.
  line_.reserve(kMaxLine);
}

CodeInput::~CodeInput() { Close(); }

void CodeInput::Close() {
  if (timer_) loop_->CancelTimer(*timer_);
  timer_.reset();
  if (stream_.valid()) loop_->Unwatch(stream_.get());
  stream_ = udp::FileDescriptor();
  WipeText(line_);
}

std::unique_ptr<CodeInput> CodeInput::OpenTerminal(udp::EventLoop* loop,
                                                   Handler handler) {
  udp::FileDescriptor terminal(
      open("/dev/tty", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  // Whoever reads it from the background is stopped.
  if (!terminal.valid() || tcgetpgrp(terminal.get()) != getpgrp()) {
    return nullptr;
  }
  std::unique_ptr<CodeInput> input(new CodeInput(loop, "", std::move(handler)));
  input->WatchStream(std::move(terminal));
  return input;
}

std::unique_ptr<CodeInput> CodeInput::OpenFile(udp::EventLoop* loop,
                                               std::string path,
                                               Handler handler) {
  std::unique_ptr<CodeInput> input(
      new CodeInput(loop, std::move(path), std::move(handler)));
  // From the loop: the handler may not expect to be called before it has the
  // input.
  input->timer_ =
      loop->SetTimer(loop->Now(), [raw = input.get()] { raw->Poll(); });
  return input;
}

void CodeInput::WatchStream(udp::FileDescriptor fd) {
  stream_ = std::move(fd);
  loop_->Watch(stream_.get(), EPOLLIN,
               [this](std::uint32_t) { HandleReadable(); });
}

void CodeInput::HandleReadable() {
  std::array<char, kMaxLine> buffer;
  const ssize_t size = read(stream_.get(), buffer.data(), buffer.size());
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  for (ssize_t i = 0; i < size; ++i) {
    const char c = buffer[static_cast<std::size_t>(i)];
    if (c == '\n') {
      handler_.on_line(line_);
      WipeText(line_);
      // Of a pipe one line is taken.
      if (!is_terminal()) {
        Close();
        break;
      }
    } else if (line_.size() < kMaxLine) {
      line_ += c;
    }
  }
  crypto::Wipe(std::as_writable_bytes(std::span(buffer)));
  if (size > 0) return;
  // The end, or a terminal that is gone, which stays readable for ever.
  const bool something = !line_.empty() && !is_terminal();
  if (something) handler_.on_line(line_);
  Close();
  if (!something) handler_.on_end();
}

void CodeInput::PollAgain() {
  timer_ = loop_->SetTimer(loop_->Now() + kPollInterval, [this] { Poll(); });
}

void CodeInput::Poll() {
  timer_.reset();
  udp::FileDescriptor fd(
      path_ == "-" ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                   : open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) return PollAgain();
  struct stat status {};
  if (!fd.valid() || fstat(fd.get(), &status) != 0) {
    return handler_.on_error(
        ErrnoError(ErrorCode::kUsage, "--code-file " + Escape(path_), errno));
  }
  if (S_ISDIR(status.st_mode)) {
    return handler_.on_error(
        Error{ErrorCode::kUsage,
              fmt::format("--code-file {}: it is a folder", Escape(path_))});
  }
  if (!S_ISREG(status.st_mode)) return WatchStream(std::move(fd));
  if (path_ != "-" && (status.st_mode & 077) != 0) {
    return handler_.on_error(
        Error{ErrorCode::kUsage,
              fmt::format("others may read the code in {}; mend it with:\n"
                          "  chmod 600 {}",
                          Escape(path_), Escape(path_))});
  }
  ReadFile(fd.get());
}

void CodeInput::ReadFile(int fd) {
  std::array<char, kMaxLine> buffer;
  const ssize_t size = pread(fd, buffer.data(), buffer.size(), 0);
  if (size < 0) {
    return handler_.on_error(
        ErrnoError(ErrorCode::kUsage, "--code-file " + Escape(path_), errno));
  }
  const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  const std::size_t end = text.find('\n');
  // Whoever writes it may be half-way: a line without an end counts once it
  // has stopped growing.
  const bool whole =
      end != text.npos || (!text.empty() && text.size() == last_size_);
  last_size_ = text.size();
  if (whole) handler_.on_line(text.substr(0, end));
  crypto::Wipe(std::as_writable_bytes(std::span(buffer)));
  if (!whole) PollAgain();
}

Status WriteCodeFile(const std::string& path, std::string_view code) {
  std::string line;
  line.reserve(kMaxLine);
  line.append(code).append("\n");
  Status status;
  if (path == "-") {
    status = WriteProduct(line);
  } else {
    const udp::FileDescriptor fd(
        open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
             0600));
    if (!fd.valid() && errno == EEXIST) {
      status = Error{ErrorCode::kUsage,
                     fmt::format("--code-file: {} exists; the code is not "
                                 "written over it",
                                 Escape(path))};
    } else if (!fd.valid() || write(fd.get(), line.data(), line.size()) !=
                                  static_cast<ssize_t>(line.size())) {
      status = ErrnoError(ErrorCode::kCannotWrite,
                          "--code-file " + Escape(path), errno);
    }
  }
  WipeText(line);
  return status;
}

}  // namespace p2pcp::cmd
