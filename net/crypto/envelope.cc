#include "net/crypto/envelope.h"

#include <sodium.h>

#include "net/crypto/sodium.h"

namespace p2pcp::crypto {

static_assert(kEnvelopeNonceSize ==
              crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(kEnvelopeTagSize == crypto_aead_xchacha20poly1305_ietf_ABYTES);
static_assert(Key::kSize == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);

Bytes SealEnvelope(const Key& key, ByteSpan associated_data, ByteSpan plaintext,
                   Random& random) {
  InitSodium();
  Bytes envelope(plaintext.size() + kEnvelopeOverhead);
  const MutableByteSpan nonce =
      MutableByteSpan(envelope).first(kEnvelopeNonceSize);
  const MutableByteSpan sealed =
      MutableByteSpan(envelope).subspan(kEnvelopeNonceSize);
  random.Fill(nonce);
  unsigned long long size = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt(
      Raw(sealed), &size, Raw(plaintext), plaintext.size(),
      Raw(associated_data), associated_data.size(), nullptr, Raw(nonce),
      Raw(ByteSpan(key)));
  return envelope;
}

std::optional<Bytes> OpenEnvelope(const Key& key, ByteSpan associated_data,
                                  ByteSpan envelope) {
  if (envelope.size() < kEnvelopeOverhead) return std::nullopt;
  InitSodium();
  const ByteSpan nonce = envelope.first(kEnvelopeNonceSize);
  const ByteSpan sealed = envelope.subspan(kEnvelopeNonceSize);
  Bytes plaintext(sealed.size() - kEnvelopeTagSize);
  unsigned long long size = 0;
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          Raw(MutableByteSpan(plaintext)), &size, nullptr, Raw(sealed),
          sealed.size(), Raw(associated_data), associated_data.size(),
          Raw(nonce), Raw(ByteSpan(key))) != 0) {
    return std::nullopt;
  }
  return plaintext;
}

}  // namespace p2pcp::crypto
