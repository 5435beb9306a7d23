// What the user is told while the path to the peer is silent.

#ifndef P2PCP_CMD_NETWORK_STALL_H_
#define P2PCP_CMD_NETWORK_STALL_H_

#include <optional>
#include <string>

#include "cmd/console.h"
#include "cmd/events.h"
#include "net/base/time.h"

namespace p2pcp::cmd {

class Stall {
 public:
  // A Wi-Fi that hands over is no news; what lasts longer is.
  static constexpr Duration kWorthTelling = 1s;

  // console and events must outlive it.
  Stall(std::string peer, Console* console, Events* events)
      : peer_(std::move(peer)), console_(console), events_(events) {}

  // Nothing has come for `quiet`. Again and again while that lasts.
  void HandleSilence(TimePoint now, Duration quiet);
  // The path works again, or another one does.
  void HandleAlive(TimePoint now);
  // At least each quarter of a second.
  void HandleTick(TimePoint now);

  bool stalled() const { return since_.has_value(); }
  // Since when nothing has come. REQUIRES: stalled().
  Duration quiet(TimePoint now) const { return now - *since_; }
  // How often silence was reported in this stall.
  int reports() const { return reports_; }

 private:
  const std::string peer_;
  Console* const console_;
  Events* const events_;
  std::optional<TimePoint> since_;
  int reports_ = 0;
  bool told_ = false;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_STALL_H_
