// p2pcp pair: first contact, without a transfer.

#include "cmd/commands.h"
#include "cmd/pair_up.h"

namespace p2pcp::cmd {

Result<ExitCode> RunPair(const Options& options, const Home& home,
                         Console& console) {
  // A file holds one code, which one side writes and the other reads.
  const CodeSides sides{options.show || options.code_file.empty(),
                        !options.show};
  Result<std::optional<ExitCode>> paired =
      PairUp(options, home, options.peer, sides, console);
  if (!paired.ok()) return std::move(paired).error();
  return paired->value_or(ExitCode::kVerified);
}

}  // namespace p2pcp::cmd
