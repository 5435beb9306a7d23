// recv --list-partial and --clean-partial: what unfinished transfers have left.

#ifndef P2PCP_CMD_PARTIAL_H_
#define P2PCP_CMD_PARTIAL_H_

#include "cmd/console.h"
#include "cmd/exit_code.h"
#include "cmd/home.h"
#include "cmd/options/options.h"
#include "net/base/result.h"

namespace p2pcp::cmd {

// Of options.peer, or of everybody where that is empty. A line on stdout for
// each file that is listed, or was deleted.
Result<ExitCode> RunPartial(const Options& options, const Home& home,
                            Console& console);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_PARTIAL_H_
