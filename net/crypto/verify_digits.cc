#include "net/crypto/verify_digits.h"

#include <sodium.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/crypto/hash.h"
#include "net/crypto/sodium.h"

namespace p2pcp::crypto {
namespace {

// RFC 9106 section 4 recommends 64 MiB and three passes where memory is short.
constexpr unsigned long long kPasses = 3;
constexpr std::size_t kMemory = 64 << 20;
constexpr std::string_view kLabel = "p2pcp/1 verify";

}  // namespace

std::string VerifyDigits(const Psk& psk) {
  InitSodium();
  // Neither the secret itself nor anything that the handshake uses goes in.
  const Key input = DeriveKey(psk.key, kLabel);
  std::array<std::byte, crypto_pwhash_SALTBYTES> salt;
  Hash(AsBytes(kLabel), salt);
  std::array<std::byte, 16> output;
  P2PCP_CHECK(crypto_pwhash(Raw(MutableByteSpan(output)), output.size(),
                            reinterpret_cast<const char*>(Raw(ByteSpan(input))),
                            Key::kSize, Raw(ByteSpan(salt)), kPasses, kMemory,
                            crypto_pwhash_ALG_ARGON2ID13) == 0);
  ByteReader reader(output);
  // 2^64 is so much more than 10^6 that all digits are as likely.
  const std::uint64_t number = reader.ReadU64() % 1'000'000;
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), "%06u",
                static_cast<unsigned>(number));
  return text.data();
}

}  // namespace p2pcp::crypto
