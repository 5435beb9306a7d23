// What a user can do about a failure, where its own message, which tells what
// happened and why, does not say so.

#ifndef P2PCP_CMD_REMEDY_H_
#define P2PCP_CMD_REMEDY_H_

#include <string_view>

#include "net/base/result.h"

namespace p2pcp::cmd {

struct Circumstances {
  // Which side of a transfer this is; neither with pair and doctor.
  bool sends = false;
  bool receives = false;
  bool looked = false;     // For the peer, so that the network may be to blame.
  bool can_go_on = false;  // The command that goes on was told.
};

// One sentence; empty where the message says it itself, or there is nothing to
// be done.
std::string_view RemedyFor(const Error& error, const Circumstances& around);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_REMEDY_H_
