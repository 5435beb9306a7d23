#include "net/crypto/hash.h"

#include <sodium.h>

#include <cstdint>

#include "net/base/check.h"
#include "net/crypto/sodium.h"

namespace p2pcp::crypto {
namespace {

// BLAKE2b over parts, one after the other.
class Blake2b {
 public:
  Blake2b(ByteSpan key, std::size_t size) {
    InitSodium();
    P2PCP_CHECK(size >= kMinHashSize && size <= kMaxHashSize);
    P2PCP_CHECK(key.size() <= kMaxHashKeySize);
    // libsodium's high-level names ask for 16 bytes of key and of hash; its
    // code does not.
    P2PCP_CHECK(crypto_generichash_blake2b_init(&state_, Raw(key), key.size(),
                                                size) == 0);
  }
  Blake2b(const Blake2b&) = default;
  Blake2b& operator=(const Blake2b&) = default;
  ~Blake2b() { sodium_memzero(&state_, sizeof(state_)); }

  void Update(ByteSpan part) {
    crypto_generichash_blake2b_update(&state_, Raw(part), part.size());
  }
  void Final(MutableByteSpan out) {
    crypto_generichash_blake2b_final(&state_, Raw(out), out.size());
  }

 private:
  crypto_generichash_blake2b_state state_;
};

}  // namespace

void Hash(ByteSpan message, MutableByteSpan out) {
  Blake2b hasher({}, out.size());
  hasher.Update(message);
  hasher.Final(out);
}

void KeyedHash(ByteSpan key, ByteSpan message, MutableByteSpan out) {
  P2PCP_CHECK(!key.empty());
  Blake2b hasher(key, out.size());
  hasher.Update(message);
  hasher.Final(out);
}

Bytes KeyedHash(ByteSpan key, ByteSpan message, std::size_t size) {
  Bytes out(size);
  KeyedHash(key, message, out);
  return out;
}

void DeriveBytes(ByteSpan key, std::string_view label, ByteSpan context,
                 MutableByteSpan out) {
  P2PCP_CHECK(!key.empty());
  P2PCP_CHECK(label.size() <= 255);
  const auto label_size = static_cast<std::byte>(label.size());
  Blake2b hasher(key, out.size());
  hasher.Update(ByteSpan(&label_size, 1));
  hasher.Update(AsBytes(label));
  hasher.Update(context);
  hasher.Final(out);
}

Key DeriveKey(ByteSpan key, std::string_view label, ByteSpan context) {
  Key derived;
  DeriveBytes(key, label, context, derived.bytes);
  return derived;
}

class RunningHash::Hasher {
 public:
  Blake2b state{{}, kSize};
};

RunningHash::RunningHash() : hasher_(std::make_unique<Hasher>()) {}
RunningHash::RunningHash(RunningHash&&) noexcept = default;
RunningHash& RunningHash::operator=(RunningHash&&) noexcept = default;
RunningHash::~RunningHash() = default;

void RunningHash::Reset() { hasher_->state = Blake2b({}, kSize); }

void RunningHash::Update(ByteSpan bytes) { hasher_->state.Update(bytes); }

std::array<std::byte, RunningHash::kSize> RunningHash::Finish() const {
  Blake2b last = hasher_->state;
  std::array<std::byte, kSize> hash;
  last.Final(hash);
  return hash;
}

bool ConstantTimeEqual(ByteSpan a, ByteSpan b) {
  return a.size() == b.size() &&
         sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace p2pcp::crypto
