// The handshake that the offer and the answer carry: Noise revision 34,
// Noise_KKpsk0_25519_ChaChaPoly_BLAKE2b between peers that have paired and
// Noise_KK_25519_ChaChaPoly_BLAKE2b where keys were carried by hand.
//
// One message each way, then both sides hold the same keys, known to nobody
// else even if both identities leak later. The first message can be replayed
// by design of the pattern: what makes a session fresh is the nonces in the
// prologue, which is the caller's.

#ifndef P2PCP_NET_CRYPTO_HANDSHAKE_H_
#define P2PCP_NET_CRYPTO_HANDSHAKE_H_

#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/crypto/identity.h"
#include "net/crypto/key.h"
#include "net/crypto/noise.h"
#include "net/crypto/public_key.h"

namespace p2pcp::crypto {

// The secrets of one session. send of one side is receive of the other.
struct SessionKeys {
  Key send;
  Key receive;
  // The same on both sides and unique to the session; connection ids are
  // derived from it. Not secret.
  std::array<std::byte, 64> handshake_hash{};
};

class Handshake {
 public:
  // What a message is longer than its payload: the ephemeral key and a tag.
  static constexpr std::size_t kOverhead = 32 + 16;
  // Noise section 3.
  static constexpr std::size_t kMaxMessage = 65535;

  // The initiator is who offers: the sender of files. Both sides must give the
  // same prologue and psk. Draws the ephemeral key from random; keeps no
  // reference to any argument.
  static Handshake Initiator(const Identity& self, const PublicKey& peer,
                             const std::optional<Psk>& psk, ByteSpan prologue,
                             Random& random);
  static Handshake Responder(const Identity& self, const PublicKey& peer,
                             const std::optional<Psk>& psk, ByteSpan prologue,
                             Random& random);

  // The initiator writes and then reads, the responder reads and then writes,
  // each once. REQUIRES: it is our turn to write; payload.size() <=
  // kMaxMessage - kOverhead.
  Bytes WriteMessage(ByteSpan payload);
  // The payload; kAuthenticationFailed if the message is not the peer's for
  // this prologue and psk, or comes out of turn (a broker may repeat any), in
  // which case nothing has changed and another message may be tried.
  Result<Bytes> ReadMessage(ByteSpan message);

  // Both messages have passed.
  bool complete() const { return noise_.complete(); }
  // REQUIRES: complete().
  SessionKeys Split() const;

 private:
  explicit Handshake(NoiseKk noise) : noise_(std::move(noise)) {}

  NoiseKk noise_;
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_HANDSHAKE_H_
