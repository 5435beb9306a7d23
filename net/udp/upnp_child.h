// The process that talks UPnP with the router (IGD), by libminiupnpc: the one
// file pair that knows the library. It blocks, parses XML and believes lengths,
// all of it the router's, so it has a process of its own with little memory,
// without keys, and nobody waits for it.
//
// Its end of a socketpair is descriptor kUpnpChildFd. It writes there where the
// port is mapped, "203.0.113.10:40001", whenever that is news, and ends when
// the other end is closed, after it has removed the mapping.

#ifndef P2PCP_NET_UDP_UPNP_CHILD_H_
#define P2PCP_NET_UDP_UPNP_CHILD_H_

#include <cstddef>
#include <string>
#include <vector>

namespace p2pcp::udp {

inline constexpr int kUpnpChildFd = 3;
// What it says is shorter.
inline constexpr std::size_t kMaxUpnpMessage = 64;

// Maps the UDP port that the one argument names. The exit code of the process.
int UpnpChildMain(const std::vector<std::string>& arguments);

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_UPNP_CHILD_H_
