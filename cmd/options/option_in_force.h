// What holds where the command line says nothing of an option, and why.

#ifndef P2PCP_CMD_OPTIONS_OPTION_IN_FORCE_H_
#define P2PCP_CMD_OPTIONS_OPTION_IN_FORCE_H_

#include <string>

namespace p2pcp::cmd {

struct OptionInForce {
  std::string name;    // Without dashes.
  std::string value;   // As it was written; empty for a default.
  std::string source;  // The variable's name or the file's; empty likewise.
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_OPTIONS_OPTION_IN_FORCE_H_
