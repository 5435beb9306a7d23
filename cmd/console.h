// What people see: stderr. Plain lines anywhere; a live line that is redrawn
// in place only on a terminal. stdout belongs to the product.

#ifndef P2PCP_CMD_CONSOLE_H_
#define P2PCP_CMD_CONSOLE_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "net/base/time.h"

namespace p2pcp::cmd {

enum class ProgressMode { kAuto, kAlways, kNever };

class Console {
 public:
  struct Config {
    bool quiet = false;    // Errors only.
    bool verbose = false;  // Steps too.
    ProgressMode progress = ProgressMode::kAuto;
  };
  // Looks at stderr once: a terminal or not, TERM=dumb.
  explicit Console(const Config& config);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  // A line for the user; text is printed as it is, so it must be escaped.
  void Line(std::string_view text);
  // A line for -v only.
  void Step(std::string_view text);
  // A line even with -q.
  void Error(std::string_view text);

  bool verbose() const { return config_.verbose; }
  // True where a live line is drawn.
  bool live() const { return live_; }
  // Columns of the terminal now; 80 where unknown.
  std::size_t columns() const;
  // Draws text as the live line, over the last one. REQUIRES: live().
  void Live(std::string_view text);
  void ClearLive();

 private:
  void Write(std::string_view text);

  const Config config_;
  bool live_ = false;
  bool drawn_ = false;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_CONSOLE_H_
