// The Noise protocol framework, revision 34, as far as p2pcp needs it: the
// pattern KK, with and without psk0, over 25519, ChaChaPoly and BLAKE2b.
// Names are those of the specification's section 5. Keys are raw X25519 here;
// handshake.h joins them to identities.

#ifndef P2PCP_NET_CRYPTO_NOISE_H_
#define P2PCP_NET_CRYPTO_NOISE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/bytes.h"
#include "net/crypto/key.h"

namespace p2pcp::crypto {

// HASHLEN of BLAKE2b (Noise section 12.8).
inline constexpr std::size_t kNoiseHashSize = 64;
inline constexpr std::size_t kNoiseTagSize = 16;

// Section 5.1. A key and a counter nonce.
class NoiseCipherState {
 public:
  NoiseCipherState() = default;
  explicit NoiseCipherState(const Key& key) : key_(key) {}

  bool has_key() const { return key_.has_value(); }
  const std::optional<Key>& key() const { return key_; }
  // Appends to out; the plaintext itself as long as there is no key.
  void EncryptWithAd(ByteSpan ad, ByteSpan plaintext, Bytes& out);
  // Nullopt and nothing changed if the tag is wrong.
  std::optional<Bytes> DecryptWithAd(ByteSpan ad, ByteSpan ciphertext);

 private:
  std::optional<Key> key_;
  std::uint64_t nonce_ = 0;
};

// Section 5.2.
class NoiseSymmetricState {
 public:
  explicit NoiseSymmetricState(std::string_view protocol_name);
  NoiseSymmetricState(const NoiseSymmetricState&) = default;
  NoiseSymmetricState& operator=(const NoiseSymmetricState&) = default;
  ~NoiseSymmetricState();

  void MixKey(ByteSpan input_key_material);
  void MixHash(ByteSpan data);
  void MixKeyAndHash(ByteSpan input_key_material);
  void EncryptAndHash(ByteSpan plaintext, Bytes& out);
  std::optional<Bytes> DecryptAndHash(ByteSpan ciphertext);
  const std::array<std::byte, kNoiseHashSize>& handshake_hash() const {
    return hash_;
  }
  // The keys of the initiator's and of the responder's direction.
  void Split(Key& initiator, Key& responder) const;

 private:
  std::array<std::byte, kNoiseHashSize> chaining_key_;
  std::array<std::byte, kNoiseHashSize> hash_;
  NoiseCipherState cipher_;
};

// Section 5.3 for the two patterns
//   KK:     -> s   <- s   ...   -> e, es, ss   <- e, ee, se
//   KKpsk0: -> s   <- s   ...   -> psk, e, es, ss   <- e, ee, se
// where, with a psk, each e is mixed into the key too (section 9.2).
class NoiseKk {
 public:
  enum class Role { kInitiator, kResponder };

  // peer must not be of small order (PublicKey sees to that).
  NoiseKk(Role role, const X25519KeyPair& self, const X25519KeyPair& ephemeral,
          const X25519Point& peer, const std::optional<Psk>& psk,
          ByteSpan prologue);

  // REQUIRES: our turn to write.
  Bytes WriteMessage(ByteSpan payload);
  // Nullopt, and nothing changed, if it is not the peer's message.
  // REQUIRES: our turn to read.
  std::optional<Bytes> ReadMessage(ByteSpan message);
  bool complete() const { return messages_ == 2; }
  bool OurTurnToWrite() const {
    return !complete() && (messages_ == 0) == (role_ == Role::kInitiator);
  }
  bool OurTurnToRead() const { return !complete() && !OurTurnToWrite(); }
  Role role() const { return role_; }
  const NoiseSymmetricState& symmetric_state() const { return symmetric_; }

 private:
  void MixEphemeral(NoiseSymmetricState& symmetric,
                    const X25519Point& point) const;
  // The Diffie-Hellman tokens of the message that is next; false on a point of
  // small order.
  bool MixTokens(NoiseSymmetricState& symmetric,
                 const X25519Point& peer_ephemeral) const;

  Role role_;
  X25519KeyPair self_;
  X25519KeyPair ephemeral_;
  X25519Point peer_;
  std::optional<Psk> psk_;
  X25519Point peer_ephemeral_{};
  int messages_ = 0;
  NoiseSymmetricState symmetric_;
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_NOISE_H_
