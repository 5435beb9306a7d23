// A 256-bit secret that is wiped when it goes, and the X25519 pair made of one.

#ifndef P2PCP_NET_CRYPTO_KEY_H_
#define P2PCP_NET_CRYPTO_KEY_H_

#include <array>
#include <cstddef>

#include "net/base/bytes.h"

namespace p2pcp::crypto {

// Overwrites memory in a way that the compiler can't drop.
void Wipe(MutableByteSpan bytes);

// A symmetric key or a private scalar. Copies are wiped too, each by itself.
// Never logged, never printed.
struct Key {
  static constexpr std::size_t kSize = 32;

  Key() = default;
  // REQUIRES: from.size() == kSize.
  explicit Key(ByteSpan from);
  Key(const Key&) = default;
  Key& operator=(const Key&) = default;
  ~Key() { Wipe(bytes); }

  operator ByteSpan() const { return bytes; }
  // In constant time.
  friend bool operator==(const Key& a, const Key& b);

  std::array<std::byte, kSize> bytes{};
};

// The secret of a pairing: both sides keep it beside each other's key, and it
// enters the handshake only (Noise "psk0").
struct Psk {
  Key key;
  friend bool operator==(const Psk&, const Psk&) = default;
};

// RFC 7748.
using X25519Point = std::array<std::byte, 32>;
struct X25519KeyPair {
  // The pair of this secret scalar.
  static X25519KeyPair FromSecret(const Key& secret);

  Key secret;
  X25519Point point{};
};

// The shared secret; false if the point is of small order, in which case the
// result would be the same for everybody (RFC 7748 section 6.1).
[[nodiscard]] bool X25519(const Key& secret, const X25519Point& point,
                          Key& shared);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_KEY_H_
