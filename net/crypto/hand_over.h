// A hand-over from one key of a device to the next: both sign that they belong
// together, so that a peer who has the old one may take the new one instead.
// net/signaling/PROTOCOL.md says when.

#ifndef P2PCP_NET_CRYPTO_HAND_OVER_H_
#define P2PCP_NET_CRYPTO_HAND_OVER_H_

#include <cstddef>
#include <optional>

#include "net/base/bytes.h"
#include "net/crypto/identity.h"
#include "net/crypto/public_key.h"

namespace p2pcp::crypto {

struct HandOver {
  // The new key and two signatures.
  static constexpr std::size_t kSize = PublicKey::kSize + 2 * sizeof(Signature);

  // REQUIRES: the two have different keys.
  static HandOver Make(const Identity& from, const Identity& to);
  // nullopt unless the owners of `from` and of the key in it have both signed
  // that the one follows the other.
  static std::optional<HandOver> Open(const PublicKey& from, ByteSpan bytes);

  Bytes Encode() const;

  PublicKey to;
  Signature by_old;
  Signature by_new;
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_HAND_OVER_H_
