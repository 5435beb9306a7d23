// The face of net/: from a peer's key to a live channel.
//
// A connector gathers candidates (host addresses it is given, server-reflexive
// ones by STUN on the data sockets), meets the peer through the rendezvous,
// and builds the channel that the two handshakes agree on. Sans-IO: the owner
// carries MQTT messages and datagrams, resolves names, and hands in the time.
// After each input it drains PollPublish, PollTransmit and PollEvent, then
// sleeps until PollTimeout. Single-threaded.

#ifndef P2PCP_NET_CONNECT_CONNECTOR_H_
#define P2PCP_NET_CONNECT_CONNECTOR_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/channel/channel.h"
#include "net/connect/hard_nat.h"
#include "net/connect/reflexive_gatherer.h"
#include "net/connect/rendezvous_pair.h"
#include "net/crypto/hand_over.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/public_key.h"
#include "net/ice/candidate.h"
#include "net/ice/nat.h"
#include "net/ice/probe_budget.h"
#include "net/signaling/rendezvous.h"

namespace p2pcp::connect {

// A STUN server has said how it sees one of our sockets.
struct ReflexiveAddress {
  SocketAddress server;
  SocketAddress mapped;
};
// Something of the peer's has come; not proven to be fresh yet.
struct PeerSeen {};
// The peer is occupied with another session; ours waits its turn.
struct PeerBusy {};
// Both hold the session's keys; probing has begun.
struct HandshakeDone {
  std::size_t remote_candidates = 0;
  // Under Config::former: the peer does not know our new key yet.
  bool by_former = false;
  // The peer has a new key, and proves it by the one that it is known by.
  std::optional<crypto::HandOver> hand_over;
};
// An event of the channel, from kConnected on. kLost and kFailed come as
// Failed instead. With kSilent the search for a new path has begun: STUN
// servers are asked again and the peer is told our candidates. The owner may
// know of addresses that have changed.
struct ChannelEvent {
  channel::Event event;
};
// The peer began anew or left before a path was found: the wait goes on.
struct PeerGone {};
// The channel is connected, but another process of the peer's wants to meet us,
// or the one at the other end says that it goes: where the channel is silent
// too, nobody is there any more. Either may be a replay, so nothing else
// follows from it.
struct PeerKnocks {};
// It is over: kAuthenticationFailed, kVersionMismatch, kDeclined, kNoPath,
// kConnectionLost.
struct Failed {
  Error error;
};
using Event = std::variant<ReflexiveAddress, PeerSeen, PeerBusy, HandshakeDone,
                           ChannelEvent, PeerGone, PeerKnocks, Failed>;

class Connector {
 public:
  struct Config {
    // The sender of files controls.
    ice::Role role = ice::Role::kControlling;
    const crypto::Identity* self = nullptr;  // Must outlive the connector.
    crypto::PublicKey peer;
    std::optional<crypto::Psk> psk;
    // The broker or the STUN server in use stands on loopback, so loopback
    // addresses of the peer may be probed.
    bool allow_loopback = false;
    // Our key of before a rotation, where the peer may know no other: it is
    // waited for under both. Must outlive the connector; null: none.
    const crypto::Identity* former = nullptr;
    // As RendezvousConfig::ready.
    std::optional<signaling::Nonce> ready = {};
    // Where nothing else helps, ports of the peer's NAT may be guessed: a user
    // has asked for this connection, and not forbidden that.
    bool guess_ports = false;
  };

  Connector(TimePoint now, UnixTime wall, const Config& config, Random& random);
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  // Candidates.

  // The addresses of the local sockets, best first; replaces earlier ones. The
  // first ten are used. True if they are others than before: this host has
  // moved, so STUN servers are asked again and all paths are checked.
  bool SetHostCandidates(TimePoint now, std::vector<ice::Candidate> candidates);
  // Asks server from local socket `socket`, which must be of its family, now
  // and every 20 s until connected, so that the NAT keeps the mapping.
  void AddStunServer(TimePoint now, const SocketAddress& server,
                     std::uint8_t socket);

  // Where the router lets packets for local socket `socket` in (PCP, NAT-PMP,
  // UPnP): the complete list, best first. It may come at any time.
  void SetMappedCandidates(TimePoint now, std::uint8_t socket,
                           std::vector<SocketAddress> addresses);

  // Where a relay takes packets for us, which is local socket `socket` to the
  // channel; nullopt: it does so no longer.
  void SetRelayedCandidate(TimePoint now, std::uint8_t socket,
                           std::optional<SocketAddress> address);

  // Rendezvous.

  // What to be subscribed to. Changes over midnight, so ask after each input.
  std::vector<std::string> Topics() const { return rendezvous_.Topics(); }
  // A broker has acknowledged the subscriptions.
  void HandleSubscribed(TimePoint now, UnixTime wall);
  void HandleMessage(TimePoint now, UnixTime wall, std::string_view topic,
                     ByteSpan payload);
  std::optional<signaling::Rendezvous::Publish> PollPublish() {
    return rendezvous_.PollPublish();
  }
  // The same by multicast on a network that we are on, by interface number
  // `interface`: a message that is for us becomes one as from a broker, of ten
  // a second at most. Published messages go there as EncodeLanDatagram() makes
  // them.
  void HandleLanDatagram(TimePoint now, UnixTime wall, std::uint32_t interface,
                         ByteSpan datagram);
  // Tells the peer that it is over, so that it need not find out by silence;
  // drain PollPublish once more.
  void Close(TimePoint now, signaling::ByeReason reason);

