#include "net/ice/candidate.h"

#include <algorithm>

namespace p2pcp::ice {
namespace {

// RFC 8445 section 5.1.2.2 recommends 126, 110 and 100. A mapping that the
// router has promised is worth more than one that was merely seen.
std::uint32_t TypePreference(CandidateType type) {
  switch (type) {
    case CandidateType::kHost:
      return 126;
    case CandidateType::kPeerReflexive:
      return 110;
    case CandidateType::kMapped:
      return 105;
    case CandidateType::kServerReflexive:
      return 100;
    case CandidateType::kRelayed:
      return 0;
  }
  return 0;
}

constexpr std::uint32_t kComponent = 1;

}  // namespace

std::string_view ToString(CandidateType type) {
  switch (type) {
    case CandidateType::kHost:
      return "host";
    case CandidateType::kServerReflexive:
      return "srflx";
    case CandidateType::kPeerReflexive:
      return "prflx";
    case CandidateType::kMapped:
      return "mapped";
    case CandidateType::kRelayed:
      return "relay";
  }
  return "?";
}

std::uint32_t ComputePriority(CandidateType type,
                              std::uint16_t local_preference) {
  return TypePreference(type) << 24 |
         static_cast<std::uint32_t>(local_preference) << 8 | (256 - kComponent);
}

std::uint64_t ComputePairPriority(std::uint32_t controlling,
                                  std::uint32_t controlled) {
  const std::uint64_t low = std::min(controlling, controlled);
  const std::uint64_t high = std::max(controlling, controlled);
  return (low << 32) + 2 * high + (controlling > controlled ? 1 : 0);
}

bool IsProbeable(const SocketAddress& address, bool allow_loopback) {
  // Below 1024 stand services that a stray datagram could wake. 443 is what
  // networks that filter let through.
  if (address.port < 1024 && address.port != 443) return false;
  const IpAddress& ip = address.ip;
  if (ip.IsUnspecified() || ip.IsMulticast() || ip.IsBroadcast()) return false;
  if (ip.IsLinkLocal()) return ip.is_v6() && address.scope_id != 0;
  if (ip.IsLoopback()) return allow_loopback;
  if (ip.is_v4()) {
    const auto first = std::to_integer<unsigned>(ip.bytes()[0]);
    // "This network" (RFC 1122 section 3.2.1.3) and class E.
    if (first == 0 || first >= 240) return false;
  }
  return true;
}

}  // namespace p2pcp::ice
