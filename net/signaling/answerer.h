// The side that receives files: says ready, answers hellos with ready and the
// first fresh offer with an answer.
//
// Fresh is an offer that echoes a nonce (N_r) which we have given out in the
// last minute or so and since the last answer; each is good for one offer. The
// same offer again gets the same answer again.

#ifndef P2PCP_NET_SIGNALING_ANSWERER_H_
#define P2PCP_NET_SIGNALING_ANSWERER_H_

#include <optional>

#include "net/base/random.h"
#include "net/base/time.h"
#include "net/signaling/event.h"
#include "net/signaling/machine.h"
#include "net/signaling/mailbox.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {

class Answerer final : public Machine {
 public:
  Answerer(TimePoint now, RendezvousConfig config, Mailbox& mailbox,
           Random& random);

  std::optional<Nonce> WaitingOffer() const override;

 private:
  void Announce(TimePoint now) override;
  bool Echoes(const Message& message) const override;
  void OnMessage(TimePoint now, const Message& message) override;
  void OnMessageWhenOver(const Message& message) override;
  void OnCandidatesKnown(TimePoint now) override;
  void OnFree(TimePoint now) override;
  void SendGoodbye(ByeReason reason) override;

  void OnHello(TimePoint now, const Message& message);
  void OnOffer(TimePoint now, const Message& message);
  void OnBye(TimePoint now, const Message& message);

  bool IsFresh(const Nonce& ready) const {
    return ready == ready_ || ready == previous_ready_;
  }
  // Every nonce that was given out is void.
  void RenewReady(TimePoint now);
  // Whether the sender of message has to wait for another one's session.
  bool MustWait(TimePoint now, const Message& message);
  // The offer is fresh and it is its turn.
  void Accept(TimePoint now, const Message& offer);
  void Refuse(const Message& offer, ByeReason reason, Error error);

  Nonce ready_;  // N_r of the next offer.
  TimePoint ready_since_;
  // The one before it, for offers that are on their way.
  std::optional<Nonce> previous_ready_;
  // An offer that waits for our first candidates.
  std::optional<Message> pending_;

  // Of the established session.
  Nonce instance_{};  // Whose it is.
  Message answer_;    // To be repeated.

  // What a refused offer gets again after the end.
  std::optional<Message> refused_;
  ByeReason refusal_ = ByeReason::kGaveUp;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_ANSWERER_H_
