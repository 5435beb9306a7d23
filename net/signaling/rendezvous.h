// The rendezvous of two peers that know each other's keys: from "is anybody
// there?" to shared session keys and each other's candidates, over messages
// that others carry and may lose, delay, repeat, reorder, invent or replay.
// PROTOCOL.md beside this file has the messages, the states and the argument
// for freshness. Sans-IO; knows nothing of MQTT.
//
// The offerer sends files, is the Noise initiator and ICE-controlling; the
// answerer receives them. Either may be there first. Once they have met, the
// one who gives up or loses the other says so (SetBusy, Close) and the
// rendezvous waits again.

#ifndef P2PCP_NET_SIGNALING_RENDEZVOUS_H_
#define P2PCP_NET_SIGNALING_RENDEZVOUS_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/ice/candidate.h"
#include "net/ice/nat.h"
#include "net/signaling/event.h"
#include "net/signaling/mailbox.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {

class Machine;

class Rendezvous {
 public:
  using Config = RendezvousConfig;
  // event.h says when each is told.
  using PeerSeen = signaling::PeerSeen;
  using Busy = signaling::Busy;
  using Established = signaling::Established;
  using RemoteCandidates = signaling::RemoteCandidates;
  using Superseded = signaling::Superseded;
  using PeerLeft = signaling::PeerLeft;
  using Knock = signaling::Knock;
  using Failed = signaling::Failed;
  using Event = RendezvousEvent;
  using Publish = SealedMessage;  // topic and payload
  using Stats = Mailbox::Stats;

  // Every message has exactly this size; any other is not ours.
  static constexpr std::size_t kMessageSize = kSealedMessageSize;

  Rendezvous(TimePoint now, UnixTime wall, Config config, Random& random);
  ~Rendezvous();
  Rendezvous(const Rendezvous&) = delete;
  Rendezvous& operator=(const Rendezvous&) = delete;

  // What to be subscribed to now: the topics of yesterday, today and tomorrow,
  // since clocks differ. Other ones after midnight: to be asked for again after
  // HandleTimeout().
  std::vector<std::string> Topics() const;

  // A broker has acknowledged our topics: something may be published. Again
  // for each broker and each reconnection. Nothing is published before.
  void HandleSubscribed(TimePoint now, UnixTime wall);
  // Whatever came in, from any broker; duplicates are dropped here.
  void HandleMessage(TimePoint now, UnixTime wall, std::string_view topic,
                     ByteSpan payload);
  void HandleTimeout(TimePoint now, UnixTime wall);
  std::optional<TimePoint> PollTimeout() const;

  // All candidates that are known, the complete list each time. Nothing is
  // offered or answered before the first call; what later calls add is sent to
  // the peer of the established session. Beyond ice::kMaxCandidates the ones
  // of lowest priority stay behind.
  void SetLocalCandidates(TimePoint now,
                          std::vector<ice::Candidate> candidates);

  // The path to the peer of the established session has fallen silent: tells it
  // our candidates once more, by which it knows that we look for it.
  void RepeatCandidates(TimePoint now);
  // What we know of our NAT; told with the candidates, and again when it
  // changes.
  void SetLocalNat(TimePoint now, const ice::Nat& nat);

  // True: the established session is alive (its channel is connected) and
  // nothing that arrives here may end it; or this host is occupied with
  // somebody else. An answerer tells senders to wait. False: that is over; what
  // was established is void, the peer is told, and the wait begins again. An
  // attempt that fails before it is alive ends with false, too.
  void SetBusy(TimePoint now, bool busy);

  // Says goodbye with PollPublish(), then stays silent for ever.
  void Close(TimePoint now, ByeReason reason);

  // Whether the peer is known to have the established session too. An answerer
  // hears so as soon as its answer has arrived; before, the offerer may be gone
  // since it offered.
  bool PeerConfirmed() const;

  // Answerer: a fresh offer is here and waits for our first candidates. The
  // nonce that it echoes; whoever takes the offer in our place begins with that
  // one (Config::ready) and is given the message again.
  std::optional<Nonce> WaitingOffer() const;

  std::optional<Publish> PollPublish();
  std::optional<Event> PollEvent();

  const Stats& stats() const { return mailbox_.stats(); }

 private:
  // Processes what may be processed now.
  void Drain(TimePoint now);

  Mailbox mailbox_;
  std::unique_ptr<Machine> machine_;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_RENDEZVOUS_H_
