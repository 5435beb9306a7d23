#include "transfer/file/digest.h"

#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
// The same functions for the vector unit that the processor has: with AVX-512
// twice as fast as the library's default of SSE2 (measured).
#include <xxh_x86dispatch.h>
#endif

#include <cstring>

#include "net/base/check.h"

namespace p2pcp::file {

namespace {

XXH3_state_t* Raw(void* state) { return static_cast<XXH3_state_t*>(state); }
const XXH3_state_t* Raw(const void* state) {
  return static_cast<const XXH3_state_t*>(state);
}

}  // namespace

void Hasher::Free::operator()(State* state) const {
  XXH3_freeState(Raw(static_cast<void*>(state)));
}

Hasher::Hasher()
    : state_(static_cast<State*>(static_cast<void*>(XXH3_createState()))) {
  P2PCP_CHECK(state_ != nullptr);
  Reset();
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::Reset() {
  P2PCP_CHECK(XXH3_128bits_reset(Raw(static_cast<void*>(state_.get()))) ==
              XXH_OK);
}

void Hasher::Update(ByteSpan bytes) {
  P2PCP_CHECK(XXH3_128bits_update(Raw(static_cast<void*>(state_.get())),
                                  bytes.data(), bytes.size()) == XXH_OK);
}

Digest Hasher::Finish() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(
      &canonical,
      XXH3_128bits_digest(Raw(static_cast<const void*>(state_.get()))));
  Digest digest;
  static_assert(sizeof(canonical.digest) == sizeof(digest.bytes));
  std::memcpy(digest.bytes.data(), canonical.digest, sizeof(canonical.digest));
  return digest;
}

}  // namespace p2pcp::file
