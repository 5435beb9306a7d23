#include "net/crypto/cpace.h"

#include <sodium.h>

#include <algorithm>
#include <string_view>

#include "net/base/check.h"
#include "net/crypto/hash.h"
#include "net/crypto/sodium.h"

namespace p2pcp::crypto {
namespace {

// Section 8.3: G_Ristretto255.DSI; section 7.2: with "_ISK"; section 10.4.
constexpr std::string_view kDomain = "CPaceRistretto255";
constexpr std::string_view kIskDomain = "CPaceRistretto255_ISK";
constexpr std::string_view kMacDomain = "CPaceMac";
// SHA-512's H.s_in_bytes.
constexpr std::size_t kBlockSize = 128;

static_assert(std::tuple_size_v<CpacePoint> == crypto_core_ristretto255_BYTES);
static_assert(Key::kSize == crypto_core_ristretto255_SCALARBYTES);
static_assert(CpaceSecret::kSize == crypto_hash_sha512_BYTES);
static_assert(std::tuple_size_v<CpaceTag> == crypto_auth_hmacsha512_BYTES);
static_assert(crypto_core_ristretto255_HASHBYTES == crypto_hash_sha512_BYTES);

// A string under construction that is wiped.
struct Text {
  ~Text() { Wipe(bytes); }
  // Room first, so that no copy is left behind by growth.
  explicit Text(std::size_t capacity) { bytes.reserve(capacity); }

  void Append(ByteSpan part) {
    P2PCP_CHECK(bytes.size() + part.size() <= bytes.capacity());
    bytes.insert(bytes.end(), part.begin(), part.end());
  }
  // prepend_len: the length in LEB128, then the string.
  void AppendWithLength(ByteSpan part) {
    std::size_t size = part.size();
    do {
      const std::byte low{static_cast<unsigned char>(size & 0x7f)};
      size >>= 7;
      const std::byte digit = size > 0 ? low | std::byte{0x80} : low;
      Append(ByteSpan(&digit, 1));
    } while (size > 0);
    Append(part);
  }

  Bytes bytes;
};

// More than LEB128 takes for the length of anything that fits in memory.
constexpr std::size_t kMaxLength = 10;

void Sha512(ByteSpan message, MutableByteSpan out) {
  P2PCP_CHECK(out.size() == crypto_hash_sha512_BYTES);
  crypto_hash_sha512(Raw(out), Raw(message), message.size());
}

}  // namespace

CpacePoint CpaceGenerator(const CpaceInputs& inputs) {
  InitSodium();
  // generator_string (section 8.1): the zeros fill up the first block of the
  // hash, so that the time does not tell the length of the secret.
  Text secret(inputs.secret.size() + kMaxLength);
  secret.AppendWithLength(inputs.secret);
  const std::size_t used = secret.bytes.size() + 1 + kDomain.size() + 1;
  const Bytes zeros(used < kBlockSize ? kBlockSize - used : 0);
  Text text(kDomain.size() + secret.bytes.size() + zeros.size() +
            inputs.channel.size() + inputs.session.size() + 5 * kMaxLength);
  text.AppendWithLength(AsBytes(kDomain));
  text.Append(secret.bytes);
  text.AppendWithLength(zeros);
  text.AppendWithLength(inputs.channel);
  text.AppendWithLength(inputs.session);

  std::array<std::byte, crypto_core_ristretto255_HASHBYTES> hash;
  Sha512(text.bytes, hash);
  CpacePoint generator;
  crypto_core_ristretto255_from_hash(Raw(MutableByteSpan(generator)),
                                     Raw(ByteSpan(hash)));
  Wipe(hash);
  return generator;
}

bool CpaceMultiply(const Key& scalar, const CpacePoint& point, Key& product) {
  InitSodium();
  // Fails on what does not decode, and where the result is the neutral one.
  return crypto_scalarmult_ristretto255(Raw(MutableByteSpan(product.bytes)),
                                        Raw(ByteSpan(scalar)),
                                        Raw(ByteSpan(point))) == 0;
}

Cpace::Cpace(Role role, const CpaceInputs& inputs, ByteSpan associated_data,
             Random& random)
    : role_(role),
      session_(ToBytes(inputs.session)),
      associated_data_(ToBytes(associated_data)) {
  CpacePoint generator = CpaceGenerator(inputs);
  Key share;
  do {
    random.Fill(scalar_.bytes);
    // sample_scalar of section 8.3: no more than 252 bits.
    scalar_.bytes.back() &= std::byte{0x0f};
    // Fails for the scalar 0 only.
  } while (!CpaceMultiply(scalar_, generator, share));
  share_ = share.bytes;
  // Whoever has it can try out secrets.
  Wipe(generator);
}

std::optional<CpaceSecret> Cpace::Finish(const CpacePoint& peer_share,
                                         ByteSpan peer_associated_data) const {
  Key product;
  if (!CpaceMultiply(scalar_, peer_share, product)) return std::nullopt;

  Text text(kIskDomain.size() + session_.size() + Key::kSize +
            2 * sizeof(CpacePoint) + associated_data_.size() +
            peer_associated_data.size() + 7 * kMaxLength);
  text.AppendWithLength(AsBytes(kIskDomain));
  text.AppendWithLength(session_);
  text.AppendWithLength(product);
  const auto append_own = [&] {
    text.AppendWithLength(share_);
    text.AppendWithLength(associated_data_);
  };
  // transcript_ir: the initiator's first.
  if (role_ == Role::kInitiator) append_own();
  text.AppendWithLength(peer_share);
  text.AppendWithLength(peer_associated_data);
  if (role_ == Role::kResponder) append_own();

  CpaceSecret secret;
  Sha512(text.bytes, secret.isk_);
  Text mac(kMacDomain.size() + session_.size() + CpaceSecret::kSize);
  mac.Append(AsBytes(kMacDomain));
  mac.Append(session_);
  mac.Append(secret.isk_);
  Sha512(mac.bytes, secret.mac_key_);
  return secret;
}

CpaceTag CpaceSecret::Tag(const CpacePoint& share,
                          ByteSpan associated_data) const {
  Text text(share.size() + associated_data.size() + 2 * kMaxLength);
  text.AppendWithLength(share);
  text.AppendWithLength(associated_data);
  CpaceTag tag;
  crypto_auth_hmacsha512_state state;
  crypto_auth_hmacsha512_init(&state, Raw(ByteSpan(mac_key_)), mac_key_.size());
  crypto_auth_hmacsha512_update(&state, Raw(ByteSpan(text.bytes)),
                                text.bytes.size());
  crypto_auth_hmacsha512_final(&state, Raw(MutableByteSpan(tag)));
  sodium_memzero(&state, sizeof(state));
  return tag;
}

bool CpaceSecret::Verify(const CpacePoint& share, ByteSpan associated_data,
                         ByteSpan tag) const {
  return ConstantTimeEqual(Tag(share, associated_data), tag);
}

}  // namespace p2pcp::crypto
