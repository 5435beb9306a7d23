// What the user is told of a transfer that can go on.

#ifndef P2PCP_CMD_RESUME_H_
#define P2PCP_CMD_RESUME_H_

#include <string>
#include <vector>

namespace p2pcp::cmd {

// The command of these words, without the program's name, as it is typed into
// a shell: "p2pcp send 'my film.mp4' --to bob". What a terminal would not show
// as it is stands in $'...'.
std::string ShellCommand(const std::vector<std::string>& words);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_RESUME_H_
