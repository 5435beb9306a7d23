// A transfer as the user sees it: the progress line, a line a file, a summary.
// Shared by send and recv.

#ifndef P2PCP_CMD_TRANSFER_VIEW_H_
#define P2PCP_CMD_TRANSFER_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "cmd/console.h"
#include "cmd/events.h"
#include "cmd/exit_code.h"
#include "cmd/progress.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/session/session.h"

namespace p2pcp::cmd {

class TransferView {
 public:
  // Files that get a line of their own without -v; one more is told of.
  static constexpr std::uint64_t kMaxFilesShown = 20;

  // The words for what this side does.
  struct Words {
    std::string done;  // "sent", "received".
    std::string now;   // "sending to bob".
  };
  // What the view asks of others, each time anew.
  struct Sources {
    // The text of the path as it is now.
    std::function<std::string()> path;
    // Since when it is silent, if it is.
    std::function<std::optional<Duration>(TimePoint)> stalled;
    // Prints a line of -v with its time.
    std::function<void(const std::string&)> step;
  };
  // asks: this side's user is asked whether to take the files, so that the line
  // is theirs to type on. session, console and events must outlive the view.
  TransferView(TimePoint now, Words words, bool asks, Sources sources,
               const Session* session, Console* console, Events* events)
      : begun_(now),
        words_(std::move(words)),
        asks_(asks),
        sources_(std::move(sources)),
        session_(session),
        console_(console),
        events_(events) {}

  void HandleEvent(TimePoint now, const SessionEvent& event);
  void HandleTick(TimePoint now);
  // Prints how it stands, even with -q: the user wants to know (SIGUSR1).
  void HandleStateWanted(TimePoint now);

  // How the transfer ended; kOther if it has not.
  Result<ExitCode> outcome() const;

 private:
  void Summarize(TimePoint now, const Completed& completed);
  ProgressView View(TimePoint now, const Progress& progress) const;

  // Where there is no terminal, a line each minute is enough.
  static constexpr Duration kPlainInterval = 60s;
  static constexpr std::size_t kPlainColumns = 160;

  const TimePoint begun_;
  const Words words_;
  const bool asks_;
  const Sources sources_;
  const Session* const session_;
  Console* const console_;
  Events* const events_;
  RateMeter meter_;
  std::uint64_t files_shown_ = 0;
  std::optional<TimePoint> started_;
  TimePoint last_plain_;
  std::optional<Result<ExitCode>> outcome_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRANSFER_VIEW_H_
