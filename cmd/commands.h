// The commands, one file each: they take parsed options, talk to the user
// through the console, and return how p2pcp ends. An Error that comes back is
// printed once, by main.

#ifndef P2PCP_CMD_COMMANDS_H_
#define P2PCP_CMD_COMMANDS_H_

#include "cmd/console.h"
#include "cmd/events.h"
#include "cmd/exit_code.h"
#include "cmd/home.h"
#include "cmd/options/options.h"
#include "net/base/result.h"

namespace p2pcp::cmd {

Result<ExitCode> RunId(const Options& options, const Home& home,
                       Console& console);
Result<ExitCode> RunPeers(const Options& options, const Home& home,
                          Console& console);
Result<ExitCode> RunCompletion(const Options& options);
Result<ExitCode> RunDoctor(const Options& options, const Home& home,
                           Console& console);
Result<ExitCode> RunVerify(const Options& options, const Home& home,
                           Console& console);
Result<ExitCode> RunConfig(const Options& options, const Home& home,
                           const Environment& environment);
Result<ExitCode> RunServe(const Options& options, Console& console);
Result<ExitCode> RunSend(const Options& options, const Home& home,
                         Console& console, Events& events);
Result<ExitCode> RunRecv(const Options& options, const Home& home,
                         Console& console, Events& events);
Result<ExitCode> RunPair(const Options& options, const Home& home,
                         Console& console);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_COMMANDS_H_
