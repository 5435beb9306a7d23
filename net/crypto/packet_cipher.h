// One AEAD key, set up once and used for many packets: only the nonce changes.
// AES-256-GCM is libipsec-mb's where that is to be had (see fast_gcm.h); all
// else is OpenSSL's EVP, whose ciphers nobody else uses.

#ifndef P2PCP_NET_CRYPTO_PACKET_CIPHER_H_
#define P2PCP_NET_CRYPTO_PACKET_CIPHER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "net/base/bytes.h"
#include "net/crypto/fast_gcm.h"
#include "net/crypto/key.h"

// OpenSSL's, so that its headers stay out of ours.
struct evp_cipher_ctx_st;

namespace p2pcp::crypto {

// The values are those on the wire.
enum class Suite : std::uint8_t {
  kAes256Gcm = 1,         // NIST SP 800-38D
  kChaCha20Poly1305 = 2,  // RFC 8439
};

// The processor has instructions for AES and for GCM's multiplication; without
// them AES in constant time is several times slower than ChaCha20.
bool HasAesHardware();

inline constexpr std::size_t kPacketTagSize = 16;
inline constexpr std::size_t kPacketIvSize = 12;
using PacketIv = std::array<std::byte, kPacketIvSize>;

class PacketCipher {
 public:
  enum class Direction { kSeal, kOpen };
  // Who computes; what comes of it is the same.
  enum class Engine { kFastest, kOpenSsl };

  // Without a key: may be given one, not used.
  PacketCipher(Suite suite, Direction direction,
               Engine engine = Engine::kFastest);
  PacketCipher(PacketCipher&&) noexcept;
  PacketCipher& operator=(PacketCipher&&) noexcept;
  ~PacketCipher();

  bool has_key() const { return has_key_; }
  void SetKey(const Key& key, const PacketIv& iv);
  // Wipes the key.
  void Clear();

  // Encrypts first || second to out, then the tag of header and both; each of
  // them stands where its output goes, or does not overlap out. The nonce is
  // iv XOR number. REQUIRES: kSeal; has_key(); out.size() == first.size() +
  // second.size() + kPacketTagSize; number was not used under this key.
  void Seal(std::uint64_t number, ByteSpan header, ByteSpan first,
            ByteSpan second, MutableByteSpan out);

  // Decrypts all but the tag in place. False if the tag is wrong: the text is
  // then worthless. REQUIRES: kOpen; has_key(); at least kPacketTagSize bytes.
  [[nodiscard]] bool Open(std::uint64_t number, ByteSpan header,
                          MutableByteSpan ciphertext_and_tag);

 private:
  struct Deleter {
    void operator()(evp_cipher_ctx_st* context) const;
  };

  void MakeNonce(std::uint64_t number, PacketIv& nonce) const;
  void SetNonce(std::uint64_t number);
  // Associated data where out is null.
  void Update(std::byte* out, ByteSpan in);

  Suite suite_;
  Direction direction_;
  bool has_key_ = false;
  PacketIv iv_{};
  // One of the two.
  std::optional<FastGcm> fast_;
  std::unique_ptr<evp_cipher_ctx_st, Deleter> context_;
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_PACKET_CIPHER_H_
