// Sealed envelopes: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) under a
// random nonce, nonce24 || ciphertext || tag16. For messages that pass through
// others' hands one at a time; packets have packet_aead.h.

#ifndef P2PCP_NET_CRYPTO_ENVELOPE_H_
#define P2PCP_NET_CRYPTO_ENVELOPE_H_

#include <cstddef>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/crypto/key.h"

namespace p2pcp::crypto {

inline constexpr std::size_t kEnvelopeNonceSize = 24;
inline constexpr std::size_t kEnvelopeTagSize = 16;
// What an envelope is longer than its content.
inline constexpr std::size_t kEnvelopeOverhead =
    kEnvelopeNonceSize + kEnvelopeTagSize;

// 192 bits of nonce: random ones never meet. associated_data is authenticated,
// not contained.
Bytes SealEnvelope(const Key& key, ByteSpan associated_data, ByteSpan plaintext,
                   Random& random);

// The plaintext; nullopt unless the holder of key sealed exactly this with
// exactly this associated_data.
std::optional<Bytes> OpenEnvelope(const Key& key, ByteSpan associated_data,
                                  ByteSpan envelope);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_ENVELOPE_H_
