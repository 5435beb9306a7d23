// Only one p2pcp of a host guesses ports at a time: two would need twice the
// router's table, and neither knows of the other.

#ifndef P2PCP_CMD_NETWORK_GUESS_LOCK_H_
#define P2PCP_CMD_NETWORK_GUESS_LOCK_H_

#include <optional>
#include <utility>

#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {

// Holds the lock until it goes; the kernel frees it with the process.
class GuessLock {
 public:
  // nullopt: somebody else has it. The lock is a name in the network
  // namespace, so it is one for all users of the host, and none for another
  // container on it, which has a NAT of its own.
  static std::optional<GuessLock> Try();

 private:
  explicit GuessLock(udp::FileDescriptor socket) : socket_(std::move(socket)) {}

  udp::FileDescriptor socket_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_GUESS_LOCK_H_
