// What is done about NATs that show every destination another port: finds out
// how our NAT behaves, asks for sockets, measures how ports are chosen, and,
// with the peer's word on its own NAT, guesses (net/ice/tactic.h).
//
// Sans-IO. Beside the sockets that there are, others are wanted for a while:
// wanted() says how many; the owner opens them (IPv4) and says so, hands in
// what comes to them, and closes them when wanted() says another generation.

#ifndef P2PCP_NET_CONNECT_HARD_NAT_H_
#define P2PCP_NET_CONNECT_HARD_NAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/ice/candidate.h"
#include "net/ice/guess_stage.h"
#include "net/ice/nat.h"
#include "net/ice/tactic.h"
#include "net/stun/behaviour.h"
#include "net/stun/binding_transaction.h"

namespace p2pcp::connect {

// Sockets that are wanted beside those that there are.
struct ExtraSockets {
  // Another number: close all there are, open these.
  std::uint32_t generation = 0;
  // Fewer are better than none.
  int count = 0;
  // Ports will be guessed: the host's lock is needed first, even where count
  // is 0.
  bool guessing = false;
};

class HardNat {
 public:
  // Without a path for so long, a fresh socket is tried: its mappings are not
  // poisoned, and its openers go another way (net/ice/PROTOCOL.md 1).
  static constexpr Duration kFreshAfter = 4s;
  // A measurement of ports is over after this, whatever is missing.
  static constexpr Duration kSampleTimeout = 800ms;
  // The peer's word is waited for no longer.
  static constexpr Duration kPatience = 1s;
  // From a fresh socket's address to guesses by it: the peer has to hear of it,
  // and to open.
  static constexpr Duration kOpenPatience = 200ms;
  // Nor is the peer's having the session, before which guesses are in vain.
  static constexpr Duration kReadyPatience = 2500ms;
  // From a hit to a path, where the hit is good: some round trips.
  static constexpr Duration kHitPatience = 700ms;
  // Whether a meeting has worked is known by then.
  static constexpr Duration kMeetAgainAfter = 1800ms;

  // may_guess: somebody has asked for this connection, and has not forbidden
  // it. random must outlive this.
  HardNat(bool may_guess, Random& random)
      : may_guess_(may_guess), random_(random) {}

  // What STUN servers see of the one IPv4 socket, so far, and the port that it
  // has here. Where they agree on another port, a second socket is asked for,
  // for what they see of that: a NAT with 512 ports to choose from gives the
  // first one the same port twice once in 512 times.
  void SetObservations(TimePoint now,
                       std::span<const stun::Observation> observations,
                       std::optional<std::uint16_t> local_port);
  // How it filters, for the peer to know: nothing here depends on it.
  void SetFiltering(ice::Dependence filtering) { nat_.filtering = filtering; }
  const ice::Nat& nat() const { return nat_; }

  // A session with the peer has begun, or its word has changed. ready: it is
  // known to have the session. fresh: a fresh socket is to be tried in time,
  // counted from when the session began.
  void SetPeer(TimePoint now, const ice::Nat& peer, bool ready,
               std::span<const ice::Candidate> candidates, bool fresh = true);
  const std::optional<ice::Nat>& peer() const { return peer_; }
  // There is a path, or no session any more.
  void EndSession();
  // The peer has found one of the extra sockets, which is the owner's from now
  // on; the others have served. If that brings no path within kHitPatience it
  // all begins anew: two that have found each other at the same moment, in
  // two places, have each closed the socket that the other one found.
  void HandleHit(TimePoint now) {
    EndStage();
    stage_over_ = true;
    again_at_ = now + kHitPatience;
  }
  // Something authentic has come from the peer, so a guess may have hit: no
  // more of them for a while.
  void HandleHeard(TimePoint now) { heard_ = now; }

  const ExtraSockets& wanted() const { return wanted_; }
  // They stand, with these local ports, perhaps fewer than wanted; where a lock
  // was needed it is held.
  void HandleOpened(TimePoint now, std::span<const std::uint16_t> local_ports);

  // A fresh socket has been seen by a server, there: it is a data socket from
  // now on.
  std::optional<SocketAddress> TakeFresh();

