// First contact by a one-time code: from "4821-acid-bagel-crumb" on one side's
// screen to each other's public key and a shared secret on both, over messages
// that others carry and may read, lose, delay, repeat and invent. PAIRING.md
// beside this file has the messages, the states and the argument. Sans-IO.
//
// A side shows a code, takes one, or does both: then whoever types first
// decides. If both have typed, both runs may succeed; the side with the smaller
// public key answers, and the other withholds its answer while its own code
// may still turn out right, so both end with the same secret.

#ifndef P2PCP_NET_SIGNALING_PAIRING_H_
#define P2PCP_NET_SIGNALING_PAIRING_H_

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/crypto/pairing_code.h"
#include "net/signaling/displayer.h"
#include "net/signaling/enterer.h"
#include "net/signaling/mailbox.h"
#include "net/signaling/pairing_event.h"
#include "net/signaling/pairing_mailbox.h"

namespace p2pcp::signaling {

class Pairing {
 public:
  using Event = PairingEvent;     // pairing_event.h says when each is told.
  using Publish = SealedMessage;  // topic and payload
  using Stats = PairingMailbox::Stats;

  // self and random must outlive it. shown: the code that this side shows.
  Pairing(TimePoint now, UnixTime wall, const crypto::Identity* self,
          const std::optional<crypto::PairingCode>& shown, Random& random);
  ~Pairing();
  Pairing(const Pairing&) = delete;
  Pairing& operator=(const Pairing&) = delete;

  // The user has typed this code. A later one takes the place of an earlier
  // one; of all of them together at most three proofs are given away. Does
  // nothing once somebody is paired or all has failed.
  void Enter(TimePoint now, UnixTime wall, const crypto::PairingCode& code);

  // What to be subscribed to now: other ones when the hour turns and after
  // Enter(), so to be asked for again after each call.
  std::vector<std::string> Topics() const;
  // A broker has acknowledged these topics. Again for each broker and each
  // change. Nothing is published before.
  void HandleSubscribed(TimePoint now);
  void HandleMessage(TimePoint now, std::string_view topic, ByteSpan payload);
  void HandleTimeout(TimePoint now, UnixTime wall);
  std::optional<TimePoint> PollTimeout() const;

  // The caller has kept, or can't keep, what Paired brought. Both sides must
  // call one of them; only then is the other told.
  void Confirm(TimePoint now);
  void Refuse(TimePoint now);

  std::optional<Publish> PollPublish();
  std::optional<Event> PollEvent();

  // Paired and the other side knows, or failed and who must hear it has had
  // the time: nothing is left to wait for.
  bool over() const;

  // Of the code that is shown, and of the codes that were entered.
  Stats displayer_stats() const;
  Stats enterer_stats() const;

 private:
  void Drain();
  void DropDisplayer();
  void DropEnterer();

  const crypto::Identity* const self_;
  Random& random_;
  std::optional<Displayer> displayer_;
  std::optional<Enterer> enterer_;
  // Which code has decided it, for good or ill.
  enum class Outcome { kNone, kShown, kEntered };
  Outcome outcome_ = Outcome::kNone;
  bool online_ = false;
  // Of those that are gone.
  Stats displayer_stats_;
  Stats enterer_stats_;
  std::deque<PairingEvent> events_;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_PAIRING_H_
