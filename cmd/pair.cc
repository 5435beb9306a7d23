// p2pcp pair: first contact, without a transfer.

#include "cmd/commands.h"
#include "cmd/pair_up.h"
#include "cmd/self_and_peer.h"
#include "cmd/trust/verify.h"

namespace p2pcp::cmd {

Result<ExitCode> RunPair(const Options& options, const Home& home,
                         Console& console) {
  // A file holds one code, which one side writes and the other reads.
  const CodeSides sides{options.show || options.code_file.empty(),
                        !options.show};
  Result<std::optional<ExitCode>> paired =
      PairUp(options, home, options.peer, sides, console);
  if (!paired.ok()) return std::move(paired).error();
  if (*paired) return **paired;
  if (!options.verify) return ExitCode::kVerified;
  const Result<SelfAndPeer> who = LoadSelfAndPeer(home, options.peer);
  if (!who.ok()) return who.error();
  const Result<std::optional<ExitCode>> verified =
      VerifyPeer(who->self.public_key(), who->peer, console);
  if (!verified.ok()) return verified.error();
  return verified->value_or(ExitCode::kVerified);
}

}  // namespace p2pcp::cmd
