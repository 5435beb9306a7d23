// Which brokers and STUN servers to use: the user's, or the defaults.

#ifndef P2PCP_CMD_SERVERS_H_
#define P2PCP_CMD_SERVERS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "cmd/options/options.h"
#include "net/base/result.h"
#include "net/signaling/broker_url.h"

namespace p2pcp::cmd {

struct StunServer {
  std::string host;  // A name or a numeric address, without brackets.
  std::uint16_t port = 0;
};

struct Servers {
  std::vector<signaling::Broker> brokers;
  std::vector<StunServer> stun_servers;
  // What the user should know about this choice.
  std::vector<std::string> warnings;
  // One of them stands on this host's loopback, so peers there are meant.
  bool loopback = false;
};

// The passwords and the authorities of the brokers too. kUsage for anything
// that is no broker URL or no HOST[:PORT], and for files that are of no use.
Result<Servers> ChooseServers(const Options& options);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_SERVERS_H_
