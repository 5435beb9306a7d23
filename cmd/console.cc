#include "cmd/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace p2pcp::cmd {
namespace {

// To the start of the line, then erase to its end (ECMA-48 EL).
constexpr std::string_view kEraseLine = "\r\x1b[K";

bool DumbTerminal() {
  const char* term = std::getenv("TERM");
  return term == nullptr || std::string_view(term) == "dumb";
}

}  // namespace

Console::Console(const Config& config) : config_(config) {
  switch (config.progress) {
    case ProgressMode::kAuto:
      live_ = !config.quiet && isatty(STDERR_FILENO) == 1 && !DumbTerminal();
      break;
    case ProgressMode::kAlways:
      live_ = true;
      break;
    case ProgressMode::kNever:
      live_ = false;
      break;
  }
}

Console::~Console() { ClearLive(); }

void Console::Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(STDERR_FILENO, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    // Nobody is listening any more; that must not stop a transfer.
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void Console::Error(std::string_view text) {
  ClearLive();
  Write(std::string(text) + "\n");
}

void Console::Line(std::string_view text) {
  if (!config_.quiet) Error(text);
}

void Console::Step(std::string_view text) {
  if (config_.verbose) Error(text);
}

std::size_t Console::columns() const {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return size.ws_col;
  }
  return 80;
}

void Console::Live(std::string_view text) {
  std::string out(kEraseLine);
  out += text;
  drawn_ = true;
  Write(out);
}

void Console::ClearLive() {
  if (!drawn_) return;
  drawn_ = false;
  Write(kEraseLine);
}

}  // namespace p2pcp::cmd
