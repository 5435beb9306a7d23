// What send and recv have in common: from the peer's name to a path, with all
// that a session needs besides; then the session, to its end.

#ifndef P2PCP_CMD_TRANSFER_COMMAND_H_
#define P2PCP_CMD_TRANSFER_COMMAND_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "cmd/console.h"
#include "cmd/events.h"
#include "cmd/exit_code.h"
#include "cmd/home.h"
#include "cmd/link.h"
#include "cmd/load_meter.h"
#include "cmd/options/options.h"
#include "cmd/self_and_peer.h"
#include "cmd/trace/trace.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/file/threaded_disk.h"
#include "transfer/session/session.h"

namespace p2pcp::cmd {

class TransferCommand {
 public:
  enum class Side { kSender, kReceiver };
  using Begun = std::variant<std::unique_ptr<TransferCommand>, ExitCode>;

  // Meets the peer, pairing with it first where it is new, and finds a path.
  // The exit code of a signal if one came before that. home, console and events
  // must outlive it.
  static Result<Begun> Begin(Side side, const Options& options,
                             const Home& home, Console& console,
                             Events& events);

  const std::string& peer_name() const { return who_.peer.name; }
  Link& link() { return *link_; }
  file::Disk* disk() { return disk_.get(); }
  TimePoint Now() const { return link_->Now(); }

  // Sets what the configurations of both sessions have in common.
  template <typename Config>
  void Configure(Config& config) {
    config.max_payload = link_->max_payload();
    config.initial_rtt = link_->rtt();
    config.load = &*load_;
    config.tracer = trace_ != nullptr ? trace_->tracer() : nullptr;
  }

  // Carries the session, which uses disk(), to its end. also is told of its
  // events after the user has been.
  Result<ExitCode> Run(
      Session* session, const std::function<void(const SessionEvent&)>& also =
                            [](const SessionEvent&) {});

 private:
  TransferCommand(Side side, SelfAndPeer who, Console& console, Events& events)
      : side_(side), who_(std::move(who)), console_(console), events_(events) {}

  const Side side_;
  const SelfAndPeer who_;  // The link holds on to it.
  Console& console_;
  Events& events_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<Trace> trace_;  // Null without --trace.
  std::unique_ptr<file::ThreadedDisk> disk_;
  std::optional<ProcessLoad> load_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRANSFER_COMMAND_H_
