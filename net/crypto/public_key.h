// Who somebody is: an Ed25519 public key (RFC 8032), its text and fingerprint.

#ifndef P2PCP_NET_CRYPTO_PUBLIC_KEY_H_
#define P2PCP_NET_CRYPTO_PUBLIC_KEY_H_

#include <array>
#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "net/base/bytes.h"
#include "net/crypto/key.h"

namespace p2pcp::crypto {

using Signature = std::array<std::byte, 64>;

// Every PublicKey that exists is a point that keys can be agreed with: of the
// curve, not of small order.
class PublicKey {
 public:
  static constexpr std::size_t kSize = 32;
  // Characters of ToString(): 32 bytes of key and 3 of checksum in base32.
  static constexpr std::size_t kTextSize = 56;

  // nullopt unless bytes are such a point.
  static std::optional<PublicKey> FromBytes(ByteSpan bytes);
  // What ToString() gives, in either case, blanks at its ends ignored. nullopt
  // if it is anything else: the checksum finds all but one typo in 2^24.
  static std::optional<PublicKey> Parse(std::string_view text);

  const std::array<std::byte, kSize>& bytes() const { return bytes_; }
  // The same key on the curve of X25519.
  const X25519Point& x25519() const { return x25519_; }

  // 56 lower-case letters and digits: what `p2pcp id` prints.
  std::string ToString() const;

  friend bool operator==(const PublicKey& a, const PublicKey& b) {
    return a.bytes_ == b.bytes_;
  }
  friend auto operator<=>(const PublicKey& a, const PublicKey& b) {
    return a.bytes_ <=> b.bytes_;
  }

 private:
  PublicKey() = default;

  std::array<std::byte, kSize> bytes_{};
  X25519Point x25519_{};
};

// For people to compare: base32 of the key's BLAKE2b-160 in groups of four,
// "abcd-efgh-...".
std::string Fingerprint(const PublicKey& key);

// True if the owner of key has signed message (Identity::Sign).
bool Verify(const PublicKey& key, ByteSpan message, const Signature& signature);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_PUBLIC_KEY_H_
