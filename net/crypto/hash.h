// BLAKE2b (RFC 7693): plain, keyed, and as the one key derivation of p2pcp.

#ifndef P2PCP_NET_CRYPTO_HASH_H_
#define P2PCP_NET_CRYPTO_HASH_H_

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

#include "net/base/bytes.h"
#include "net/crypto/key.h"

namespace p2pcp::crypto {

// What BLAKE2b can give and take (RFC 7693 section 2.1).
inline constexpr std::size_t kMinHashSize = 1;
inline constexpr std::size_t kMaxHashSize = 64;
inline constexpr std::size_t kMaxHashKeySize = 64;

// The unkeyed hash of out.size() bytes.
// REQUIRES: kMinHashSize <= out.size() <= kMaxHashSize.
void Hash(ByteSpan message, MutableByteSpan out);

// The keyed hash of out.size() bytes: a MAC, and a pseudo-random function.
// REQUIRES: out.size() as above; 1 <= key.size() <= kMaxHashKeySize.
void KeyedHash(ByteSpan key, ByteSpan message, MutableByteSpan out);
// The same in a vector of its own.
Bytes KeyedHash(ByteSpan key, ByteSpan message, std::size_t size);

// KeyedHash(key, size of label in one byte || label || context). Different
// labels give independent keys; no (label, context) can pass for another.
// REQUIRES: label.size() <= 255; the sizes as for KeyedHash.
void DeriveBytes(ByteSpan key, std::string_view label, ByteSpan context,
                 MutableByteSpan out);
Key DeriveKey(ByteSpan key, std::string_view label, ByteSpan context = {});

// An unkeyed hash of 32 bytes over what comes bit by bit.
class RunningHash {
 public:
  static constexpr std::size_t kSize = 32;

  RunningHash();
  RunningHash(RunningHash&&) noexcept;
  RunningHash& operator=(RunningHash&&) noexcept;
  ~RunningHash();

  // Starts anew with no bytes seen.
  void Reset();
  void Update(ByteSpan bytes);
  // Of all bytes since Reset(); more may follow.
  std::array<std::byte, kSize> Finish() const;

 private:
  class Hasher;
  std::unique_ptr<Hasher> hasher_;
};

// True if both are of the same size and content; takes the same time wherever
// they differ.
bool ConstantTimeEqual(ByteSpan a, ByteSpan b);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_HASH_H_
