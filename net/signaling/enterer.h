// The side of a pairing that has typed the code. PAIRING.md has the states.
//
//            share: proof       answer right        Confirm(), Refuse()
//   Asking ---------------> Asking ----------> Proved ----------------> Over
//     ^ Enter() |                                                        ^
//   Wrong <-----+ refused    3 shares and no answer, 10 minutes ---------+

#ifndef P2PCP_NET_SIGNALING_ENTERER_H_
#define P2PCP_NET_SIGNALING_ENTERER_H_

#include <cstdint>
#include <deque>
#include <optional>
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

class Enterer {
 public:
  // self and random must outlive it. followed: proofs given away for the codes
  // that were entered before.
  Enterer(TimePoint now, UnixTime wall, const crypto::PairingCode& code,
          const crypto::Identity* self, int followed, Random& random);

  PairingMailbox& mailbox() { return mailbox_; }
  const PairingMailbox& mailbox() const { return mailbox_; }

  // A broker hears us from now on.
  void HandleOnline(TimePoint now);
  void HandleMessage(TimePoint now, const PairingMessage& message);
  void HandleTimeout(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;

  // After Paired.
  void Confirm();
  void Refuse();

  std::optional<PairingEvent> PollEvent();
  bool over() const { return state_ == State::kOver; }
  // The code may still turn out right.
  bool asking() const { return state_ == State::kAsking; }
  const Nonce& nonce() const { return nonce_; }
  int followed() const { return followed_; }

 private:
  enum class State : std::uint8_t { kAsking, kProved, kWrong, kOver };
  // One displayer's share that we have answered.
  struct Run {
    crypto::CpacePoint share;
    Bytes displayer_data;
    crypto::CpaceSecret secret;
    PairingMessage proof;  // As it was sent.
    TimePoint sent_at;
    std::optional<Refusal> refused;
  };

  PairingMessage Make(PairingType type, const Nonce& displayer) const;
  void HandleShare(TimePoint now, const PairingMessage& share);
  void HandleAnswer(const PairingMessage& answer);
  void HandleRefusal(TimePoint now, const PairingMessage& refusal);
  // Nobody has taken the refusal back.
  void ActOnRefusal(Refusal reason);
  void SendDone(bool kept);
  void Fail(Error error);

  const crypto::PairingCode code_;
  const crypto::Identity* const self_;
  Random& random_;
  PairingMailbox mailbox_;
  State state_ = State::kAsking;
  const Nonce nonce_;
  int followed_;

  bool online_ = false;
  TimePoint life_ends_;
  TimePoint request_at_;  // When to ask, or to repeat proofs.
  Duration request_interval_;
  std::optional<TimePoint> lonely_at_;  // When to say NobodyThere.
  std::optional<TimePoint> give_up_at_;
  // A refusal may be anybody's: an answer until then still counts.
  std::optional<TimePoint> refused_at_;
  Refusal refusal_ = Refusal::kWrongCode;

  std::vector<Run> runs_;
  // Of the answer that was right.
  std::optional<crypto::CpaceSecret> secret_;
  Nonce peer_nonce_{};
  std::optional<PairingMessage> done_;  // As it was sent.
  std::deque<PairingEvent> events_;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_ENTERER_H_
