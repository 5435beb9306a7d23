// The release this source makes; CHANGELOG.md says what is in it.

#ifndef P2PCP_CMD_VERSION_H_
#define P2PCP_CMD_VERSION_H_

namespace p2pcp::cmd {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_VERSION_H_
