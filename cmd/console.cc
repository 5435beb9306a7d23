#include "cmd/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "cmd/text.h"

namespace p2pcp::cmd {
namespace {

// ECMA-48: EL erases to the end of the line, ED to that of the screen.
constexpr std::string_view kEraseToLineEnd = "\x1b[K";
constexpr std::string_view kEraseToScreenEnd = "\x1b[J";
constexpr std::size_t kUsualColumns = 80;

std::string_view Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

bool IsCleverTerminal() {
  const std::string_view term = Variable("TERM");
  return isatty(STDERR_FILENO) == 1 && !term.empty() && term != "dumb";
}

// Most terminals break lines anew when their width changes. xterm and GNU
// screen cut them off instead, and say who they are.
bool Reflows() {
  return Variable("XTERM_VERSION").empty() && Variable("STY").empty();
}

}  // namespace

bool StderrHasColour() {
  return IsCleverTerminal() && Variable("NO_COLOR").empty();
}

Console::Console(const Config& config)
    : config_(config), colour_(StderrHasColour()), reflows_(Reflows()) {
  switch (config.progress) {
    case ProgressMode::kAuto:
      live_ = !config.quiet && IsCleverTerminal();
      break;
    case ProgressMode::kAlways:
      live_ = true;
      break;
    case ProgressMode::kNever:
      live_ = false;
      break;
  }
  const std::string_view columns = Variable("COLUMNS");
  std::from_chars(columns.data(), columns.data() + columns.size(),
                  columns_by_environment_);
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
  const StyledLine live = drawn_;
  std::string out;
  if (!live.empty()) out = ToBegin() + std::string(kEraseToLineEnd);
  out += text;
  out += '\n';
  drawn_.clear();
  if (!live.empty() && DisplayWidth(PlainText(live)) <= columns()) {
    out += Drawing(live);
    drawn_ = live;
  }
  Write(out);
}

void Console::Line(std::string_view text) {
  if (!config_.quiet) Error(text);
}

void Console::Step(std::string_view text) {
  if (config_.verbose) Error(text);
}

std::size_t Console::TerminalColumns() const {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return size.ws_col;
  }
  return columns_by_environment_ > 0 ? columns_by_environment_ : kUsualColumns;
}

std::size_t Console::columns() const {
  return std::max<std::size_t>(TerminalColumns(), 2) - 1;
}

std::string Console::ToBegin() const {
  const std::size_t rows = RowsOf(PlainText(drawn_), TerminalColumns());
  if (rows == 1 || !reflows_) return "\r";
  return "\x1b[" + std::to_string(rows - 1) + "A\r" +
         std::string(kEraseToScreenEnd);
}

std::string Console::Drawing(const StyledLine& line) const {
  return (colour_ ? ColouredText(line) : PlainText(line)) +
         std::string(kEraseToLineEnd);
}

void Console::Live(const StyledLine& line) {
  // What was there is written over, and only then is the rest erased: nothing
  // flickers.
  Write(ToBegin() + Drawing(line));
  drawn_ = line;
}

void Console::ClearLive() {
  if (drawn_.empty()) return;
  Write(ToBegin() + std::string(kEraseToLineEnd));
  drawn_.clear();
}

}  // namespace p2pcp::cmd
