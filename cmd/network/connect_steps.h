// The steps to a path to the peer, for the user's eyes: which are done, and
// what is waited for now.

#ifndef P2PCP_CMD_NETWORK_CONNECT_STEPS_H_
#define P2PCP_CMD_NETWORK_CONNECT_STEPS_H_

#include <optional>
#include <string>

#include "cmd/console.h"
#include "cmd/events.h"
#include "net/base/time.h"

namespace p2pcp::cmd {

class ConnectSteps {
 public:
  enum class Step {
    kBroker,     // To be reached.
    kPeer,       // To appear.
    kHandshake,  // To be agreed on.
    kBusy,       // The peer is, with somebody else.
    kPath,       // To be found.
  };

  // again: the peer was there before, and got lost. console and events must
  // outlive it.
  ConnectSteps(std::string peer, bool again, Console* console, Events* events)
      : peer_(std::move(peer)),
        again_(again),
        console_(console),
        events_(events) {}

  // It begins. timeout: for the peer to appear; none: for ever.
  void Begin(TimePoint now, std::optional<Duration> timeout);

  // What has come to pass; events are told of it.
  void HandleBroker(TimePoint now, const std::string& url);
  void HandlePeer(TimePoint now);
  void HandleBusy(TimePoint now);
  void HandleHandshake(TimePoint now);
  void HandleGone(TimePoint now);

  // Draws the line, where there is one.
  void Draw(TimePoint now) const;
  // Some lines on how it stands, for SIGUSR1. probes: those sent so far, in
  // words, once there are any.
  std::string State(TimePoint now, const std::string& probes) const;

  Step step() const { return step_; }

 private:
  void Enter(TimePoint now, Step step);
  // Of what is waited for.
  std::string Text() const;
  std::optional<Duration> Left(TimePoint now) const;

  const std::string peer_;
  const bool again_;
  Console* const console_;
  Events* const events_;
  Step step_ = Step::kBroker;
  TimePoint begun_;
  TimePoint since_;  // When step_ was entered.
  std::optional<TimePoint> deadline_;
  std::string broker_;  // The one that was reached last.
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_CONNECT_STEPS_H_
