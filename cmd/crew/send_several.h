// p2pcp send --to bob --to carol: the same to several peers at once.

#ifndef P2PCP_CMD_CREW_SEND_SEVERAL_H_
#define P2PCP_CMD_CREW_SEND_SEVERAL_H_

#include "cmd/console.h"
#include "cmd/events.h"
#include "cmd/exit_code.h"
#include "cmd/home.h"
#include "cmd/options/options.h"
#include "net/base/result.h"

namespace p2pcp::cmd {

// To each of options.peers, independently of the others; says how each ended.
Result<ExitCode> RunSendSeveral(const Options& options, const Home& home,
                                Console& console, Events& events);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_CREW_SEND_SEVERAL_H_
