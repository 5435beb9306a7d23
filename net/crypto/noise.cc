#include "net/crypto/noise.h"

#include <sodium.h>

#include <algorithm>

#include "net/base/check.h"
#include "net/crypto/hash.h"
#include "net/crypto/sodium.h"

namespace p2pcp::crypto {
namespace {

using NoiseHash = std::array<std::byte, kNoiseHashSize>;

// BLOCKLEN of BLAKE2b (Noise section 12.8).
constexpr std::size_t kBlockSize = 128;

// BLAKE2b-512 of two parts.
NoiseHash HashOf(ByteSpan first, ByteSpan second) {
  crypto_generichash_blake2b_state state;
  NoiseHash hash;
  crypto_generichash_blake2b_init(&state, nullptr, 0, kNoiseHashSize);
  crypto_generichash_blake2b_update(&state, Raw(first), first.size());
  crypto_generichash_blake2b_update(&state, Raw(second), second.size());
  crypto_generichash_blake2b_final(&state, Raw(MutableByteSpan(hash)),
                                   kNoiseHashSize);
  sodium_memzero(&state, sizeof(state));
  return hash;
}

// RFC 2104 over BLAKE2b, as section 4.3 demands (not BLAKE2b's own key).
// REQUIRES: key.size() <= kBlockSize.
NoiseHash HmacHash(ByteSpan key, ByteSpan data) {
  std::array<std::byte, kBlockSize> pad{};
  CopyBytes(key, pad);
  for (std::byte& byte : pad) byte ^= std::byte{0x36};
  NoiseHash inner = HashOf(pad, data);
  for (std::byte& byte : pad) byte ^= std::byte{0x36 ^ 0x5c};
  const NoiseHash outer = HashOf(pad, inner);
  Wipe(pad);
  Wipe(inner);
  return outer;
}

// HKDF of section 4.3: as many outputs as are given, two or three.
void Hkdf(const NoiseHash& chaining_key, ByteSpan input_key_material,
          std::initializer_list<NoiseHash*> outputs) {
  NoiseHash temp_key = HmacHash(chaining_key, input_key_material);
  std::array<std::byte, kNoiseHashSize + 1> block;
  std::size_t previous_size = 0;
  std::uint8_t counter = 0;
  for (NoiseHash* output : outputs) {
    block[previous_size] = static_cast<std::byte>(++counter);
    *output = HmacHash(temp_key, ByteSpan(block).first(previous_size + 1));
    CopyBytes(*output, block);
    previous_size = kNoiseHashSize;
  }
  Wipe(temp_key);
  Wipe(block);
}

// Section 12.3: 32 bits of zeros, then the counter in little-endian order.
std::array<unsigned char, 12> ChaChaPolyNonce(std::uint64_t counter) {
  std::array<unsigned char, 12> nonce{};
  for (int i = 0; i < 8; ++i) {
    nonce[4 + i] = static_cast<unsigned char>(counter >> (8 * i));
  }
  return nonce;
}

// "If HASHLEN is 64, then truncates temp_k to 32 bytes" (section 5.2).
Key Truncate(const NoiseHash& hash) {
  return Key(ByteSpan(hash).first(Key::kSize));
}

}  // namespace

void NoiseCipherState::EncryptWithAd(ByteSpan ad, ByteSpan plaintext,
                                     Bytes& out) {
  if (!key_) {
    out.insert(out.end(), plaintext.begin(), plaintext.end());
    return;
  }
  const std::size_t begin = out.size();
  out.resize(begin + plaintext.size() + kNoiseTagSize);
  unsigned long long size = 0;
  crypto_aead_chacha20poly1305_ietf_encrypt(
      Raw(MutableByteSpan(out).subspan(begin)), &size, Raw(plaintext),
      plaintext.size(), Raw(ad), ad.size(), nullptr,
      ChaChaPolyNonce(nonce_).data(), Raw(ByteSpan(*key_)));
  ++nonce_;
}

std::optional<Bytes> NoiseCipherState::DecryptWithAd(ByteSpan ad,
                                                     ByteSpan ciphertext) {
  if (!key_) return ToBytes(ciphertext);
  if (ciphertext.size() < kNoiseTagSize) return std::nullopt;
  Bytes plaintext(ciphertext.size() - kNoiseTagSize);
  unsigned long long size = 0;
  if (crypto_aead_chacha20poly1305_ietf_decrypt(
          Raw(MutableByteSpan(plaintext)), &size, nullptr, Raw(ciphertext),
          ciphertext.size(), Raw(ad), ad.size(), ChaChaPolyNonce(nonce_).data(),
          Raw(ByteSpan(*key_))) != 0) {
    return std::nullopt;
  }
  ++nonce_;
  return plaintext;
}

NoiseSymmetricState::NoiseSymmetricState(std::string_view protocol_name) {
  InitSodium();
  hash_.fill(std::byte{0});
  if (protocol_name.size() <= kNoiseHashSize) {
    CopyBytes(AsBytes(protocol_name), hash_);
  } else {
    hash_ = HashOf(AsBytes(protocol_name), {});
  }
  chaining_key_ = hash_;
}

NoiseSymmetricState::~NoiseSymmetricState() { Wipe(chaining_key_); }

void NoiseSymmetricState::MixKey(ByteSpan input_key_material) {
  NoiseHash chaining_key, temp_k;
  Hkdf(chaining_key_, input_key_material, {&chaining_key, &temp_k});
  chaining_key_ = chaining_key;
  cipher_ = NoiseCipherState(Truncate(temp_k));
  Wipe(chaining_key);
  Wipe(temp_k);
}

void NoiseSymmetricState::MixHash(ByteSpan data) {
  hash_ = HashOf(hash_, data);
}

void NoiseSymmetricState::MixKeyAndHash(ByteSpan input_key_material) {
  NoiseHash chaining_key, temp_h, temp_k;
  Hkdf(chaining_key_, input_key_material, {&chaining_key, &temp_h, &temp_k});
  chaining_key_ = chaining_key;
  MixHash(temp_h);
  cipher_ = NoiseCipherState(Truncate(temp_k));
  Wipe(chaining_key);
  Wipe(temp_h);
  Wipe(temp_k);
}

void NoiseSymmetricState::EncryptAndHash(ByteSpan plaintext, Bytes& out) {
  const std::size_t begin = out.size();
  cipher_.EncryptWithAd(hash_, plaintext, out);
  MixHash(ByteSpan(out).subspan(begin));
}

std::optional<Bytes> NoiseSymmetricState::DecryptAndHash(ByteSpan ciphertext) {
  std::optional<Bytes> plaintext = cipher_.DecryptWithAd(hash_, ciphertext);
  if (plaintext) MixHash(ciphertext);
  return plaintext;
}

void NoiseSymmetricState::Split(Key& initiator, Key& responder) const {
  NoiseHash temp_k1, temp_k2;
  Hkdf(chaining_key_, {}, {&temp_k1, &temp_k2});
  initiator = Truncate(temp_k1);
  responder = Truncate(temp_k2);
  Wipe(temp_k1);
  Wipe(temp_k2);
}

NoiseKk::NoiseKk(Role role, const X25519KeyPair& self,
                 const X25519KeyPair& ephemeral, const X25519Point& peer,
                 const std::optional<Psk>& psk, ByteSpan prologue)
    : role_(role),
      self_(self),
      ephemeral_(ephemeral),
      peer_(peer),
      psk_(psk),
      symmetric_(psk ? "Noise_KKpsk0_25519_ChaChaPoly_BLAKE2b"
                     : "Noise_KK_25519_ChaChaPoly_BLAKE2b") {
  const bool initiator = role == Role::kInitiator;
  symmetric_.MixHash(prologue);
  symmetric_.MixHash(initiator ? self_.point : peer_);
  symmetric_.MixHash(initiator ? peer_ : self_.point);
}

void NoiseKk::MixEphemeral(NoiseSymmetricState& symmetric,
                           const X25519Point& point) const {
  symmetric.MixHash(point);
  if (psk_) symmetric.MixKey(point);
}

bool NoiseKk::MixTokens(NoiseSymmetricState& symmetric,
                        const X25519Point& peer_ephemeral) const {
  const auto mix = [&](const Key& secret, const X25519Point& point) {
    Key shared;
    if (!X25519(secret, point, shared)) return false;
    symmetric.MixKey(shared);
    return true;
  };
  const bool initiator = role_ == Role::kInitiator;
  if (messages_ == 0) {
    return (initiator ? mix(ephemeral_.secret, peer_)
                      : mix(self_.secret, peer_ephemeral)) &&  // es
           mix(self_.secret, peer_);                           // ss
  }
  return mix(ephemeral_.secret, peer_ephemeral) &&  // ee
         (initiator ? mix(self_.secret, peer_ephemeral)
                    : mix(ephemeral_.secret, peer_));  // se
}

Bytes NoiseKk::WriteMessage(ByteSpan payload) {
  P2PCP_CHECK(OurTurnToWrite());
  if (messages_ == 0 && psk_) symmetric_.MixKeyAndHash(psk_->key);
  Bytes message = ToBytes(ephemeral_.point);
  MixEphemeral(symmetric_, ephemeral_.point);
  P2PCP_CHECK(MixTokens(symmetric_, peer_ephemeral_));
  symmetric_.EncryptAndHash(payload, message);
  ++messages_;
  return message;
}

std::optional<Bytes> NoiseKk::ReadMessage(ByteSpan message) {
  P2PCP_CHECK(OurTurnToRead());
  X25519Point peer_ephemeral;
  if (message.size() < peer_ephemeral.size()) return std::nullopt;
  CopyBytes(message.first(peer_ephemeral.size()), peer_ephemeral);

  // On a copy, so that a forged message does not end the handshake.
  NoiseSymmetricState symmetric = symmetric_;
  if (messages_ == 0 && psk_) symmetric.MixKeyAndHash(psk_->key);
  MixEphemeral(symmetric, peer_ephemeral);
  if (!MixTokens(symmetric, peer_ephemeral)) return std::nullopt;
  std::optional<Bytes> payload =
      symmetric.DecryptAndHash(message.subspan(peer_ephemeral.size()));
  if (!payload) return std::nullopt;
  symmetric_ = symmetric;
  peer_ephemeral_ = peer_ephemeral;
  ++messages_;
  return payload;
}

}  // namespace p2pcp::crypto
