// The side of a pairing that shows the code. PAIRING.md has the states.
//
//            proof right        Confirm()            done, or 10 s
//   Shown ---------------> Proved ---------> Answered ------------> Over
//     |                      | Refuse()                              ^
//     +-- 3 wrong proofs, 10 minutes ----> (2 s of telling) ---------+

#ifndef P2PCP_NET_SIGNALING_DISPLAYER_H_
#define P2PCP_NET_SIGNALING_DISPLAYER_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/crypto/cpace.h"
#include "net/crypto/identity.h"
#include "net/crypto/pairing_code.h"
#include "net/signaling/message.h"
#include "net/signaling/pairing_event.h"
#include "net/signaling/pairing_mailbox.h"
#include "net/signaling/pairing_message.h"

namespace p2pcp::signaling {

class Displayer {
 public:
  // self and random must outlive it.
  Displayer(TimePoint now, UnixTime wall, const crypto::PairingCode& code,
            const crypto::Identity* self, Random& random);

  PairingMailbox& mailbox() { return mailbox_; }
  const PairingMailbox& mailbox() const { return mailbox_; }

  // entering: this side has typed a code too, which may still turn out right.
  // A right proof by a peer with the smaller key is then left unanswered
  // (pairing.h says why); it will be repeated.
  void HandleMessage(TimePoint now, const PairingMessage& message,
                     bool entering);
  void HandleTimeout(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;

  // After Paired.
  void Confirm(TimePoint now);
  void Refuse(TimePoint now);

  std::optional<PairingEvent> PollEvent();
  // Nothing is left to say or to wait for.
  bool over() const { return state_ == State::kOver; }

 private:
  enum class State : std::uint8_t {
    kShown,
    kProved,
    kAnswered,
    kTelling,  // It is over for the user; others may still have to hear it.
    kOver,
  };
  // One enterer's attempt, from its request to its proof.
  struct Run {
    PairingMessage share;  // As it was sent.
    Bytes enterer_data;
    crypto::Cpace cpace;
    TimePoint sent_at;
  };

  PairingMessage Make(PairingType type, const Nonce& enterer,
                      const Nonce& displayer) const;
  void SendRefusal(const Nonce& enterer, const Nonce& displayer,
                   Refusal reason);
  void HandleRequest(TimePoint now, const PairingMessage& request);
  void HandleProof(TimePoint now, const PairingMessage& proof, bool entering);
  void HandleDone(const PairingMessage& done);
  void HandleWrongProof(TimePoint now, const PairingMessage& proof);
  void Fail(TimePoint now, Error error, Refusal reason);
  void Refill(TimePoint now);

  const crypto::PairingCode code_;
  const crypto::Identity* const self_;
  Random& random_;
  PairingMailbox mailbox_;
  State state_ = State::kShown;
  // When the state ends by itself.
  TimePoint deadline_;
  std::deque<Run> runs_;
  // Attempts that were refused, so that a lost refusal is said again.
  std::vector<PairingMessage> refused_;
  Refusal final_reason_ = Refusal::kUsed;
  double tokens_;
  TimePoint tokens_at_;

  // Of the right proof.
  std::optional<crypto::CpaceSecret> secret_;
  std::optional<PairingMessage> answer_;
  TimePoint answered_at_;
  std::deque<PairingEvent> events_;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_DISPLAYER_H_
