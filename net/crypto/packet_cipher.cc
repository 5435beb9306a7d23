#include "net/crypto/packet_cipher.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <climits>
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

// EVP counts in int.
int Size(ByteSpan bytes) {
  P2PCP_CHECK(bytes.size() <= INT_MAX);
  return static_cast<int>(bytes.size());
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

PacketCipher::PacketCipher(Suite suite, Direction direction)
    : suite_(suite), direction_(direction), context_(EVP_CIPHER_CTX_new()) {
  P2PCP_CHECK(context_ != nullptr);
}

PacketCipher::PacketCipher(PacketCipher&&) noexcept = default;
PacketCipher& PacketCipher::operator=(PacketCipher&&) noexcept = default;
PacketCipher::~PacketCipher() { Wipe(iv_); }

void PacketCipher::SetKey(const Key& key, const PacketIv& iv) {
  // 12 bytes of nonce is what both ciphers start with.
  P2PCP_CHECK(EVP_CipherInit_ex2(
                  context_.get(), Fetch(suite_), Raw(ByteSpan(key)), nullptr,
                  direction_ == Direction::kSeal ? 1 : 0, nullptr) == 1);
  iv_ = iv;
  has_key_ = true;
}

void PacketCipher::Clear() {
  // Wipes and frees what the provider holds.
  EVP_CIPHER_CTX_reset(context_.get());
  Wipe(iv_);
  has_key_ = false;
}

void PacketCipher::SetNonce(std::uint64_t number) {
  PacketIv nonce = iv_;
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[kPacketIvSize - 1 - i] ^= static_cast<std::byte>(number >> (8 * i));
  }
  P2PCP_CHECK(EVP_CipherInit_ex2(context_.get(), nullptr, nullptr,
                                 Raw(ByteSpan(nonce)), -1, nullptr) == 1);
}

void PacketCipher::Seal(std::uint64_t number, ByteSpan header, ByteSpan first,
                        ByteSpan second, MutableByteSpan out) {
  P2PCP_CHECK(has_key_ && direction_ == Direction::kSeal);
  P2PCP_CHECK(out.size() == first.size() + second.size() + kPacketTagSize);
  EVP_CIPHER_CTX* const context = context_.get();
  SetNonce(number);
  int size = 0;
  bool ok = EVP_EncryptUpdate(context, nullptr, &size, Raw(header),
                              Size(header)) == 1;
  // An empty part must not reach EVP, which may take it for the end.
  if (!first.empty()) {
    ok = ok && EVP_EncryptUpdate(context, Raw(out), &size, Raw(first),
                                 Size(first)) == 1;
  }
  out = out.subspan(first.size());
  if (!second.empty()) {
    ok = ok && EVP_EncryptUpdate(context, Raw(out), &size, Raw(second),
                                 Size(second)) == 1;
  }
  const MutableByteSpan tag = out.subspan(second.size());
  ok = ok && EVP_EncryptFinal_ex(context, Raw(tag), &size) == 1;
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag.data(),
                                        tag.size()),
      OSSL_PARAM_construct_end()};
  ok = ok && EVP_CIPHER_CTX_get_params(context, parameters) == 1;
  P2PCP_CHECK(ok);
}

bool PacketCipher::Open(std::uint64_t number, ByteSpan header,
                        MutableByteSpan ciphertext_and_tag) {
  P2PCP_CHECK(has_key_ && direction_ == Direction::kOpen);
  P2PCP_CHECK(ciphertext_and_tag.size() >= kPacketTagSize);
  const MutableByteSpan text =
      ciphertext_and_tag.first(ciphertext_and_tag.size() - kPacketTagSize);
  const MutableByteSpan tag = ciphertext_and_tag.last(kPacketTagSize);
  EVP_CIPHER_CTX* const context = context_.get();
  SetNonce(number);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag.data(),
                                        tag.size()),
      OSSL_PARAM_construct_end()};
  int size = 0;
  bool ok = EVP_CIPHER_CTX_set_params(context, parameters) == 1 &&
            EVP_DecryptUpdate(context, nullptr, &size, Raw(ByteSpan(header)),
                              Size(header)) == 1;
  if (!text.empty()) {
    ok = ok && EVP_DecryptUpdate(context, Raw(text), &size, Raw(ByteSpan(text)),
                                 Size(text)) == 1;
  }
  P2PCP_CHECK(ok);
  // The only step that the sender of the packet decides.
  unsigned char nothing[kPacketTagSize];
  return EVP_DecryptFinal_ex(context, nothing, &size) == 1;
}

}  // namespace p2pcp::crypto
