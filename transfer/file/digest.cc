#include "transfer/file/digest.h"

// The state's members, for saving it: they differ between versions.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

namespace {

// The library's own, before its name means another one.
constexpr auto kPlainHash = &XXH3_128bits;

}  // namespace

#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
// The same functions for the vector unit that the processor has: with AVX-512
// twice as fast as the library's default of SSE2 (measured).
#include <xxh_x86dispatch.h>
#endif

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

namespace {

XXH3_state_t* Raw(void* state) { return static_cast<XXH3_state_t*>(state); }
const XXH3_state_t* Raw(const void* state) {
  return static_cast<const XXH3_state_t*>(state);
}

Digest Canonical(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Digest digest;
  static_assert(sizeof(canonical.digest) == sizeof(digest.bytes));
  std::memcpy(digest.bytes.data(), canonical.digest, sizeof(canonical.digest));
  return digest;
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
  if (strong_ != nullptr) strong_->Reset();
}

void Hasher::SetStrong(std::unique_ptr<StrongHasher> strong) {
  strong_ = std::move(strong);
}

void Hasher::Update(ByteSpan bytes) {
  P2PCP_CHECK(XXH3_128bits_update(Raw(static_cast<void*>(state_.get())),
                                  bytes.data(), bytes.size()) == XXH_OK);
  if (strong_ != nullptr) strong_->Update(bytes);
}

std::uint64_t Hasher::size() const {
  return Raw(static_cast<const void*>(state_.get()))->totalLen;
}

// version (32 bit), bytes in the buffer (32), stripes (64), size (64),
// accumulators, buffer. What else the state has is as after a reset.
Hasher::Saved Hasher::Save() const {
  const XXH3_state_t& state = *Raw(static_cast<const void*>(state_.get()));
  static_assert(24 + sizeof(state.acc) + sizeof(state.buffer) == kSavedSize);
  Saved saved;
  ByteWriter writer(saved);
  writer.WriteU32(XXH_versionNumber());
  writer.WriteU32(state.bufferedSize);
  writer.WriteU64(state.nbStripesSoFar);
  writer.WriteU64(state.totalLen);
  writer.WriteBytes(std::as_bytes(std::span(state.acc)));
  writer.WriteBytes(std::as_bytes(std::span(state.buffer)));
  P2PCP_CHECK(writer.ok());
  return saved;
}

std::uint64_t Hasher::SizeOf(const Saved& saved) {
  ByteReader reader(ByteSpan(saved).subspan(16));
  return reader.ReadU64();
}

bool Hasher::Restore(const Saved& saved) {
  P2PCP_CHECK(strong_ == nullptr);
  Reset();
  XXH3_state_t& state = *Raw(static_cast<void*>(state_.get()));
  ByteReader reader(saved);
  const std::uint32_t version = reader.ReadU32();
  const std::uint32_t buffered = reader.ReadU32();
  const std::uint64_t stripes = reader.ReadU64();
  const std::uint64_t size = reader.ReadU64();
  if (version != XXH_versionNumber() || version != XXH_VERSION_NUMBER ||
      buffered > sizeof(state.buffer) || buffered > size ||
      stripes > state.nbStripesPerBlock) {
    return false;
  }
  state.bufferedSize = buffered;
  state.nbStripesSoFar = stripes;
  state.totalLen = size;
  CopyBytes(reader.ReadBytes(sizeof(state.acc)),
            std::as_writable_bytes(std::span(state.acc)));
  CopyBytes(reader.ReadBytes(sizeof(state.buffer)),
            std::as_writable_bytes(std::span(state.buffer)));
  return true;
}

void Hasher::UpdateZeros(std::uint64_t size) {
  // Stays in the processor's cache.
  static constexpr std::array<std::byte, 16 << 10> kZeros = {};
  while (size > 0) {
    const auto step =
        static_cast<std::size_t>(std::min<std::uint64_t>(size, kZeros.size()));
    Update(ByteSpan(kZeros).first(step));
    size -= step;
  }
}

Digest Hasher::Finish() const {
  Digest digest = Canonical(
      XXH3_128bits_digest(Raw(static_cast<const void*>(state_.get()))));
  if (strong_ != nullptr) digest.strong = strong_->Finish();
  return digest;
}

Digest Hasher::Of(ByteSpan bytes) {
  // A vector unit that is used now and then takes longer than it saves: of
  // files of 0 to 4 KiB, each with its system calls between, hashing cost half
  // as much without (measured).
  constexpr std::size_t kPlainMax = 4096;
  return Canonical(bytes.size() <= kPlainMax
                       ? kPlainHash(bytes.data(), bytes.size())
                       : XXH3_128bits(bytes.data(), bytes.size()));
}

void WholeHasher::SetStrong(std::unique_ptr<StrongHasher> strong) {
  strong_ = std::move(strong);
}

Digest WholeHasher::Of(ByteSpan bytes) {
  Digest digest = Hasher::Of(bytes);
  if (strong_ != nullptr) {
    strong_->Reset();
    strong_->Update(bytes);
    digest.strong = strong_->Finish();
  }
  return digest;
}

}  // namespace p2pcp::file
