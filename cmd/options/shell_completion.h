// Completion scripts for shells, made from the tables that the options are
// parsed by, so that they name every option and no other.

#ifndef P2PCP_CMD_OPTIONS_SHELL_COMPLETION_H_
#define P2PCP_CMD_OPTIONS_SHELL_COMPLETION_H_

#include <string>

#include "net/base/result.h"

namespace p2pcp::cmd {

// The script for "bash", "zsh" or "fish"; kUsage for another shell. It offers
// commands, options, what options take (files, folders, words), and names out
// of the contact book, which it asks `p2pcp peers` for.
Result<std::string> CompletionScript(const std::string& shell);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_OPTIONS_SHELL_COMPLETION_H_
