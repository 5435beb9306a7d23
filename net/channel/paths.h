// Which path payload takes: what the ICE agent has found to begin with, and how
// to go on when addresses change underneath (RFC 9000 section 9, PROTOCOL.md
// 8).
//
// The peer *uses* a pair when it sends payload there, or a probe that says so.
// Only the newest packet (the highest number so far) counts for that. If that
// pair is not ours:
//   - the controlled side follows at once to a pair that was found and proven
//     when the two met: the other side decides;
//   - otherwise both the new pair and the one in use are challenged, and the
//     new one is taken if it answers while the old one does not, within two of
//     its round trips. So a NAT that has forgotten us costs two round trips; a
//     forged source never answers; and a packet that somebody copied and
//     brought here faster moves nothing while the true path lives. The
//     controlling side thereby also wins every difference of opinion: what it
//     challenges with says what it uses.
// When the path in use goes silent, all pairs are challenged, and the first one
// that answers before it is taken.

#ifndef P2PCP_NET_CHANNEL_PATHS_H_
#define P2PCP_NET_CHANNEL_PATHS_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/ice/agent.h"
#include "net/ice/pair.h"
#include "net/ice/probe.h"

namespace p2pcp::channel {

// After a round trip too short to mean anything: time for the old path's
// answer.
inline constexpr Duration kMinOldPathWait = 50ms;
// A suspicion that nothing has confirmed or refuted is dropped.
inline constexpr Duration kSuspicionLifetime = 5s;

class Paths {
 public:
  // random must outlive this.
  Paths(const ice::Agent::Config& config, Random& random);

  // Candidates, transmits and events pass the agent directly.
  ice::Agent& agent() { return agent_; }
  const ice::Agent& agent() const { return agent_; }
  const ice::Pair* selected() const { return agent_.selected(); }

  // An authentic packet of `size` bytes; newest: no higher number came before.
  // The result is false if its source is refused.
  bool HandleProbe(TimePoint now, std::uint8_t socket,
                   const SocketAddress& from, std::size_t size,
                   const ice::Probe& probe, bool newest);
  bool HandlePayload(TimePoint now, std::uint8_t socket,
                     const SocketAddress& from, std::size_t size, bool newest);
  // The path in use went silent.
  void HandleSilence(TimePoint now);

  void HandleTimeout(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;

 private:
  // The peer may have moved to `pair`.
  struct Suspicion {
    ice::PairId pair;
    TimePoint since;
    TimePoint decide_at;  // The old path had its time to answer.
  };

  void OnPeerUses(TimePoint now, const ice::Pair& pair);
  // The peer uses the pair that we use.
  void OnPeerStays() {
    RefuteSuspicion();
    // Our own wish for a better pair is the controlling side's alone.
    if (role_ == ice::Role::kControlled) agent_.CancelSelect();
  }
  // The path in use is alive, or the peer has come back to it.
  void RefuteSuspicion() {
    if (suspicion_) refuted_ = suspicion_;
    suspicion_.reset();
  }
  // Acts on what the challenges have brought.
  void Decide(TimePoint now);

  ice::Role role_;
  ice::Agent agent_;
  std::optional<Suspicion> suspicion_;
  // The suspicion that was refuted last: the same pair is not looked at again
  // for kSuspicionLifetime after its `since`.
  std::optional<Suspicion> refuted_;
  std::optional<TimePoint> silent_since_;
  // The path that was left for its silence: to be trusted again by proof only,
  // since it may still carry packets to us, but none from us.
  struct Abandoned {
    ice::PairId pair;
    TimePoint since;
  };
  std::optional<Abandoned> abandoned_;
};

}  // namespace p2pcp::channel

#endif  // P2PCP_NET_CHANNEL_PATHS_H_
