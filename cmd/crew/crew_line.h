// The live line of several transfers: how far all of them are together, out of
// the events that their processes write (cmd/EVENTS.md).

#ifndef P2PCP_CMD_CREW_CREW_LINE_H_
#define P2PCP_CMD_CREW_CREW_LINE_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "cmd/progress.h"
#include "cmd/styled_line.h"
#include "net/base/time.h"

namespace p2pcp::cmd {

class CrewLine {
 public:
  // idle: what is waited for while there is no transfer, escaped.
  explicit CrewLine(std::string idle) : idle_(std::move(idle)) {}

  // Waits from now on.
  void Begin(TimePoint now) { since_ = now; }
  void HandleBegan(TimePoint now, unsigned number, std::string peer);
  // A line of the transfer's stdout. Whatever is no progress is passed over: a
  // process that a peer has taken over may write anything.
  void HandleOutput(unsigned number, std::string_view line);
  void HandleEnded(TimePoint now, unsigned number);

  // One line of at most `columns` columns. REQUIRES: columns >= 1.
  StyledLine Render(TimePoint now, std::size_t columns) const;

 private:
  struct Transfer {
    std::string peer;
    // Of the last progress.
    ProgressView view;
  };

  const std::string idle_;
  std::map<unsigned, Transfer> transfers_;
  // When it began to wait, or a transfer last began or ended.
  TimePoint since_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_CREW_CREW_LINE_H_
