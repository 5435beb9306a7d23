// A channel: an encrypted, unreliable datagram path to one peer that finds its
// own way through the NATs, keeps it open and follows it when it moves.
//
// It stands on keys that both sides hold already (the handshake has passed in
// the signalling), so from the first probe on every packet is authenticated,
// and what is not is answered by silence. Sans-IO: the owner hands in datagrams
// and the time, and after each input drains PollTransmit() and PollEvent(),
// then sleeps until PollTimeout(). Single-threaded; nothing blocks, and no
// packet on the path in use allocates.
//
// What it does not do: retransmit, order, congest; that is transfer's.

#ifndef P2PCP_NET_CHANNEL_CHANNEL_H_
#define P2PCP_NET_CHANNEL_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/channel/consent.h"
#include "net/channel/packet_header.h"
#include "net/channel/packet_protection.h"
#include "net/channel/path_mtu.h"
#include "net/channel/paths.h"
#include "net/crypto/handshake.h"
#include "net/crypto/packet_aead.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"
#include "net/ice/probe.h"
#include "net/ice/probe_budget.h"

namespace p2pcp::channel {

// The path that payload takes.
struct Path {
  std::uint8_t socket = 0;  // Which local socket sends.
  SocketAddress remote;
  // For people and logs. The local type is our best knowledge: whether a NAT of
  // ours stands in the way.
  ice::CandidateType local_type = ice::CandidateType::kHost;
  ice::CandidateType remote_type = ice::CandidateType::kHost;
  bool relayed = false;  // By a TURN server, of ours or of the peer's.
  Duration rtt{};        // Smoothed over probes; a first idea for the transfer.
};

enum class EventType : std::uint8_t {
  // A path is proven in both directions and chosen: payload may be sent.
  kConnected,
  // Payload takes another path from now on; max_payload() has begun anew.
  kPathChanged,
  // max_payload() has changed on the same path: grown once larger datagrams
  // were seen to pass, or fallen back because they no longer did.
  kMaxPayloadChanged,
  // Something was sent on the path and nothing came back for 500 ms or more:
  // all
  // pairs are tried. Again every 3 s while that lasts. Fresh candidates of both
  // sides are what helps where NATs have forgotten us, or we have moved.
  kSilent,
  // After kSilent: the path answers again, or another was taken.
  kAlive,
  // Nothing authentic has come for 45 s, or more forged packets have than the
  // keys can bear. Final.
  kLost,
  // No pair of candidates has worked, 10 s after the first ones were known
  // (up to 13 s if some came late). Final.
  kFailed,
};

struct Event {
  EventType type;
  Path path;  // The path in question; meaningless with kFailed.
};

struct Stats {
  // What came in, by what became of it.
  ReceiveStats received;
  std::uint64_t payloads_sent = 0;
  std::uint64_t probes_sent = 0;
  // How often datagrams of a size in use turned out to pass no longer.
  std::uint64_t black_holes = 0;
  std::uint64_t path_changes = 0;
};

class Channel {
 public:
  struct Config {
    // The offerer controls.
    ice::Role role = ice::Role::kControlling;
    crypto::SessionKeys keys;
    crypto::Suite suite = crypto::Suite::kChaCha20Poly1305;
    // The peer's loopback candidates may be probed: the broker or the STUN
    // server in use stands on loopback. Without it they are probed only if the
    // peer proves to be this very host (PROTOCOL.md 4.3).
    bool allow_loopback = false;
    // As ice::Agent::Config's.
    ice::ProbeBudget* probe_budget = nullptr;
    // Forged packets after which the session ends, and when keys turn over:
    // what the protocol says, but for tests.
    crypto::OpenerLimits limits = {};
  };

  // Large enough for any datagram that the channel writes.
  static constexpr std::size_t kMaxDatagramSize = PathMtu::kMaxDatagramSize;

  // random must outlive the channel.
  Channel(TimePoint now, const Config& config, Random& random);
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Candidates as they become known, in any number of calls; known ones are
  // ignored, and so is what goes beyond 16. Local ones tell which sockets there
  // are, and of what family.
  void AddLocalCandidates(TimePoint now,
                          std::span<const ice::Candidate> candidates);
  void AddRemoteCandidates(TimePoint now,
                           std::span<const ice::Candidate> candidates);

  // The peer is known to have begun to probe (net/ice/PROTOCOL.md 1).
  void HandlePeerReady(TimePoint now) { paths_.agent().HandlePeerReady(now); }

  struct Payload {
    PacketNumber number;
    // Within the datagram that was handed in.
    MutableByteSpan bytes;
  };
  // One datagram that came to local socket `socket`, decrypted in place.
  // nullopt: it was a probe, or it was dropped and counted. A payload may come
  // before kConnected and is good: the peer has finished first.
  std::optional<Payload> HandleDatagram(TimePoint now, std::uint8_t socket,
                                        const SocketAddress& from,
                                        MutableByteSpan datagram);
  // Datagrams that came together from one address, back to back: all of
  // segment_size bytes but the last, which may be shorter. The payloads among
  // them are put at the start of out; how many. REQUIRES: out has room for as
  // many as there are datagrams.
  std::size_t HandleTrain(TimePoint now, std::uint8_t socket,
                          const SocketAddress& from, MutableByteSpan train,
                          std::size_t segment_size, std::span<Payload> out);
  void HandleTimeout(TimePoint now);
  // nullopt once kLost or kFailed has been reported.
  std::optional<TimePoint> PollTimeout() const;

