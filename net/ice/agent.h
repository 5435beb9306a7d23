// The ICE agent (RFC 8445) of one session: finds the pairs that work, proves
// them in both directions, chooses one, and later proves again on demand.
//
// Differences from the RFC: checks are not STUN but probes that the channel
// seals (probe.h), so every one is authentic; a probe is request and response
// at once; the controlling side nominates the first pair that is proven and may
// better its choice for a short while. Nothing waits for a timer once an answer
// has come, and whatever one side must learn is repeated, so no single loss
// can keep the two apart.
//
// Sans-IO and single-threaded: after each call drain PollTransmit() and
// PollEvent(), then sleep until PollTimeout(). Only authentic packets may be
// handed in.

#ifndef P2PCP_NET_ICE_AGENT_H_
#define P2PCP_NET_ICE_AGENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/ice/candidate.h"
#include "net/ice/checklist.h"
#include "net/ice/pair.h"
#include "net/ice/probe.h"
#include "net/ice/probe_budget.h"

namespace p2pcp::ice {

// Between scheduled checks, which are of different pairs (RFC 8445
// section 14.2: 50 ms by default, 5 ms at the least).
inline constexpr Duration kTa = 5ms;
// Without a path after this long the agent gives up: a whole round of checks
// has gone unanswered. Candidates that came late get 5 s of their own, but no
// more than 13 s in all, so that the user hears of it within 15.
inline constexpr Duration kFailAfter = 10s;
inline constexpr Duration kFailAfterLateCandidate = 5s;
inline constexpr Duration kFailAtLast = 13s;
// Pairs that are formed this late belong to a second attempt, with other
// sockets, other hop limits and the other side opening first (opener.h).
inline constexpr Duration kSecondAttempt = 4s;
// For so long after the first choice the controlling side takes a better pair.
inline constexpr Duration kRenominationWindow = 3s;
// The chosen path changes no more often than this: two paths that take turns,
// or somebody who copies packets, can't make it flap.
inline constexpr Duration kMinSwitchInterval = 500ms;
// While the peer's payload comes on a pair that is not proven to us, it is
// challenged this often beyond the schedule.
inline constexpr Duration kNominatedCheckInterval = 100ms;
// A pair that has not been proven for this long is no standby: three
// keepalives went unanswered.
inline constexpr Duration kStandbyTrust = 15s;

class Agent {
 public:
  struct Config {
    Role role = Role::kControlling;
    // Bytes of UDP payload that a probe makes, for the amplification limit.
    std::size_t probe_size = 0;
    bool allow_loopback = false;  // See IsProbeable().
    // What the peer has left, over all its sessions; null: no such bound. Must
    // outlive the agent.
    ProbeBudget* budget = nullptr;
  };
  // random must outlive the agent.
  Agent(const Config& config, Random& random);

  void AddLocalCandidates(TimePoint now, std::span<const Candidate> candidates);
  void AddRemoteCandidates(TimePoint now,
                           std::span<const Candidate> candidates);

  // An authentic probe of `size` bytes of UDP payload. The result is the pair
  // it came on, nullptr if that may not exist (filter, bounds) or the agent has
  // failed; valid until the next call.
  const Pair* HandleProbe(TimePoint now, std::uint8_t socket,
                          const SocketAddress& from, std::size_t size,
                          const Probe& probe);
  // Any other authentic packet.
  const Pair* HandlePacket(TimePoint now, std::uint8_t socket,
                           const SocketAddress& from, std::size_t size);
  // The peer sends its payload on this pair. On the controlled side, and while
  // none is selected, that nominates it: it is selected as soon as it is
  // proven.
  void HandleNomination(TimePoint now, PairId pair);

  // The peer is known to have begun: openers have done what they can.
  void HandlePeerReady(TimePoint now);

  // A round of checks on one pair; a running one goes on.
  void Check(TimePoint now, PairId pair);
  // A round on every pair; running ones begin anew.
  void CheckAll(TimePoint now);
  // One challenge, outside of any round: keepalive.
  void Ping(PairId pair);
  // Takes this pair for payload, at once or when kMinSwitchInterval is over; a
  // later call overrides an earlier one. REQUIRES: the pair is proven.
  void Select(TimePoint now, PairId pair);
  // What Select() has put off is not wanted any more.
  void CancelSelect() { wanted_.reset(); }

  void HandleTimeout(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;

  struct Transmit {
    PairId pair{};
    std::uint8_t socket = 0;
    SocketAddress to;
    Probe probe;
    // 0: the system's default.
    int hop_limit = 0;
  };
  std::optional<Transmit> PollTransmit(TimePoint now);

  enum class Event : std::uint8_t {
    kSelected,  // selected() has changed.
    kFailed,    // Nothing worked; the agent is silent from now on.
  };
  std::optional<Event> PollEvent();

  // The pair that payload takes, nullptr before the first kSelected.
  const Pair* selected() const { return selected_; }
  // The best of the other pairs that are proven and fresh.
  const Pair* standby(TimePoint now) const;
  const Pair* FindById(PairId pair) const { return checklist_.FindById(pair); }
  const Checklist& checklist() const { return checklist_; }

 private:
  Pair* Receive(TimePoint now, std::uint8_t socket, const SocketAddress& from,
                std::size_t size);
  void StartNewPairs(TimePoint now, bool formed);
  // Whether a NAT of the peer's stands before it that a packet could poison.
  bool WantsOpener(const Pair& pair) const;
  void ReleaseOpeners();
  void OnProven(TimePoint now, Pair& pair);
  void Switch(TimePoint now, Pair& pair);
  // Builds the probe that is due on the pair; nullopt if it may not be sent.
  std::optional<Transmit> Send(TimePoint now, Pair& pair);
  // Whether one more probe may go out on the pair; if so it is booked.
  bool BookSend(TimePoint now, Pair& pair);
  // The next opener that is due, before or instead of its pair's check. They
  // keep no distance, for nobody answers them: all of the first ones leave
  // before the word that tells of them does.
  std::optional<Transmit> NextOpener(TimePoint now);
  // The scheduled check that is due first.
  Pair* NextCheck() const;
  std::optional<TimePoint> NextCheckTime() const;

  Config config_;
  Random* random_;
  Checklist checklist_;
  Pair* selected_ = nullptr;
  std::optional<PairId> nominated_;  // By the peer, not proven yet.
  std::optional<PairId> wanted_;     // To be selected when switch_after_ comes.
  TimePoint first_selected_;
  TimePoint switch_after_;
  TimePoint next_pacing_;  // No scheduled check before.
  std::optional<TimePoint> begin_;
  TimePoint fail_at_;
  bool failed_ = false;
  bool opening_ = false;  // Some pair's opener may be active.
  bool urgent_ = false;   // Some pair may be urgent().
  bool selected_event_ = false;
  bool failed_event_ = false;
};

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_AGENT_H_
