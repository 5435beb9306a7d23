// Many peers that may come, some of them at a time: the rendezvous of all
// through one connection to the brokers.
//
// A reception says to each peer that it is ready, and waits for a fresh offer.
// Whoever makes one is let in while there is room: from then on somebody else
// speaks with that peer (a rendezvous that begins with the nonce that the offer
// echoes), until it leaves. While there is no room the others are told that it
// is busy here, and get in one after another, in the order in which they came.
//
//             fresh offer, room: Arrival          Leave()
//   outside ----------------------------> inside ---------> outside
//
// Sans-IO, as a connector: after each input drain PollPublish and PollArrival,
// then sleep until PollTimeout. Single-threaded.

#ifndef P2PCP_NET_CONNECT_RECEPTION_H_
#define P2PCP_NET_CONNECT_RECEPTION_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/connect/rendezvous_pair.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/identity.h"
#include "net/crypto/public_key.h"
#include "net/signaling/rendezvous.h"

namespace p2pcp::connect {

class Reception {
 public:
  // For so long a place is kept for the one whose turn it is: a message to it
  // and one back, through a slow broker.
  static constexpr Duration kInvitation = 2s;

  struct Config {
    const crypto::Identity* self = nullptr;  // Must outlive the reception.
    std::size_t room = 1;                    // Inside at once, at least 1.
    // Our key of before a rotation, for the peers whose rules say that they
    // know no other; null: none. Must outlive the reception.
    const crypto::Identity* former = nullptr;
  };
  Reception(const Config& config, Random& random)
      : config_(config), random_(random) {}
  Reception(const Reception&) = delete;
  Reception& operator=(const Reception&) = delete;

  // Who may come, in place of those of before; none of them our own key. One
  // that is inside stays there, whether it is listed or not.
  void SetPeers(TimePoint now, UnixTime wall,
                std::vector<crypto::Contact> peers);
  // What to be subscribed to, those inside included.
  std::vector<std::string> Topics() const;

  // As Rendezvous'.
  void HandleSubscribed(TimePoint now, UnixTime wall);
  void HandleMessage(TimePoint now, UnixTime wall, std::string_view topic,
                     ByteSpan payload);
  void HandleTimeout(TimePoint now, UnixTime wall);
  std::optional<TimePoint> PollTimeout() const;
  std::optional<signaling::Rendezvous::Publish> PollPublish();

  // Somebody has come in.
  struct Arrival {
    crypto::Contact peer;
    // What its rendezvous begins with: RendezvousConfig::ready, and the offer,
    // which comes again by itself where topic is empty.
    signaling::Nonce ready{};
    std::string topic;
    Bytes offer;
  };
  std::optional<Arrival> PollArrival();
  // It has gone; no effect for one that is not inside.
  void Leave(TimePoint now, UnixTime wall, const crypto::PublicKey& peer);

  std::size_t inside() const { return inside_; }
  // How many are known to wait for their turn.
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Seat {
    explicit Seat(crypto::Contact who) : peer(std::move(who)) {}
    crypto::Contact peer;
    std::unique_ptr<RendezvousPair> rendezvous;  // Null: inside.
    std::vector<std::string> topics;             // Of one inside.
    bool listed = true;
    bool busy = false;  // As the rendezvous was told.
    // When it was seen last, for those that were about to come in when the
    // room ran out.
    std::optional<TimePoint> seen_at;
    std::optional<TimePoint> invited_until;
  };

  Seat* Find(const crypto::PublicKey& peer);
  void Open(TimePoint now, UnixTime wall, Seat& seat);
  // What a rendezvous has to tell; the message that it was given last, if any.
  void Attend(TimePoint now, Seat& seat, std::string_view topic,
              ByteSpan payload);
  void Wait(const Seat& seat);
  // Decides who may come in now.
  void Update(TimePoint now);

  const Config config_;
  Random& random_;
  bool online_ = false;
  std::vector<Seat> seats_;
  std::size_t inside_ = 0;
  // There was no room, and those who waited for some have not all had their
  // turn: only who is invited may come.
  bool by_turns_ = false;
  std::deque<crypto::PublicKey> waiting_;
  std::deque<Arrival> arrivals_;
};

}  // namespace p2pcp::connect

#endif  // P2PCP_NET_CONNECT_RECEPTION_H_
