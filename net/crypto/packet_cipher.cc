#include "net/crypto/packet_cipher.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <bit>
#include <climits>
#include <cstring>
#include <utility>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "net/base/check.h"

namespace p2pcp::crypto {
namespace {

// Looked up once and never freed: a look-up takes locks and walks tables. A
// library context of our own keeps the system's openssl.cnf out of it, which
// may forbid ChaCha20.
const EVP_CIPHER* Fetch(Suite suite) {
  static OSSL_LIB_CTX* const library = OSSL_LIB_CTX_new();
  P2PCP_CHECK(library != nullptr);
  static EVP_CIPHER* const aes =
      EVP_CIPHER_fetch(library, "AES-256-GCM", nullptr);
  static EVP_CIPHER* const chacha =
      EVP_CIPHER_fetch(library, "ChaCha20-Poly1305", nullptr);
  const EVP_CIPHER* const cipher = suite == Suite::kAes256Gcm ? aes : chacha;
  P2PCP_CHECK(cipher != nullptr);
  return cipher;
}

unsigned char* Raw(MutableByteSpan bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}
const unsigned char* Raw(ByteSpan bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

bool HasAesHardware() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__aarch64__)
  constexpr unsigned long kNeeded = HWCAP_AES | HWCAP_PMULL;
  return (getauxval(AT_HWCAP) & kNeeded) == kNeeded;
#else
  return false;
#endif
}

void PacketCipher::Deleter::operator()(evp_cipher_ctx_st* context) const {
  EVP_CIPHER_CTX_free(context);
}

PacketCipher::PacketCipher(Suite suite, Direction direction, Engine engine)
    : suite_(suite), direction_(direction) {
  if (suite == Suite::kAes256Gcm && engine == Engine::kFastest &&
      FastGcm::Available()) {
    fast_.emplace();
    return;
  }
  context_.reset(EVP_CIPHER_CTX_new());
  P2PCP_CHECK(context_ != nullptr);
}

PacketCipher::PacketCipher(PacketCipher&&) noexcept = default;
PacketCipher& PacketCipher::operator=(PacketCipher&&) noexcept = default;
PacketCipher::~PacketCipher() { Wipe(iv_); }

void PacketCipher::SetKey(const Key& key, const PacketIv& iv) {
  if (fast_) {
    fast_->SetKey(key);
  } else {
    // 12 bytes of nonce is what both ciphers start with.
    P2PCP_CHECK(EVP_CipherInit_ex2(
                    context_.get(), Fetch(suite_), Raw(ByteSpan(key)), nullptr,
                    direction_ == Direction::kSeal ? 1 : 0, nullptr) == 1);
  }
  iv_ = iv;
  has_key_ = true;
}

void PacketCipher::Clear() {
  if (fast_) {
    fast_->Clear();
  } else {
    // Wipes and frees what the provider holds.
    EVP_CIPHER_CTX_reset(context_.get());
  }
  Wipe(iv_);
  has_key_ = false;
}

void PacketCipher::MakeNonce(std::uint64_t number, PacketIv& nonce) const {
  // In words and not in bytes, and in place: the whole is read right after,
  // which stalls on stores that are narrower than the load.
  std::uint64_t low;
  std::memcpy(&low, &iv_[kPacketIvSize - sizeof(low)], sizeof(low));
  if constexpr (std::endian::native == std::endian::little) {
    number = __builtin_bswap64(number);
  }
  low ^= number;
  nonce = iv_;
  std::memcpy(&nonce[kPacketIvSize - sizeof(low)], &low, sizeof(low));
}

void PacketCipher::SetNonce(std::uint64_t number) {
  PacketIv nonce;
  MakeNonce(number, nonce);
  P2PCP_CHECK(EVP_CipherInit_ex2(context_.get(), nullptr, nullptr,
                                 Raw(ByteSpan(nonce)), -1, nullptr) == 1);
}

void PacketCipher::Seal(std::uint64_t number, ByteSpan header, ByteSpan first,
                        ByteSpan second, MutableByteSpan out) {
  P2PCP_CHECK(has_key_ && direction_ == Direction::kSeal);
  P2PCP_CHECK(out.size() == first.size() + second.size() + kPacketTagSize);
  if (fast_) {
    PacketIv nonce;
    MakeNonce(number, nonce);
    fast_->Seal(nonce, header, first, second, out);
    return;
  }
  SetNonce(number);
  Update(nullptr, header);
  Update(out.data(), first);
  Update(out.data() + first.size(), second);

  const MutableByteSpan tag = out.last(kPacketTagSize);
  int size = 0;
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag.data(),
                                        tag.size()),
      OSSL_PARAM_construct_end()};
  P2PCP_CHECK(EVP_EncryptFinal_ex(context_.get(), Raw(tag), &size) == 1 &&
              EVP_CIPHER_CTX_get_params(context_.get(), parameters) == 1);
}

bool PacketCipher::Open(std::uint64_t number, ByteSpan header,
                        MutableByteSpan ciphertext_and_tag) {
  P2PCP_CHECK(has_key_ && direction_ == Direction::kOpen);
  P2PCP_CHECK(ciphertext_and_tag.size() >= kPacketTagSize);
  if (fast_) {
    PacketIv nonce;
    MakeNonce(number, nonce);
    return fast_->Open(nonce, header, ciphertext_and_tag);
  }
  const MutableByteSpan text =
      ciphertext_and_tag.first(ciphertext_and_tag.size() - kPacketTagSize);
  const MutableByteSpan tag = ciphertext_and_tag.last(kPacketTagSize);
  SetNonce(number);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag.data(),
                                        tag.size()),
      OSSL_PARAM_construct_end()};
  P2PCP_CHECK(EVP_CIPHER_CTX_set_params(context_.get(), parameters) == 1);
  Update(nullptr, header);
  Update(text.data(), text);
  // The only step whose outcome is up to whoever sent the packet.
  unsigned char nothing[kPacketTagSize];
  int size = 0;
  return EVP_DecryptFinal_ex(context_.get(), nothing, &size) == 1;
}

void PacketCipher::Update(std::byte* out, ByteSpan in) {
  // EVP may take an empty part for the end.
  if (in.empty()) return;
  P2PCP_CHECK(in.size() <= INT_MAX);
  int size = 0;
  P2PCP_CHECK(EVP_CipherUpdate(context_.get(),
                               reinterpret_cast<unsigned char*>(out), &size,
                               Raw(in), static_cast<int>(in.size())) == 1);
}

}  // namespace p2pcp::crypto
