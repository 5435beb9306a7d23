// What to say to somebody whose two NATs let nothing through.

#ifndef P2PCP_NET_CONNECT_NO_PATH_H_
#define P2PCP_NET_CONNECT_NO_PATH_H_

#include <cstdint>
#include <string>

#include "net/ice/nat.h"
#include "net/ice/tactic.h"

namespace p2pcp::connect {

struct NoPath {
  ice::Nat ours;
  ice::Nat theirs;
  std::uint64_t probes = 0;  // Sent to candidates, or guessed.
  ice::TacticKind tried = ice::TacticKind::kNone;
  int guesses = 0;
  bool may_guess = false;
};

// Several lines: that there is no path, both NATs, what was tried, what helps.
std::string ExplainNoPath(const NoPath& facts);

}  // namespace p2pcp::connect

#endif  // P2PCP_NET_CONNECT_NO_PATH_H_
