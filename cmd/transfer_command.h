// What send and recv have in common: from the peer's name to a path, with all
// that a session needs besides; then the session, to its end. When the
// connection is lost, the peer is waited for, and a new session goes on where
// the old one ended.

#ifndef P2PCP_CMD_TRANSFER_COMMAND_H_
#define P2PCP_CMD_TRANSFER_COMMAND_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cmd/console.h"
#include "cmd/events.h"
#include "cmd/exit_code.h"
#include "cmd/home.h"
#include "cmd/link.h"
#include "cmd/load_meter.h"
#include "cmd/options/options.h"
#include "cmd/self_and_peer.h"
#include "cmd/trace/trace.h"
#include "cmd/transfer_view.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/crypto/public_key.h"
#include "transfer/file/journal.h"
#include "transfer/file/threaded_disk.h"
#include "transfer/session/session.h"

namespace p2pcp::cmd {

class TransferCommand {
 public:
  enum class Side { kSender, kReceiver };
  using Begun = std::variant<std::unique_ptr<TransferCommand>, ExitCode>;

  // Meets the peer, pairing with it first where it is new, and finds a path.
  // The exit code of a signal if one came before that. What it is given must
  // outlive it.
  static Result<Begun> Begin(Side side, const Options& options,
                             const Home& home, Console& console,
                             Events& events);

  const std::string& peer_name() const { return who_.peer.name; }
  // The peer's key of today, though the contact book may have had another one.
  const crypto::PublicKey& peer_key() const { return peer_key_; }
  // Ours, and that of before a rotation where the peer may know no other.
  const crypto::Identity& self() const { return who_.self; }
  std::vector<crypto::PublicKey> own_keys() const;
  Link& link() { return *link_; }
  file::Disk* disk() { return disk_.get(); }
  TimePoint Now() const { return link_->Now(); }

  // Sets what the configurations of both sessions have in common.
  template <typename Config>
  void Configure(Config& config) {
    config.max_payload = link_->max_payload();
    config.initial_rtt = link_->rtt();
    config.load = &*load_;
    // Events and -v tell of all.
    if (!options_.json && !console_.verbose()) {
      config.told_files = TransferView::kMaxFilesShown + 1;
    }
    config.tracer = trace_ != nullptr ? trace_->tracer() : nullptr;
  }

  // What is interrupted can go on from now on. folder: where files go; empty: a
  // sender's. Where nothing can be kept, that is said and no more.
  void KeepState(const Home& home, const std::string& folder);

  // Makes a session on link() and disk(), which are others each time.
  using MakeSession = std::function<std::unique_ptr<Session>()>;
  // Carries sessions until one comes to its end. also is told of their events
  // after the user has been.
  Result<ExitCode> Run(
      const MakeSession& make,
      const std::function<void(const SessionEvent&)>& also =
          [](const SessionEvent&) {});
  // The same for a stream, which can't go on: one session.
  Result<ExitCode> RunStream(const MakeSession& make) {
    return RunOnce(make, [](const SessionEvent&) {});
  }

 private:
  TransferCommand(Side side, const Options& options, const Home& home,
                  SelfAndPeer who, Console& console, Events& events)
      : side_(side),
        options_(options),
        home_(home),
        who_(std::move(who)),
        peer_key_(who_.peer.key),
        console_(console),
        events_(events) {}

  // Opens a link and finds a path: the exit code of a signal, if one came.
  Result<std::optional<ExitCode>> Connect(const Options& options, bool again);
  Status Prepare();
  Result<ExitCode> RunOnce(
      const MakeSession& make,
      const std::function<void(const SessionEvent&)>& also);
  Result<std::optional<ExitCode>> Reconnect();
  // The last word about the journal.
  void FinishJournal(bool verified);
  // What there is to say to a user whose transfer can go on, or begin anew.
  std::string HowToGoOn() const;

  const Side side_;
  const Options& options_;
  const Home& home_;
  const SelfAndPeer who_;  // The link holds on to it.
  crypto::PublicKey peer_key_;
  Console& console_;
  Events& events_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<Trace> trace_;            // Null without --trace.
  std::unique_ptr<file::Journal> journal_;  // Null where none can be kept.
  std::unique_ptr<file::ThreadedDisk> disk_;
  std::optional<ProcessLoad> load_;
  bool begun_ = false;      // Bytes may have arrived.
  bool into_pipe_ = false;  // And are gone there.
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRANSFER_COMMAND_H_
