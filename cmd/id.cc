// p2pcp id: this device's public key, one line on stdout; or a new one.

#include <fmt/format.h>

#include "cmd/commands.h"
#include "cmd/product.h"
#include "cmd/trust/key_rotation.h"
#include "net/base/random.h"
#include "net/crypto/identity.h"

namespace p2pcp::cmd {

Result<ExitCode> RunId(const Options& options, const Home& home,
                       Console& console) {
  if (options.forget_old) {
    if (Status forgotten = ForgetOldKey(home, console); !forgotten.ok()) {
      return std::move(forgotten).error();
    }
  }
  SystemRandom random;
  Result<crypto::Identity> identity =
      options.rotate ? RotateKey(home, console)
                     : crypto::Identity::LoadOrGenerate(home.identity, random);
  if (!identity.ok()) return std::move(identity).error();
  console.Line(
      fmt::format("fingerprint: {}", Fingerprint(identity->public_key())));
  if (Status written = WriteProduct(identity->public_key().ToString() + "\n");
      !written.ok()) {
    return std::move(written).error();
  }
  return ExitCode::kVerified;
}

}  // namespace p2pcp::cmd
