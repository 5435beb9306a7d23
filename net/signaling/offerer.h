// The side that sends files: says hello until somebody is ready, offers, and
// takes the answer.
//
// An offer belongs to one nonce of the answerer's (N_r). Any `ready` may be a
// replay, so each gets an offer of its own with its own nonce (N_s) and
// ephemeral key, and only the answer to one of them decides. A `ready` that
// echoes our instance goes before one that echoes nothing.

#ifndef P2PCP_NET_SIGNALING_OFFERER_H_
#define P2PCP_NET_SIGNALING_OFFERER_H_

#include <deque>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/crypto/handshake.h"
#include "net/ice/candidate.h"
#include "net/ice/nat.h"
#include "net/signaling/event.h"
#include "net/signaling/machine.h"
#include "net/signaling/mailbox.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {

class Offerer final : public Machine {
 public:
  Offerer(RendezvousConfig config, Mailbox& mailbox, Random& random);

 private:
  struct Offer {
    Nonce ready;  // N_r: whose answer it asks for.
    Nonce nonce;  // N_s
    VersionRange versions;
    bool echoed = false;  // The ready came in reply to us.
    crypto::Handshake handshake;
    Bytes first_message;
    std::vector<ice::Candidate> candidates;
    ice::Nat nat;
    TimePoint sent_at;
  };

  void Announce(TimePoint now) override;
  bool Echoes(const Message& message) const override;
  void OnMessage(TimePoint now, const Message& message) override;
  void OnCandidatesKnown(TimePoint now) override;
  void OnFree(TimePoint now) override;
  void SendGoodbye(ByeReason reason) override;

  void OnReady(TimePoint now, const Message& message);
  void OnAnswer(TimePoint now, const Message& message);
  void OnBye(TimePoint now, const Message& message);

  void SendHello();
  void SendOffer(TimePoint now, Offer& offer);
  Offer& MakeOffer(const Message& ready);
  // The offer to repeat, null if there is none.
  Offer* Best();
  Offer* FindByReady(const Nonce& ready);
  Offer* FindByNonce(const Nonce& nonce);
  void Forget(const Offer* offer);
  void TellBusy();

  // Names this side for as long as it lives; every ready, and every bye that
  // belongs to no offer, echoes it.
  const Nonce instance_;
  std::deque<Offer> offers_;  // Oldest first.
  std::deque<Nonce> used_;    // N_r of the last sessions.
  bool told_busy_ = false;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_OFFERER_H_
