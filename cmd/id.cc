// p2pcp id: this device's public key, one line on stdout.

#include "cmd/commands.h"
#include "cmd/product.h"
#include "net/base/random.h"
#include "net/crypto/identity.h"

namespace p2pcp::cmd {

Result<ExitCode> RunId(const Home& home) {
  SystemRandom random;
  Result<crypto::Identity> identity =
      crypto::Identity::LoadOrGenerate(home.identity, random);
  if (!identity.ok()) return std::move(identity).error();
  if (Status written = WriteProduct(identity->public_key().ToString() + "\n");
      !written.ok()) {
    return std::move(written).error();
  }
  return ExitCode::kVerified;
}

}  // namespace p2pcp::cmd
