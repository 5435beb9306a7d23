#include "net/crypto/fast_gcm.h"

#include "net/base/check.h"

#if defined(__x86_64__)

#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

#include <cstdint>
#include <span>

namespace p2pcp::crypto {
namespace {

std::uint8_t* Raw(MutableByteSpan bytes) {
  return reinterpret_cast<std::uint8_t*>(bytes.data());
}
const std::uint8_t* Raw(ByteSpan bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

// The library's table of functions for this processor, never freed and never
// changed; null where it has none that use AES instructions, or where it fails
// the test of itself that it makes.
const IMB_MGR* Manager() {
  static const IMB_MGR* const manager = []() -> const IMB_MGR* {
    IMB_MGR* const made = alloc_mb_mgr(0);
    if (made == nullptr) return nullptr;
    init_mb_mgr_auto(made, nullptr);
    constexpr std::uint64_t kNeeded =
        IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ | IMB_FEATURE_SELF_TEST_PASS;
    if (imb_get_errno(made) == 0 && made->used_arch >= IMB_ARCH_SSE &&
        (made->features & kNeeded) == kNeeded) {
      return made;
    }
    free_mb_mgr(made);
    return nullptr;
  }();
  return manager;
}

}  // namespace

// What is derived from the key, aligned as the library wants it.
struct FastGcm::State {
  gcm_key_data key;
  gcm_context_data context;
};

void FastGcm::Delete::operator()(State* state) const {
  Wipe(std::as_writable_bytes(std::span(state, 1)));
  delete state;
}

bool FastGcm::Available() { return Manager() != nullptr; }

FastGcm::FastGcm() : state_(new State) { P2PCP_CHECK(Available()); }

void FastGcm::SetKey(const Key& key) {
  IMB_AES256_GCM_PRE(Manager(), Raw(ByteSpan(key)), &state_->key);
}

void FastGcm::Clear() { Wipe(std::as_writable_bytes(std::span(&*state_, 1))); }

void FastGcm::Seal(const Nonce& nonce, ByteSpan header, ByteSpan first,
                   ByteSpan second, MutableByteSpan out) {
  const IMB_MGR* const manager = Manager();
  gcm_context_data* const context = &state_->context;
  IMB_AES256_GCM_INIT(manager, &state_->key, context, Raw(ByteSpan(nonce)),
                      Raw(header), header.size());
  for (const ByteSpan part : {first, second}) {
    // The library takes an empty part for a mistake.
    if (part.empty()) continue;
    IMB_AES256_GCM_ENC_UPDATE(manager, &state_->key, context, Raw(out),
                              Raw(part), part.size());
    out = out.subspan(part.size());
  }
  IMB_AES256_GCM_ENC_FINALIZE(manager, &state_->key, context, Raw(out),
                              kTagSize);
}

bool FastGcm::Open(const Nonce& nonce, ByteSpan header,
                   MutableByteSpan ciphertext_and_tag) {
  const MutableByteSpan text =
      ciphertext_and_tag.first(ciphertext_and_tag.size() - kTagSize);
  std::array<std::byte, kTagSize> tag;
  IMB_AES256_GCM_DEC(Manager(), &state_->key, &state_->context, Raw(text),
                     Raw(ByteSpan(text)), text.size(), Raw(ByteSpan(nonce)),
                     Raw(header), header.size(), Raw(MutableByteSpan(tag)),
                     kTagSize);
  // In constant time.
  return CRYPTO_memcmp(tag.data(), ciphertext_and_tag.data() + text.size(),
                       kTagSize) == 0;
}

}  // namespace p2pcp::crypto

#else

namespace p2pcp::crypto {

struct FastGcm::State {};

void FastGcm::Delete::operator()(State* state) const { delete state; }
bool FastGcm::Available() { return false; }
FastGcm::FastGcm() { P2PCP_CHECK(false); }
void FastGcm::SetKey(const Key&) {}
void FastGcm::Clear() {}
void FastGcm::Seal(const Nonce&, ByteSpan, ByteSpan, ByteSpan,
                   MutableByteSpan) {}
bool FastGcm::Open(const Nonce&, ByteSpan, MutableByteSpan) { return false; }

}  // namespace p2pcp::crypto

#endif

namespace p2pcp::crypto {

FastGcm::FastGcm(FastGcm&&) noexcept = default;
FastGcm& FastGcm::operator=(FastGcm&&) noexcept = default;
FastGcm::~FastGcm() = default;

}  // namespace p2pcp::crypto
