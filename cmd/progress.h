// The progress of a transfer as people see it: smoothed rate and ETA, and one
// line of text at any width. Pure: time and width are arguments.

#ifndef P2PCP_CMD_PROGRESS_H_
#define P2PCP_CMD_PROGRESS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "net/base/time.h"

namespace p2pcp::cmd {

// Bytes a second over time, smoothed twice: quickly for the rate that is shown,
// slowly for the ETA, so that it does not jump.
class RateMeter {
 public:
  // The count so far at `now`. Called at each redraw, in order of time.
  void Update(TimePoint now, std::uint64_t bytes_done);

  // Bytes a second, half-life 1 s. 0 before the second Update.
  double rate() const { return fast_; }
  // Time for the rest at the slow rate (half-life 10 s); nullopt while nothing
  // moves or nothing is known.
  std::optional<Duration> Eta(std::uint64_t bytes_left) const;

 private:
  std::optional<TimePoint> last_;
  TimePoint first_;
  std::uint64_t last_bytes_ = 0;
  double fast_ = 0;
  double slow_ = 0;
};

struct ProgressView {
  std::string name;  // The current file, escaped.
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t files_done = 0;
  std::uint64_t files_total = 0;
  double rate = 0;
  std::optional<Duration> eta;
  std::string path;  // "direct udp4 203.0.113.9:41641".
  std::optional<Duration> rtt;
};

// One line of at most `columns` columns. What matters least goes first when
// the terminal is narrow: RTT, path, bar, file count, total. REQUIRES:
// columns >= 1.
std::string RenderProgress(const ProgressView& view, std::size_t columns);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_PROGRESS_H_