  struct Transmit {
    std::uint8_t socket = 0;
    SocketAddress to;
    std::size_t size = 0;
    int hop_limit = 0;  // 0: the system's default.
  };
  // The next probe or keepalive, written to the start of out; nullopt if there
  // is none for now. Never part of a train. REQUIRES: out.size() >=
  // kMaxDatagramSize.
  std::optional<Transmit> PollTransmit(TimePoint now, MutableByteSpan out);
  // A probe for a place that is only guessed, written to the start of out;
  // returns its size. What comes back forms a pair by itself. REQUIRES: not
  // kFailed or kLost; out.size() >= kMaxDatagramSize.
  std::size_t SealGuess(MutableByteSpan out);
  std::optional<Event> PollEvent();

  // From kConnected on, until kLost.
  bool connected() const;
  // REQUIRES: a path was chosen once (kConnected).
  Path path() const;
  // path().rtt; zero where there is no path yet.
  Duration rtt() const;
  // Bytes of plaintext that fit into a packet now: 1200-byte datagrams until
  // larger ones were seen to pass.
  std::size_t max_payload() const;
  // The largest plaintext of which it is certain that it fits any path.
  static constexpr std::size_t kMinMaxPayload =
      PathMtu::kBaseSize - PacketProtection::kOverhead;

  // The MTU of the interface by which path() leaves: what is worth trying. To
  // be called whenever the path has changed; without it that is 1500.
  void SetLinkMtu(TimePoint now, std::size_t mtu);
  // The socket has refused a datagram of this size for its size: a hint that
  // the interface takes less now. To be called after SetLinkMtu().
  void HandleTooBig(TimePoint now, std::size_t datagram_size);
  // The path may be gone, or there may be a better one: this host's addresses
  // have changed, or the peer looks for us. Every pair is checked, and what is
  // in use is asked whether it lives.
  void CheckPaths(TimePoint now);
  // How long nothing authentic has come, on any path. REQUIRES: a path was
  // chosen once.
  Duration quiet(TimePoint now) const { return now - consent_.last_received(); }

  // Packets of max_payload() go unanswered: finds out whether large ones still
  // pass (a black hole, RFC 8899 section 4.3), and falls back if not. What is
  // lost by chance does no harm but a dozen probes.
  void SuspectMaxPayload(TimePoint now);

  // The number that the next SealPayload() will use. PollTransmit() uses
  // numbers up too, so ask immediately before.
  PacketNumber next_packet_number() const;
  // Writes the whole datagram (frames || data, sealed) to the start of out and
  // returns its size. It goes to path().remote by path().socket. frames and
  // data either stand in out where they belong, from kPayloadOffset on, or
  // outside of it. The datagram counts as sent.
  // REQUIRES: connected(); frames.size() + data.size() <= max_payload(); out
  // has room for kOverhead more than that.
  std::size_t SealPayload(TimePoint now, ByteSpan frames, ByteSpan data,
                          MutableByteSpan out);
  // count packets of one size, back to back, as SealPayload() would write them:
  // the frames of each, frames_size bytes, stand in out where they belong, and
  // its data are the next of count equal parts of data. Returns what they have
  // in all. REQUIRES: as SealPayload().
  std::size_t SealRun(TimePoint now, std::size_t count, std::size_t frames_size,
                      ByteSpan data, MutableByteSpan out);
  // Where frames stand in a datagram, and what a datagram is longer than its
  // plaintext.
  static constexpr std::size_t kPayloadOffset = PacketHeader::kSize;
  static constexpr std::size_t kOverhead = PacketProtection::kOverhead;

  Stats stats() const;
  // Of the packets that come to us.
  const ConnectionId& receive_id() const { return protection_.receive_id(); }

 private:
  // Packets have come: payload, or a probe.
  void NoteReceived(TimePoint now, std::uint8_t socket,
                    const SocketAddress& from, bool payload);
  // Keeps the keys of the epoch before for a while, where one has begun.
  void NoteEpoch(TimePoint now);
  // Takes over what the agent has decided.
  void ProcessAgentEvents(TimePoint now);
  void HandleProbe(TimePoint now, std::uint8_t socket,
                   const SocketAddress& from, std::size_t size,
                   const PacketProtection::Opened& packet);
  // Tells that a silence is over, if it is.
  void NoteAlive();
  std::size_t SealProbe(const ice::Probe& probe, std::size_t size,
                        MutableByteSpan out);
  bool over() const { return lost_ || failed_; }
  void End();

  Random* random_;
  PacketProtection protection_;
  Paths paths_;
  Consent consent_;
  PathMtu mtu_;
  bool lost_ = false;
  bool failed_ = false;
  // The epoch before is forgotten at forget_at_ (crypto::PacketOpener).
  std::uint64_t receive_epoch_ = 0;
  std::optional<TimePoint> forget_at_;
  // What PollEvent() has to tell; equal ones fall into one.
  std::size_t reported_size_ = PathMtu::kBaseSize;
  bool connected_event_ = false;
  bool path_event_ = false;
  bool silent_event_ = false;
  bool alive_event_ = false;
  bool told_silent_ = false;  // kSilent without kAlive since.
  bool end_event_ = false;
  std::uint64_t payloads_sent_ = 0;
  std::uint64_t probes_sent_ = 0;
  std::uint64_t path_changes_ = 0;
};

}  // namespace p2pcp::channel

#endif  // P2PCP_NET_CHANNEL_CHANNEL_H_
