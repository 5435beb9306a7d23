#include "net/crypto/key.h"

#include <sodium.h>

#include "net/base/check.h"
#include "net/crypto/sodium.h"

namespace p2pcp::crypto {

static_assert(Key::kSize == crypto_scalarmult_SCALARBYTES);
static_assert(sizeof(X25519Point) == crypto_scalarmult_BYTES);

void Wipe(MutableByteSpan bytes) { sodium_memzero(bytes.data(), bytes.size()); }

Key::Key(ByteSpan from) {
  P2PCP_CHECK(from.size() == kSize);
  CopyBytes(from, bytes);
}

bool operator==(const Key& a, const Key& b) {
  return sodium_memcmp(a.bytes.data(), b.bytes.data(), Key::kSize) == 0;
}

X25519KeyPair X25519KeyPair::FromSecret(const Key& secret) {
  InitSodium();
  X25519KeyPair pair;
  pair.secret = secret;
  // Never fails: the base point is not of small order.
  P2PCP_CHECK(crypto_scalarmult_base(Raw(MutableByteSpan(pair.point)),
                                     Raw(ByteSpan(secret))) == 0);
  return pair;
}

bool X25519(const Key& secret, const X25519Point& point, Key& shared) {
  InitSodium();
  return crypto_scalarmult(Raw(MutableByteSpan(shared.bytes)),
                           Raw(ByteSpan(secret)), Raw(ByteSpan(point))) == 0;
}

}  // namespace p2pcp::crypto
