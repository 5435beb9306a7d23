// What is said where a peer was waited for in vain, or knows us differently.

#ifndef P2PCP_CMD_NETWORK_ADVICE_H_
#define P2PCP_CMD_NETWORK_ADVICE_H_

#include <string>

#include "net/base/result.h"
#include "net/base/time.h"

namespace p2pcp::cmd {

// sends: this side does.
Error NeverAppeared(const std::string& peer, Duration timeout, bool sends);

// The peer has our key and we have its, so a pairing secret is what differs.
// has_secret: this side holds one.
std::string HowToMendSecrets(const std::string& peer, bool has_secret);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_ADVICE_H_
