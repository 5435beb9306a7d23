// The progress of a command as people see it: smoothed rate and ETA, and lines
// of text at any width. Pure: time and width are arguments.

#ifndef P2PCP_CMD_PROGRESS_H_
#define P2PCP_CMD_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "cmd/styled_line.h"
#include "net/base/time.h"

namespace p2pcp::cmd {

// Bytes a second over time, smoothed twice: quickly for the rate that is shown,
// slowly for the ETA, so that it does not jump.
class RateMeter {
 public:
  // The count so far at `now`. Called at each redraw, in order of time, from
  // when bytes may flow; the first is where it begins to count.
  void Update(TimePoint now, std::uint64_t bytes_done);
  // Instead, while nothing can flow because the path is dead: that time, and
  // what came in it, say nothing of the rate.
  void Pause(TimePoint now, std::uint64_t bytes_done);

  // Bytes a second, half-life 1 s. 0 before the second Update.
  double rate() const { return fast_; }
  // Bytes a second, half-life 10 s.
  double slow_rate() const { return slow_; }
  // Time for the rest at the slow rate; nullopt while nothing moves, and in the
  // first kEtaAfter, when rates only begin to rise.
  std::optional<Duration> Eta(std::uint64_t bytes_left) const;

  static constexpr Duration kEtaAfter = 2s;

 private:
  std::optional<TimePoint> last_;
  Duration seen_{};
  std::uint64_t last_bytes_ = 0;
  double fast_ = 0;
  double slow_ = 0;
};

struct ProgressView {
  // The current file, escaped; or, where `phase` is set, what is done instead
  // of moving its bytes ("verifying").
  std::string name;
  bool phase = false;
  // Of the current file. Told where there is more than one.
  std::uint64_t file_bytes_done = 0;
  std::uint64_t file_bytes_total = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t files_done = 0;
  std::uint64_t files_total = 0;
  bool complete = true;  // False: the totals may still grow.
  double rate = 0;
  double slow_rate = 0;
  std::optional<Duration> eta;
  std::string path;  // "direct udp4 203.0.113.9:41641".
  std::optional<Duration> rtt;
  // The path is dead for so long, and another one is looked for.
  std::optional<Duration> stalled;
};

// One line of at most `columns` columns. What matters least goes first when
// the terminal is narrow: RTT, path, bar, file count, total, the file's own
// part, ETA, rate. REQUIRES: columns >= 1.
StyledLine RenderProgress(const ProgressView& view, std::size_t columns);

// Some lines that say all of it, for SIGUSR1. verb: "sending to bob"; since:
// for how long.
std::string RenderState(const ProgressView& view, const std::string& verb,
                        Duration since);

// What is waited for, and for how long: one line of at most `columns` columns.
// text: escaped. left: until it is given up; none: never.
// REQUIRES: columns >= 1.
StyledLine RenderWaiting(const std::string& text, Duration since,
                         std::optional<Duration> left, std::size_t columns);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_PROGRESS_H_
