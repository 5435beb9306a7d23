#include "net/crypto/public_key.h"

#include <sodium.h>

#include "net/crypto/base32.h"
#include "net/crypto/hash.h"
#include "net/crypto/sodium.h"

namespace p2pcp::crypto {
namespace {

static_assert(PublicKey::kSize == crypto_sign_PUBLICKEYBYTES);
static_assert(sizeof(Signature) == crypto_sign_BYTES);

constexpr std::size_t kChecksumSize = 3;
static_assert((PublicKey::kSize + kChecksumSize) * 8 ==
              PublicKey::kTextSize * 5);

constexpr std::string_view kChecksumLabel = "p2pcp key v1";
constexpr std::size_t kFingerprintSize = 20;
constexpr std::size_t kFingerprintGroup = 4;

std::array<std::byte, kChecksumSize> Checksum(ByteSpan key) {
  std::array<std::byte, kChecksumSize> checksum;
  DeriveBytes(key, kChecksumLabel, {}, checksum);
  return checksum;
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

}  // namespace

std::optional<PublicKey> PublicKey::FromBytes(ByteSpan bytes) {
  if (bytes.size() != kSize) return std::nullopt;
  InitSodium();
  PublicKey key;
  CopyBytes(bytes, key.bytes_);
  if (crypto_sign_ed25519_pk_to_curve25519(Raw(MutableByteSpan(key.x25519_)),
                                           Raw(bytes)) != 0) {
    return std::nullopt;
  }
  return key;
}

std::optional<PublicKey> PublicKey::Parse(std::string_view text) {
  text = Trim(text);
  if (text.size() != kTextSize) return std::nullopt;
  const std::optional<Bytes> bytes = Unbase32(text);
  if (!bytes) return std::nullopt;
  const ByteSpan key = ByteSpan(*bytes).first(kSize);
  if (!ConstantTimeEqual(Checksum(key), ByteSpan(*bytes).subspan(kSize))) {
    return std::nullopt;
  }
  return FromBytes(key);
}

std::string PublicKey::ToString() const {
  Bytes bytes = ToBytes(bytes_);
  const auto checksum = Checksum(bytes_);
  bytes.insert(bytes.end(), checksum.begin(), checksum.end());
  return Base32(bytes);
}

std::string Fingerprint(const PublicKey& key) {
  std::array<std::byte, kFingerprintSize> hash;
  Hash(key.bytes(), hash);
  std::string text = Base32(hash);
  for (std::size_t at = kFingerprintGroup; at < text.size();
       at += kFingerprintGroup + 1) {
    text.insert(at, 1, '-');
  }
  return text;
}

bool Verify(const PublicKey& key, ByteSpan message,
            const Signature& signature) {
  return crypto_sign_verify_detached(Raw(ByteSpan(signature)), Raw(message),
                                     message.size(),
                                     Raw(ByteSpan(key.bytes()))) == 0;
}

}  // namespace p2pcp::crypto