  // Datagrams.

  // Takes STUN responses; true if it was one. Everything else is the
  // channel's.
  bool HandleStun(TimePoint now, std::uint8_t socket, const SocketAddress& from,
                  ByteSpan datagram);
  struct Transmit {
    std::uint8_t socket = 0;
    SocketAddress to;
    std::size_t size = 0;
  };
  // The next STUN request, written to the start of out.
  // REQUIRES: out.size() >= stun::kMaxRequestSize.
  std::optional<Transmit> PollTransmit(TimePoint now, MutableByteSpan out);
  // Null before HandshakeDone. A peer that starts again before the path is
  // found replaces it, so don't keep the pointer over events until kConnected;
  // from then on it stays valid.
  channel::Channel* channel() { return channel_.get(); }

  // Extra sockets: more IPv4 sockets for a short time (hard_nat.h). Whenever
  // wanted_sockets() bears another generation, all that there were are closed,
  // and those that it asks for are opened.
  const ExtraSockets& wanted_sockets() const { return hard_nat_.wanted(); }
  void HandleSocketsOpened(TimePoint now,
                           std::span<const std::uint16_t> local_ports);
  // A datagram that came to one of them. True: the peer has found it, and it is
  // a data socket from now on, with the number `number`, which no other has;
  // then wanted_sockets() asks for no more.
  bool HandleExtraDatagram(TimePoint now, int extra, std::uint8_t number,
                           const SocketAddress& from, MutableByteSpan datagram);
  struct ExtraTransmit {
    int extra = 0;  // ice::GuessStage::kMainSocket: an IPv4 data socket,
    std::optional<std::uint8_t> data_socket = {};  // this one, else the first.
    SocketAddress to;
    std::size_t size = 0;
    int hop_limit = 0;  // 0: the system's default.
  };
  // What the extra sockets have to send. REQUIRES: out.size() >=
  // Channel::kMaxDatagramSize.
  std::optional<ExtraTransmit> PollExtraTransmit(TimePoint now,
                                                 MutableByteSpan out);
  // Probes that had to do with guessing, so far.
  int guesses() const { return hard_nat_.probes(); }
  // Our NAT, as far as it is known.
  const ice::Nat& nat() const { return hard_nat_.nat(); }
  // The peer's, once it has told.
  const std::optional<ice::Nat>& peer_nat() const { return peer_nat_; }

  void HandleTimeout(TimePoint now, UnixTime wall);
  // Of the rendezvous, STUN and, before it is connected, the channel too.
  std::optional<TimePoint> PollTimeout() const;
  std::optional<Event> PollEvent(TimePoint now);

  bool connected() const { return channel_ && channel_->connected(); }

 private:
  void HandleRendezvousEvents(TimePoint now);
  void HandleRendezvousEvent(TimePoint now, bool by_former,
                             signaling::Rendezvous::Event event);
  void HandleChannelEvents(TimePoint now);
  bool PeerWasThere() const;
  void HandlePeerSeeks(TimePoint now);
  bool Relayed() const {
    return was_connected_ && channel_->connected() && channel_->path().relayed;
  }
  void AddRemoteCandidates(TimePoint now);
  void PublishCandidates(TimePoint now);
  void AddLocal(ice::CandidateType type, const SocketAddress& address,
                std::uint8_t socket, std::uint16_t preference);
  void TellNat(TimePoint now);
  std::uint64_t Heard() const;

  const Config config_;
  Random& random_;
  RendezvousPair rendezvous_;
  bool by_former_ = false;  // Which of the two has agreed on channel_.
  ReflexiveGatherer gatherer_;
  HardNat hard_nat_;
  ice::Nat told_nat_;
  std::optional<ice::Nat> peer_nat_;  // As the peer told it last.
  std::uint64_t heard_ = 0;           // As Heard() was last.
  bool silent_ = false;               // The path in use.
  // Sockets that were fresh once, and where servers have seen them.
  std::vector<std::pair<std::uint8_t, SocketAddress>> fresh_;
  // Of all channels to this peer.
  ice::ProbeBudget probe_budget_;
  std::vector<ice::Candidate> hosts_;
  std::vector<SocketAddress> mapped_;  // By the router, for mapped_socket_.
  std::uint8_t mapped_socket_ = 0;
  std::optional<SocketAddress> relayed_;
  std::uint8_t relay_socket_ = 0;
  // While the path is relayed: when to look for a better one.
  TimePoint upgrade_at_;
  std::vector<ice::Candidate> local_;
  // The peer's, as it told them last.
  std::vector<ice::Candidate> remote_;
  // By which interface the peer, or somebody who repeats it, was heard on a
  // network of ours: there are its link-local addresses.
  std::optional<std::uint32_t> lan_interface_;
  TimePoint lan_second_;
  int lan_messages_ = 0;  // Within a second of that.
  std::unique_ptr<channel::Channel> channel_;
  bool published_ = false;      // Candidates are known.
  bool was_connected_ = false;  // kConnected has been told of it.
  // When the peer was last heard to look for us, once connected.
  std::optional<TimePoint> peer_sought_;
  // The rendezvous' session is the one that the channel is of.
  bool channel_is_current_ = false;
  // The channel knows that the offerer has our answer.
  bool peer_ready_ = false;
  std::deque<Event> events_;
};

}  // namespace p2pcp::connect

#endif  // P2PCP_NET_CONNECT_CONNECTOR_H_