  // A STUN response to one of the extra sockets; true if it was one.
  bool HandleStun(TimePoint now, int socket, const SocketAddress& from,
                  ByteSpan datagram);
  // The one that was fresh last.
  static constexpr int kFreshSocket = ice::GuessStage::kMainSocket - 1;
  struct Transmit {
    // One of the extra ones, GuessStage::kMainSocket or kFreshSocket.
    int socket = 0;
    SocketAddress to;
    int hop_limit = 0;
    // Of the STUN request in out; 0: a probe is to be sealed.
    std::size_t size = 0;
  };
  // REQUIRES: out.size() >= stun::kMaxRequestSize.
  std::optional<Transmit> PollTransmit(TimePoint now, MutableByteSpan out);
  void HandleTimeout(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;

  // For the one who is told that there is no path.
  ice::TacticKind tried() const { return tried_; }
  int probes() const { return probes_ + (stage_ ? stage_->sent() : 0); }

 private:
  enum class Use : std::uint8_t {
    kNone,
    kSecondOpinion,  // One asks two servers whether the NAT is hard.
    kSamples,        // Of the ports that the NAT chooses.
    kGuessing,
    kFresh,
  };
  struct Sample {
    int socket = 0;
    std::uint16_t local_port = 0;
    stun::BindingTransaction transaction;
  };

  // Decides what comes next.
  void Advance(TimePoint now);
  void Want(Use use, int count);
  bool SamplesDone(TimePoint now) const;
  std::vector<const Sample*> AnsweredSamples() const;
  void FinishSamples();
  void FinishFresh(TimePoint now);
  // Whether servers agree, on a port that is not the socket's own.
  bool IsDoubtful() const;
  void FinishSecondOpinion();
  void Judge();
  void StartStage(TimePoint now);
  void EndStage();
  // When the stage is to begin anew with other sockets; nullopt: not by itself.
  std::optional<TimePoint> AgainAt() const;
  // When to go on without what is still to come from the peer; nullopt:
  // nothing is.
  std::optional<TimePoint> WaitsUntil() const;
  // Where the peer's one socket is seen, or another one since: what has not
  // been opened to comes first.
  std::vector<SocketAddress> Endpoints() const;
  bool IsEndpoint(const ice::Candidate& candidate) const;
  // The peer has a socket that nothing has been opened to.
  bool HasNewEndpoint() const;

  const bool may_guess_;
  Random& random_;
  std::vector<stun::Observation> observations_;
  std::optional<std::uint16_t> local_port_;
  // What a second socket has told, and behind which address; kUnknown: nothing.
  ice::Dependence second_opinion_ = ice::Dependence::kUnknown;
  std::optional<IpAddress> asked_behind_;
  ice::Nat nat_;

  ExtraSockets wanted_;
  Use use_ = Use::kNone;
  bool opened_ = false;
  std::vector<Sample> samples_;
  TimePoint samples_end_;

  // The session.
  std::optional<ice::Nat> peer_;
  bool peer_ready_ = false;
  std::vector<ice::Candidate> candidates_;  // All that the peer has named.
  std::optional<TimePoint> fresh_at_;       // When a fresh socket is due.
  std::optional<SocketAddress> fresh_;
  std::vector<SocketAddress> opened_to_;  // Endpoints known at the last stage.
  bool fresh_tried_ = false;              // For guesses.
  bool guess_from_fresh_ = false;
  TimePoint since_;  // Of the session, or of the stage before.
  // Readings of both sides at since_.
  std::uint8_t reading_ = 0;
  std::uint8_t peer_reading_ = 0;
  ice::Tactic tactic_;
  int attempt_ = 0;
  std::optional<ice::GuessStage> stage_;
  TimePoint stage_since_;
  std::optional<TimePoint> stage_sent_;  // All that it may.
  bool stage_over_ = false;
  std::optional<TimePoint> again_at_;  // After a hit.
  std::optional<TimePoint> waiting_;   // For the peer, until then.
  int probes_ = 0;                     // Of stages that are over.
  // What of the bounds is used up, as of spent_at_: a peer that begins session
  // after session gets no more out of that. One a second is forgotten, for who
  // has to find a path again.
  int spent_ = 0;
  TimePoint spent_at_;
  std::optional<TimePoint> heard_;
  ice::TacticKind tried_ = ice::TacticKind::kNone;
};

}  // namespace p2pcp::connect

#endif  // P2PCP_NET_CONNECT_HARD_NAT_H_
