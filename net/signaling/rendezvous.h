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

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/crypto/handshake.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/packet_cipher.h"
#include "net/crypto/public_key.h"
#include "net/ice/candidate.h"

namespace p2pcp::signaling {

class Machine;
class Meeting;

enum class Role : std::uint8_t { kOfferer = 0, kAnswerer = 1 };

// Why a side ends what it had with the other.
enum class ByeReason : std::uint8_t {
  kGaveUp = 0,    // The user stopped, or a time ran out.
  kBusy = 1,      // There is another session; one at a time.
  kDeclined = 2,  // The user said no.
  kAuthenticationFailed = 3,
  kVersionMismatch = 4,
};

// The versions of p2pcp's protocol that a side speaks, both ends included.
struct VersionRange {
  std::uint8_t min = 1;
  std::uint8_t max = 1;
  friend bool operator==(const VersionRange&, const VersionRange&) = default;
};

class Rendezvous {
 public:
  struct Config {
    Role role = Role::kOfferer;
    const crypto::Identity* self = nullptr;  // Must outlive the rendezvous.
    // Not our own key: whoever takes it from the user refuses that.
    crypto::PublicKey peer;
    std::optional<crypto::Psk> psk;
    // What this host can do well, best first: AES-256-GCM only with hardware
    // for it, ChaCha20-Poly1305 always. The answerer takes the first of its
    // own that the offerer has.
    std::vector<crypto::Suite> suites;
    VersionRange versions;
  };

  // The peer, or somebody who replays what it once said, has spoken: fit to be
  // shown, nothing to rely on. Once for each wait.
  struct PeerSeen {};
  // The peer has another session or another sender before us; this offerer
  // goes on asking and is told at once when its turn has come. Once for each
  // wait. What was established before is void.
  struct Busy {};
  // Both sides have proved who they are and hold these keys. The answerer gets
  // this when the offer has come, the offerer half a round trip later.
  struct Established {
    crypto::SessionKeys keys;
    crypto::Suite suite;
    std::vector<ice::Candidate> candidates;  // The peer's, so far.
  };
  // More candidates of the peer of the established session.
  struct RemoteCandidates {
    std::vector<ice::Candidate> candidates;
  };
  // The established session is void: the peer began anew, or another one came
  // before us. Another Established may follow, at once or later.
  struct Superseded {};
  // The peer of the established session has said goodbye. Where the session is
  // not marked by SetBusy() it is void and the wait begins again.
  struct PeerLeft {
    ByeReason reason;
  };
  // The end of this rendezvous. kAuthenticationFailed: the peer holds the right
  // key, but the handshake failed (another pairing secret). kVersionMismatch:
  // no version or suite in common. kDeclined: the peer's user said no.
  struct Failed {
    Error error;
  };
  using Event = std::variant<PeerSeen, Busy, Established, RemoteCandidates,
                             Superseded, PeerLeft, Failed>;

  struct Publish {
    std::string topic;
    Bytes payload;
  };

  // Every message has exactly this size; any other is not ours.
  static constexpr std::size_t kMessageSize = 1024;

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

  // True: the established session is alive (its channel is connected) and
  // nothing that arrives here may end it; or this host is occupied with
  // somebody else. An answerer tells senders to wait. False: that is over; what
  // was established is void and the wait begins again, with the news sent out
  // at once. An attempt that fails before it is alive ends with false, too.
  void SetBusy(TimePoint now, bool busy);

  // Says goodbye with PollPublish(), then stays silent for ever.
  void Close(TimePoint now, ByeReason reason);

  std::optional<Publish> PollPublish();
  std::optional<Event> PollEvent();

  // What was dropped, by reason.
  struct Stats {
    std::uint64_t received = 0;
    std::uint64_t wrong_size = 0;
    std::uint64_t wrong_topic = 0;
    std::uint64_t not_authentic = 0;  // Or altered, or under another topic.
    std::uint64_t duplicates = 0;     // The same envelope again.
    std::uint64_t queue_full = 0;     // More than may be processed.
    std::uint64_t malformed = 0;      // Authentic, but makes no sense.
    std::uint64_t stale = 0;          // Authentic, but of no use any more.
  };
  const Stats& stats() const;

 private:
  void UpdateDay(TimePoint now, UnixTime wall);
  void ProcessQueue(TimePoint now);

  std::unique_ptr<Meeting> meeting_;
  std::unique_ptr<Machine> machine_;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_RENDEZVOUS_H_
