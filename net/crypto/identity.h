// The long-term identity of this device: an Ed25519 key for signatures, and
// the X25519 key derived from it for the handshake. Nothing else is kept.

#ifndef P2PCP_NET_CRYPTO_IDENTITY_H_
#define P2PCP_NET_CRYPTO_IDENTITY_H_

#include <filesystem>
#include <memory>
#include <string>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/crypto/key.h"
#include "net/crypto/private_file.h"
#include "net/crypto/public_key.h"

namespace p2pcp::crypto {

// Movable, not copyable: the secrets stand once, in locked memory between
// guard pages, and are wiped with it. A moved-from identity may only be
// destroyed or assigned to.
class Identity {
 public:
  static Identity Generate(Random& random);

  // Fails if the file is absent (os_errno ENOENT), is not a regular file of
  // ours with mode 0600 in a folder of ours with mode 0700 (the message then
  // holds the chmod or chown that mends it), or is damaged.
  static Result<Identity> Load(const std::filesystem::path& file);

  // Load(), or where the file is absent a new identity that has been saved.
  // Two processes that do so at once end up with the same one.
  static Result<Identity> LoadOrGenerate(const std::filesystem::path& file,
                                         Random& random);

  // Writes a new file, on disk before this returns. Missing folders are made
  // with mode 0700. An existing file is never replaced: os_errno is EEXIST.
  Status Save(const std::filesystem::path& file) const;
  // The same over whatever is there, at once or not at all.
  Status Replace(const std::filesystem::path& file) const;

  Identity(Identity&&) noexcept;
  Identity& operator=(Identity&&) noexcept;
  ~Identity();

  const PublicKey& public_key() const { return public_key_; }
  Signature Sign(ByteSpan message) const;

  // The pair that belongs to public_key().x25519(); for the handshake and the
  // signalling keys, which stand in this package.
  const X25519KeyPair& x25519() const;

 private:
  struct Secrets;
  struct Deleter {
    void operator()(Secrets* secrets) const;
  };
  using Owner = std::unique_ptr<Secrets, Deleter>;

  Identity(Owner secrets, const PublicKey& public_key);
  static Identity FromSeed(const Key& seed);
  Status Write(const std::filesystem::path& file, IfExists if_exists) const;
  // What the file holds, seed and all.
  std::string ToLine() const;

  Owner secrets_;
  PublicKey public_key_;
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_IDENTITY_H_
