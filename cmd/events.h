// --json: what happens, one JSON object a line on stdout (EVENTS.md).

#ifndef P2PCP_CMD_EVENTS_H_
#define P2PCP_CMD_EVENTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cmd/event_output.h"
#include "cmd/exit_code.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/connection/connection.h"
#include "transfer/session/session.h"

namespace p2pcp::cmd {

class Events {
 public:
  // Of the events' names and fields (EVENTS.md says when it changes).
  static constexpr int kSchema = 1;
  // `done` lists the digests of so many files at most.
  static constexpr std::size_t kMaxDigests = 1024;

  // fd: where to write; none: without --json, when nothing does anything.
  explicit Events(std::optional<int> fd);

  bool enabled() const { return output_.has_value(); }

  void Start(std::string_view command);
  void Waiting(std::string_view peer);
  // The connection is lost; the peer is waited for so long.
  void Lost(std::string_view peer, Duration patience);
  // The command that goes on, for whatever error is told from now on.
  void SetResume(std::string command) { resume_ = std::move(command); }
  bool can_go_on() const { return !resume_.empty(); }
  // Whether Waiting() was called.
  bool looked_for_peer() const { return looked_for_peer_; }
  // detail: the broker's URL; empty for other steps.
  void Connecting(std::string_view step, std::string_view detail = {});
  void Path(std::string_view text, std::size_t max_payload, Duration rtt);
  // Nothing has come from the peer for so long; a path is looked for.
  void Stalled(Duration quiet);
  // After a stall of that length it goes on.
  void Resumed(Duration took);
  void Handle(const Offered& offered);
  void Handle(const Started& started);
  void Handle(const LeftOut& left_out);
  void Handle(const p2pcp::Resumed& resumed);
  void Handle(const Outdated& outdated);
  void Handle(const FileDone& done);
  void Handle(const FileFailed& failed);
  // bytes_per_second: of late; eta: none while it is unknown.
  void Handle(const Progress& progress, const ConnectionStats& stats,
              double bytes_per_second, std::optional<Duration> eta);
  void Done(const Completed& completed, const ConnectionStats& stats,
            Duration took, std::string_view path);
  // recv --listen: whom it waits for, and how many may come at once.
  void Listening(const std::vector<std::string>& peers,
                 std::size_t max_transfers);
  // One of several transfers: its number, then each event as the process that
  // carries it has written it, then its end.
  void Began(unsigned transfer, std::string_view peer);
  void Relay(unsigned transfer, std::string_view line);
  void Ended(unsigned transfer, std::string_view peer, ExitCode code);
  // How the command failed. A signal ends it without an error. remedy: may be
  // empty.
  void Failed(ExitCode code, std::string_view message, std::string_view remedy);

 private:
  struct Digest {
    std::string name;
    std::string xxh128;
  };

  std::optional<EventOutput> output_;
  std::string resume_;
  bool looked_for_peer_ = false;
  std::vector<Digest> digests_;
  std::size_t files_done_ = 0;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_EVENTS_H_
