// Which relay the user means (--turn), and as whom.

#ifndef P2PCP_CMD_NETWORK_TURN_SERVER_H_
#define P2PCP_CMD_NETWORK_TURN_SERVER_H_

#include <cstdint>
#include <string>

#include "net/base/result.h"

namespace p2pcp::cmd {

// What --turn names: turn[s]://USER@HOST[:PORT].
struct TurnServer {
  bool tls = false;
  std::string user;
  std::string password;
  std::string host;  // Without brackets.
  std::uint16_t port = 0;
};
// Without the password. kUsage for anything else.
Result<TurnServer> ParseTurnServer(const std::string& url);
// With it, from the first line of a file that nobody else can read.
Result<TurnServer> ReadTurnServer(const std::string& url,
                                  const std::string& password_file);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_TURN_SERVER_H_
