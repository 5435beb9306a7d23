// The command line, its environment twins P2PCP_* and the configuration file,
// parsed into one value. Flag > environment > file > default.

#ifndef P2PCP_CMD_OPTIONS_OPTIONS_H_
#define P2PCP_CMD_OPTIONS_OPTIONS_H_

#include <filesystem>
#include <string>
#include <vector>

#include "cmd/home.h"
#include "cmd/options/option_in_force.h"
#include "cmd/options/option_values.h"
#include "net/base/result.h"

namespace p2pcp::cmd {

// args: without the program's name. config_file: where to look for one unless
// --config names another; it need not exist.
Result<Options> ParseOptions(const std::vector<std::string>& args,
                             const Environment& environment,
                             const std::filesystem::path& config_file);

// Each value as the commands take it: kUsage names the first that none of them
// would, and its source. Which of them exclude each other depends on the
// command, and on what else its line says: that is not looked at.
Status CheckValues(const std::vector<OptionInForce>& options);

// What `p2pcp` alone says: what to type next, in five lines.
std::string FirstWords();

// What a worker for task makes of them: its own peer alone.
void BecomeWorker(const WorkerTask& task, Options* options);

// The text of --help for a verb; kHelp: of the whole program.
std::string HelpText(Verb verb);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_OPTIONS_OPTIONS_H_
