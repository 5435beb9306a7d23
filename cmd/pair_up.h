// First contact: shows a code, takes one, and puts the peer into the contact
// book; what `p2pcp pair` does, and send and recv with a name that is new.

#ifndef P2PCP_CMD_PAIR_UP_H_
#define P2PCP_CMD_PAIR_UP_H_

#include <optional>
#include <string>
#include <variant>

#include "cmd/console.h"
#include "cmd/exit_code.h"
#include "cmd/home.h"
#include "cmd/options/options.h"
#include "cmd/self_and_peer.h"
#include "net/base/result.h"

namespace p2pcp::cmd {

// Which side of a code this is.
struct CodeSides {
  bool shows = false;
  bool takes = false;
};

// Until the peer is in the contact book, under `name`; or the exit code of a
// signal. The code goes through options.code_file where that is given, else
// over the terminal.
Result<std::optional<ExitCode>> PairUp(const Options& options, const Home& home,
                                       const std::string& name,
                                       const CodeSides& sides,
                                       Console& console);

// Who we are and whom options.peer names. A name that is new is paired with
// first, where there is a terminal or a --code-file for that.
Result<std::variant<SelfAndPeer, ExitCode>> MeetPeer(const Options& options,
                                                     const Home& home,
                                                     const CodeSides& sides,
                                                     Console& console);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_PAIR_UP_H_
