// What people see: stderr. Plain lines anywhere; a live line that is redrawn
// in place only on a terminal. stdout belongs to the product.

#ifndef P2PCP_CMD_CONSOLE_H_
#define P2PCP_CMD_CONSOLE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "cmd/styled_line.h"

namespace p2pcp::cmd {

enum class ProgressMode { kAuto, kAlways, kNever };

// Whether stderr is a terminal that shows colours: not with TERM=dumb, nor
// where the user has set NO_COLOR (no-color.org).
bool StderrHasColour();

class Console {
 public:
  struct Config {
    bool quiet = false;    // Errors only.
    bool verbose = false;  // Steps too.
    ProgressMode progress = ProgressMode::kAuto;
  };
  // Looks at stderr and the environment once: a terminal or not, TERM,
  // NO_COLOR, COLUMNS.
  explicit Console(const Config& config);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  // A line for the user; text is printed as it is, so it must be escaped. A
  // live line stays below it.
  void Line(std::string_view text);
  // A line for -v only.
  void Step(std::string_view text);
  // A line even with -q.
  void Error(std::string_view text);

  bool verbose() const { return config_.verbose; }
  // True where a live line is drawn.
  bool live() const { return live_; }
  // Columns that a live line may take now: all of the terminal's but the last,
  // where terminals differ in what comes next. Where the terminal does not know
  // its width, COLUMNS tells, else there are 80. At least 1.
  std::size_t columns() const;
  // Draws line as the live line, over the last one, of which nothing is left
  // even where the terminal has become narrower and broken it into rows.
  // REQUIRES: live(); line takes at most columns().
  void Live(const StyledLine& line);
  // Until the next Live() there is none.
  void ClearLive();

 private:
  std::string Drawing(const StyledLine& line) const;
  void Write(std::string_view text);
  // To the beginning of what was drawn last, as it stands now.
  std::string ToBegin() const;
  std::size_t TerminalColumns() const;

  const Config config_;
  bool live_ = false;
  bool colour_ = false;
  bool reflows_ = true;
  std::size_t columns_by_environment_ = 0;
  StyledLine drawn_;  // Empty: nothing.
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_CONSOLE_H_
