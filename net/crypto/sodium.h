// Sets libsodium up on first use.

#ifndef P2PCP_NET_CRYPTO_SODIUM_H_
#define P2PCP_NET_CRYPTO_SODIUM_H_

#include <cstddef>

#include "net/base/bytes.h"

namespace p2pcp::crypto {

// Before any call that needs libsodium set up: its guarded allocations, and
// the choice of the fastest code for this processor. Cheap after the first.
void InitSodium();

inline unsigned char* Raw(MutableByteSpan bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}
inline const unsigned char* Raw(ByteSpan bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_SODIUM_H_
