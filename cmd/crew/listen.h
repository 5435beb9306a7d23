// p2pcp recv --listen, and --from any: one transfer after another, several at
// once, from whoever of the peers that were named comes.

#ifndef P2PCP_CMD_CREW_LISTEN_H_
#define P2PCP_CMD_CREW_LISTEN_H_

#include "cmd/console.h"
#include "cmd/events.h"
#include "cmd/exit_code.h"
#include "cmd/home.h"
#include "cmd/options/options.h"
#include "net/base/result.h"

namespace p2pcp::cmd {

// Until a signal; without options.listen until one transfer has ended, with
// options.timeout until nobody has come for so long.
Result<ExitCode> RunListen(const Options& options, const Home& home,
                           Console& console, Events& events);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_CREW_LISTEN_H_
