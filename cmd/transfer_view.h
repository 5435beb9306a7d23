// A transfer as the user sees it: the progress line, a line a file, a summary.
// Shared by send and recv.

#ifndef P2PCP_CMD_TRANSFER_VIEW_H_
#define P2PCP_CMD_TRANSFER_VIEW_H_

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
  // verb: "sent" or "received". path: the text of the path as it is now. step
  // prints a line of -v with its time. session, console and events must outlive
  // the view.
  TransferView(std::string verb, std::function<std::string()> path,
               const Session* session, Console* console, Events* events,
               std::function<void(const std::string&)> step)
      : verb_(std::move(verb)),
        path_(std::move(path)),
        session_(session),
        console_(console),
        events_(events),
        step_(std::move(step)) {}

  void HandleEvent(TimePoint now, const SessionEvent& event);
  void HandleTick(TimePoint now);

  // How the transfer ended; kOther if it has not.
  Result<ExitCode> outcome() const;

 private:
  void Summarize(TimePoint now, const Completed& completed);

  // Where there is no terminal, a line each minute is enough.
  static constexpr Duration kPlainInterval = 60s;

  const std::string verb_;
  const std::function<std::string()> path_;
  const Session* const session_;
  Console* const console_;
  Events* const events_;
  const std::function<void(const std::string&)> step_;
  RateMeter meter_;
  // Files that get a line of their own without -v.
  static constexpr std::uint64_t kMaxFilesShown = 20;

  std::uint64_t files_shown_ = 0;
  std::optional<TimePoint> started_;
  TimePoint last_plain_;
  std::optional<Result<ExitCode>> outcome_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRANSFER_VIEW_H_
