// The timers that keep a path alive and notice when it is not. One sentence
// each:
//   keepalive: nothing was sent on the path for 5 s +-20 %, so one probe goes
//     out, before a NAT forgets us (RFC 4787 REQ-5 asks for 2 minutes, Linux
//     gives 30 s, carriers' NATs as little as 10 s).
//   standby: the same for the second best pair, which carries nothing else.
//   quiet: payload came on the path, and no more of it for 250 ms (a round
//     trip if that is longer), so one probe asks: a receiver whose NAT has
//     forgotten it opens that again, without having anything to say.
//   silence: something was sent on the path, and for 500 ms (3 round trips if
//     that is longer) nothing came back; again every 3 s while that lasts.
//   loss: nothing authentic came on any path for 45 s. A line that was gone for
//     half a minute (a lift, a router that starts anew) carries on where it
//     was. RFC 7675 takes the consent to send back after 30 s; it thinks of
//     senders that don't slow down, and into silence this one sends a few kB a
//     second.

#ifndef P2PCP_NET_CHANNEL_CONSENT_H_
#define P2PCP_NET_CHANNEL_CONSENT_H_

#include <algorithm>
#include <optional>

#include "net/base/random.h"
#include "net/base/time.h"

namespace p2pcp::channel {

inline constexpr Duration kKeepaliveInterval = 5s;
// A Wi-Fi or LTE line that hands over is silent for some hundred milliseconds.
// Where that is taken for more, it costs six probes a pair.
inline constexpr Duration kSilenceAfter = 500ms;
inline constexpr int kSilenceRoundTrips = 3;
inline constexpr Duration kQuietAfter = 250ms;
// So often the checks begin anew: six packets in 0.8 s, then a pause. At 30 %
// loss a challenge and its echo both pass in half of all cases; that none does
// even within 15 s happens less than once in 10^8 times.
inline constexpr Duration kSilenceAgain = 3s;
inline constexpr Duration kConsentTimeout = 45s;

class Consent {
 public:
  // random must outlive this.
  explicit Consent(Random& random) : random_(&random) {}

  // A path is chosen, the first one or another; its timers begin.
  void OnPath(TimePoint now);
  bool running() const { return running_; }

  // The path's round trip as it is known now.
  void SetRtt(Duration rtt) { rtt_ = rtt; }

  // An authentic packet came, on the path in use or on another.
  void OnReceived(TimePoint now, bool on_path, bool payload) {
    last_received_ = now;
    if (on_path) {
      unanswered_since_.reset();
      silent_ = false;
      // Not after a probe: two ends that answer each other would never rest.
      if (payload) quiet_at_ = now + std::max(kQuietAfter, rtt_);
    }
  }
  // A packet went out on the path; `asks`: the peer will answer it.
  void OnSent(TimePoint now, bool asks) {
    last_sent_ = now;
    if (asks && !unanswered_since_) {
      unanswered_since_ = now;
      silence_at_ = now + SilenceAfter();
    }
  }

  // The path is silent: reported, and nothing came since.
  bool silent() const { return silent_; }
  // When an authentic packet came last, on any path.
  TimePoint last_received() const { return last_received_; }

  enum class Due { kKeepalive, kStandby, kSilence, kLoss };
  // What has become due by now, each once; nullopt when there is no more.
  // REQUIRES: running().
  std::optional<Due> Poll(TimePoint now);
  std::optional<TimePoint> next() const;

 private:
  Duration KeepaliveInterval();
  Duration SilenceAfter() const;

  Random* random_;
  bool running_ = false;
  bool silent_ = false;
  bool lost_ = false;
  Duration rtt_{};
  Duration keepalive_interval_{};
  TimePoint last_received_;
  TimePoint last_sent_;
  TimePoint standby_at_;
  std::optional<TimePoint> unanswered_since_;
  std::optional<TimePoint> quiet_at_;
  TimePoint silence_at_;
};

}  // namespace p2pcp::channel

#endif  // P2PCP_NET_CHANNEL_CONSENT_H_
