// What a rendezvous is given at its start, and what it tells.

#ifndef P2PCP_NET_SIGNALING_EVENT_H_
#define P2PCP_NET_SIGNALING_EVENT_H_

#include <optional>
#include <variant>
#include <vector>

#include "net/base/result.h"
#include "net/crypto/hand_over.h"
#include "net/crypto/handshake.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/packet_cipher.h"
#include "net/crypto/public_key.h"
#include "net/ice/candidate.h"
#include "net/ice/nat.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {

struct RendezvousConfig {
  Role role;
  const crypto::Identity* self;  // Must outlive the rendezvous.
  // Not our own key: whoever takes it from the user refuses that.
  crypto::PublicKey peer;
  std::optional<crypto::Psk> psk;
  // What this host can do well, best first: AES-256-GCM only with hardware
  // for it, ChaCha20-Poly1305 always. The answerer takes the first of its own
  // that the offerer has.
  std::vector<crypto::Suite> suites;
  VersionRange versions;
  // self is a key of before a rotation, and this tells the peer the next one.
  std::optional<crypto::HandOver> hand_over = std::nullopt;
  // Answerer: the nonce to begin with, where another rendezvous has given it
  // out and hands over the offer that came for it (Rendezvous::WaitingOffer).
  std::optional<Nonce> ready = {};
};

// The peer, or somebody who replays what it once said, has spoken: fit to be
// shown, nothing to rely on. Once for each wait.
struct PeerSeen {};

// The peer has another session; this offerer goes on asking and is told at
// once when its turn has come. Once for each wait.
struct Busy {};

// Both sides have proved who they are and hold these keys. The answerer gets
// this when the offer has come, the offerer half a round trip later.
struct Established {
  crypto::SessionKeys keys;
  crypto::Suite suite;
  std::vector<ice::Candidate> candidates;  // The peer's, so far.
  ice::Nat nat;                            // The peer's, as it knows it.
  // The peer has another key from now on, and proves it by the one that it is
  // known by.
  std::optional<crypto::HandOver> hand_over = std::nullopt;
};

// The peer of the established session has told its candidates: some that are
// new, something new about its NAT, or, while SetBusy(true) holds, the same
// ones again: it looks for us.
struct RemoteCandidates {
  std::vector<ice::Candidate> candidates;  // What is new.
  std::vector<ice::Candidate> all;         // The complete list.
  ice::Nat nat;
};

// The established session is void: the peer began anew, or another sender came
// before us (then Busy follows). Another Established may follow, at once or
// later.
struct Superseded {};

// The peer of the established session has said goodbye. Unless SetBusy(true)
// holds, the session is void and the wait has begun again.
struct PeerLeft {
  ByeReason reason;
};

// Another process of the peer's wants to meet us (or somebody replays one that
// did) while the established session is alive: that one's may be gone.
struct Knock {};

// The end of this rendezvous. kAuthenticationFailed: the peer holds the right
// key, but the handshake failed (another pairing secret). kVersionMismatch: no
// version or suite in common. kDeclined: the peer's user said no.
struct Failed {
  Error error;
};

using RendezvousEvent =
    std::variant<PeerSeen, Busy, Established, RemoteCandidates, Superseded,
                 PeerLeft, Knock, Failed>;

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_EVENT_H_
