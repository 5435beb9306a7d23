#include "net/crypto/identity.h"

#include <sodium.h>

#include <cerrno>
#include <cstddef>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "net/base/check.h"
#include "net/crypto/base32.h"
#include "net/crypto/sodium.h"

namespace p2pcp::crypto {
namespace {

static_assert(Key::kSize == crypto_sign_SEEDBYTES);

// The file is one line: magic, seed in base32, public key as text. The public
// key is there to notice damage; the seed alone makes the identity.
constexpr std::string_view kMagic = "p2pcp-identity-v1 ";
constexpr std::size_t kSeedTextSize = 52;  // 32 bytes in base32.
constexpr std::size_t kFileSize =
    kMagic.size() + kSeedTextSize + 1 + PublicKey::kTextSize + 1;

// Wipes a string that held secrets when it goes.
class SecretText {
 public:
  explicit SecretText(std::string text) : text_(std::move(text)) {}
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { Wipe(std::as_writable_bytes(std::span(text_))); }
  const std::string& get() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

struct Identity::Secrets {
  std::array<std::byte, crypto_sign_SECRETKEYBYTES> ed25519;
  X25519KeyPair x25519;
};

void Identity::Deleter::operator()(Secrets* secrets) const {
  secrets->~Secrets();
  sodium_free(secrets);  // Wipes.
}

Identity::Identity(Owner secrets, const PublicKey& public_key)
    : secrets_(std::move(secrets)), public_key_(public_key) {}
Identity::Identity(Identity&&) noexcept = default;
Identity& Identity::operator=(Identity&&) noexcept = default;
Identity::~Identity() = default;

Identity Identity::FromSeed(const Key& seed) {
  InitSodium();
  static_assert(alignof(Secrets) == 1, "sodium_malloc aligns to nothing");
  void* const memory = sodium_malloc(sizeof(Secrets));
  P2PCP_CHECK(memory != nullptr);
  Owner secrets(new (memory) Secrets);

  std::array<std::byte, PublicKey::kSize> ed25519_public;
  crypto_sign_seed_keypair(Raw(MutableByteSpan(ed25519_public)),
                           Raw(MutableByteSpan(secrets->ed25519)),
                           Raw(ByteSpan(seed)));
  Key x25519_secret;
  crypto_sign_ed25519_sk_to_curve25519(
      Raw(MutableByteSpan(x25519_secret.bytes)),
      Raw(ByteSpan(secrets->ed25519)));
  secrets->x25519 = X25519KeyPair::FromSecret(x25519_secret);

  const std::optional<PublicKey> public_key =
      PublicKey::FromBytes(ed25519_public);
  P2PCP_CHECK(public_key.has_value());
  return Identity(std::move(secrets), *public_key);
}

Identity Identity::Generate(Random& random) {
  Key seed;
  random.Fill(seed.bytes);
  return FromSeed(seed);
}

Result<Identity> Identity::Load(const std::filesystem::path& file) {
  Result<Bytes> content = ReadPrivateFile(file, kFileSize);
  if (!content) return Annotate(std::move(content).error(), "identity");
  const SecretText text{std::string(AsText(*content))};
  Wipe(*content);

  const std::string& line = text.get();
  if (line.size() == kFileSize) {
    std::optional<Bytes> seed =
        Unbase32(std::string_view(line).substr(kMagic.size(), kSeedTextSize));
    if (seed) {
      Identity identity = FromSeed(Key(*seed));
      Wipe(*seed);
      if (SecretText(identity.ToLine()).get() == line) return identity;
    }
  }
  return Error{ErrorCode::kMalformed,
               "identity: " + file.native() +
                   " is damaged or of another version; put back a copy of it, "
                   "or move it away to start with a new identity"};
}

Result<Identity> Identity::LoadOrGenerate(const std::filesystem::path& file,
                                          Random& random) {
  Result<Identity> loaded = Load(file);
  if (loaded.ok() || loaded.error().os_errno != ENOENT) return loaded;
  Identity identity = Generate(random);
  Status saved = identity.Save(file);
  if (saved.ok()) return identity;
  // Another process was quicker: its identity is the one.
  if (saved.error().os_errno == EEXIST) return Load(file);
  return std::move(saved).error();
}

std::string Identity::ToLine() const {
  const ByteSpan seed = ByteSpan(secrets_->ed25519).first(Key::kSize);
  const SecretText seed_text(Base32(seed));
  std::string line;
  line.reserve(kFileSize);  // So that no copy of the seed is left behind.
  line.append(kMagic).append(seed_text.get()).append(" ");
  line.append(public_key_.ToString()).append("\n");
  return line;
}

Status Identity::Save(const std::filesystem::path& file) const {
  return Write(file, IfExists::kFail);
}

Status Identity::Replace(const std::filesystem::path& file) const {
  return Write(file, IfExists::kReplace);
}

Status Identity::Write(const std::filesystem::path& file,
                       IfExists if_exists) const {
  const SecretText line(ToLine());
  Status written = WritePrivateFile(file, AsBytes(line.get()), if_exists);
  if (!written) return Annotate(std::move(written).error(), "identity");
  return {};
}

Signature Identity::Sign(ByteSpan message) const {
  Signature signature;
  crypto_sign_detached(Raw(MutableByteSpan(signature)), nullptr, Raw(message),
                       message.size(), Raw(ByteSpan(secrets_->ed25519)));
  return signature;
}

const X25519KeyPair& Identity::x25519() const { return secrets_->x25519; }

}  // namespace p2pcp::crypto
