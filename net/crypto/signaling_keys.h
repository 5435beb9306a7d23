// The keys of two devices that know each other, for meeting over a broker.
// They come from the two long-term keys alone, so both sides have them before
// a word is exchanged; the pairing secret enters only the handshake.

#ifndef P2PCP_NET_CRYPTO_SIGNALING_KEYS_H_
#define P2PCP_NET_CRYPTO_SIGNALING_KEYS_H_

#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/public_key.h"

namespace p2pcp::crypto {

struct SignalingKeys {
  Key topic;    // The same on both sides.
  Key send;     // The peer's receive.
  Key receive;  // The peer's send.
};

// With one's own key as the peer, send and receive are the same: whoever takes
// keys from the user refuses that one.
SignalingKeys DeriveSignalingKeys(const Identity& self, const PublicKey& peer);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_SIGNALING_KEYS_H_
