// Candidates (RFC 8445 section 5.1): the addresses at which one side may be
// reachable, what kind they are, and which ones we refuse to probe whoever
// names them.

#ifndef P2PCP_NET_ICE_CANDIDATE_H_
#define P2PCP_NET_ICE_CANDIDATE_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/base/socket_address.h"

namespace p2pcp::ice {

// Who nominates (RFC 8445 section 6.1.1): the side that offers, the sender of
// the files, controls.
enum class Role : std::uint8_t { kControlling, kControlled };

enum class CandidateType : std::uint8_t {
  kHost = 0,             // An address of one of our interfaces.
  kServerReflexive = 1,  // What a STUN server saw.
  kPeerReflexive = 2,    // What the peer saw; never signalled.
  kMapped = 3,           // Given by the router: PCP, NAT-PMP, UPnP, or by hand.
  kRelayed = 4,          // At a TURN server (RFC 8656): a last resort.
};

// "host", "srflx", "prflx", "mapped", "relay": RFC 8839's words where it has
// one.
std::string_view ToString(CandidateType type);

struct Candidate {
  CandidateType type = CandidateType::kHost;
  // Where the peer can send to.
  SocketAddress address;
  // The local address that packets leave from; equals address for a host
  // candidate. Not signalled: default-constructed in a remote candidate.
  SocketAddress base;
  // RFC 8445 section 5.1.2; see ComputePriority().
  std::uint32_t priority = 0;
  // Which local socket it belongs to: 0 is the IPv4 one and 1 the IPv6 one
  // where there is one of each. Means nothing in a remote candidate.
  std::uint8_t socket = 0;

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// At most so many candidates of either side: enough for every address of a
// laptop with its bridges and tunnels, few enough to be probed within a second.
// What is beyond is ignored.
inline constexpr std::size_t kMaxCandidates = 16;

// RFC 8445 section 5.1.2.1 with component 1. local_preference ranks the
// candidates of one type, 65535 being the best: interfaces that are virtual
// (bridges, tunnels) come last.
std::uint32_t ComputePriority(CandidateType type,
                              std::uint16_t local_preference);

// RFC 8445 section 6.1.2.3: the same number on both sides.
std::uint64_t ComputePairPriority(std::uint32_t controlling,
                                  std::uint32_t controlled);

// Whether a packet may ever be sent to address because a peer named it. Never:
// unspecified and 0/8, multicast, broadcast, 240/4, any port below 1024 but
// 443, and link-local, but for an IPv6 one with the interface that it is meant
// for: the peer has been heard there, or a packet has come from it. Loopback
// passes only if allow_loopback, which is for its caller to know.
bool IsProbeable(const SocketAddress& address, bool allow_loopback);

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_CANDIDATE_H_
