// --verify: shows what two users compare, and asks whether it is the same.

#ifndef P2PCP_CMD_TRUST_VERIFY_H_
#define P2PCP_CMD_TRUST_VERIFY_H_

#include <optional>
#include <string>
#include <string_view>

#include "cmd/console.h"
#include "cmd/exit_code.h"
#include "net/base/result.h"
#include "net/crypto/contact_book.h"
#include "net/crypto/public_key.h"

namespace p2pcp::cmd {

// Digits drawn five lines high.
std::string LargeDigits(std::string_view digits);

// Shows the digits of the pairing; of a peer whose key was carried by hand, who
// has none, both fingerprints. On a terminal the user is asked, and a no is
// kAuthenticationFailed; without one nothing is asked. The exit code of a
// signal if one came instead.
Result<std::optional<ExitCode>> VerifyPeer(const crypto::PublicKey& self,
                                           const crypto::Contact& peer,
                                           Console& console);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRUST_VERIFY_H_
