// What the state machines of both roles have in common: the beacon that says
// "here I am" while we wait, the established session, the end. offerer.h and
// answerer.h add who says what to whom.
//
//              handshake done                 SetBusy(true)
//   Waiting ------------------> Established ----------------> Live
//     ^  ^                          |                           |
//     |  +-- peer left, began anew, +                           |
//     |      lost its turn, SetBusy(false)                      |
//     +---------------------------- SetBusy(false) -------------+
//   any --- Close(), handshake or version failed, declined ---> Over

#ifndef P2PCP_NET_SIGNALING_MACHINE_H_
#define P2PCP_NET_SIGNALING_MACHINE_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/crypto/hand_over.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"
#include "net/ice/nat.h"
#include "net/signaling/event.h"
#include "net/signaling/mailbox.h"
#include "net/signaling/message.h"
#include "net/signaling/session.h"

namespace p2pcp::signaling {

class Machine {
 public:
  Machine(RendezvousConfig config, Mailbox& mailbox, Random& random)
      : config_(std::move(config)), mailbox_(mailbox), random_(random) {}
  virtual ~Machine() = default;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // A broker hears us from now on.
  void HandleOnline(TimePoint now);
  void HandleMessage(TimePoint now, const Message& message);
  // The message refers to a nonce of ours that still counts (Mailbox::Expects).
  bool Expects(const Message& message) const {
    return IsOfSession(message) || Echoes(message);
  }
  void HandleTimeout(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;
  void SetLocalCandidates(TimePoint now,
                          std::vector<ice::Candidate> candidates);
  void RepeatCandidates(TimePoint now);
  void SetLocalNat(TimePoint now, const ice::Nat& nat);
  void SetBusy(TimePoint now, bool busy);
  void Close(ByeReason reason);
  std::optional<RendezvousEvent> PollEvent();
  // As Rendezvous::WaitingOffer().
  virtual std::optional<Nonce> WaitingOffer() const { return std::nullopt; }
  bool PeerConfirmed() const {
    return session_.has_value() && session_->confirmed();
  }

 protected:
  // An agreed session is left alone for so long to come alive, whoever else
  // knocks: what can be punched is punched in less, and two senders don't push
  // each other out for ever.
  static constexpr Duration kGrace = 4s;

  // Says what the state calls for, while waiting.
  virtual void Announce(TimePoint now) = 0;
  // Whether the message echoes a nonce that we have given out and that still
  // counts, other than the session's.
  virtual bool Echoes(const Message& message) const = 0;
  // A message while not over.
  virtual void OnMessage(TimePoint now, const Message& message) = 0;
  // A message after the end.
  virtual void OnMessageWhenOver(const Message&) {}
  // The first local candidates are known.
  virtual void OnCandidatesKnown(TimePoint now) = 0;
  // A new wait begins: forget what belonged to the old one.
  virtual void OnFree(TimePoint now) = 0;
  // Tell whoever we deal with that we go.
  virtual void SendGoodbye(ByeReason reason) = 0;

  const RendezvousConfig& config() const { return config_; }
  Random& random() { return random_; }
  bool busy() const { return busy_; }
  bool knows_candidates() const { return knows_candidates_; }
  const std::vector<ice::Candidate>& candidates() const { return candidates_; }
  const ice::Nat& nat() const { return nat_; }
  // Our candidates and NAT, with the hand-over where there is one.
  Bytes MakePayload() const;
  // The hand-over in the peer's payload, if the peer's key has signed it.
  std::optional<crypto::HandOver> Verified(const Bytes& hand_over);
  // A message of ours with type, versions and names filled in.
  Message Make(MessageType type, const Nonce& from, const Nonce& to) const;
  void Send(const Message& message);
  void SendBye(const Nonce& from, const Nonce& to, ByeReason reason);
  void Emit(RendezvousEvent event);
  void EmitPeerSeen();
  // While an established session is alive.
  void EmitKnock();
  void CountStale() { ++mailbox_.stats().stale; }
  void CountMalformed() { ++mailbox_.stats().malformed; }

  // It bears the names of our session.
  bool IsOfSession(const Message& message) const {
    return session_.has_value() && message.from == session_->remote() &&
           message.to == session_->local();
  }
  // Null while there is none.
  Session* session() { return session_.has_value() ? &*session_ : nullptr; }
  const Session* session() const {
    return session_.has_value() ? &*session_ : nullptr;
  }
  void Establish(TimePoint now, Session session, Established event);
  // The session, if any, is void; the wait goes on without a word until the
  // beacon fires in `delay`.
  void Abandon(TimePoint now, Duration delay);
  // The beacon fires in `delay`, which is 1 s at most, and then after 1 s or
  // the double of delay, and twice that, up to 30 s.
  void RestartBeacon(TimePoint now, Duration delay);
  // The same within 1 s, unless it is due before: nobody can put it off.
  void HastenBeacon(TimePoint now);
  void End(Error error);

 private:
  const RendezvousConfig config_;
  Mailbox& mailbox_;
  Random& random_;
  std::deque<RendezvousEvent> events_;

  bool online_ = false;
  bool over_ = false;
  bool busy_ = false;
  bool peer_seen_ = false;
  bool knows_candidates_ = false;
  std::vector<ice::Candidate> candidates_;
  ice::Nat nat_;
  std::optional<Session> session_;
  std::optional<TimePoint> beacon_at_;
  Duration beacon_interval_{};  // After it has fired next.
};

// What both sides put into the handshake so that nobody can change it: the
// offerer's and the answerer's versions, the suites offered, the instance, N_r
// and N_s.
Bytes MakePrologue(const VersionRange& offerer, const VersionRange& answerer,
                   const std::vector<crypto::Suite>& suites,
                   const Nonce& instance, const Nonce& ready,
                   const Nonce& offer);

Error AuthenticationError();
Error VersionError(const std::string& what);

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MACHINE_H_
