#include "cmd/local_network.h"

#include <cerrno>
#include <utility>

#include "net/udp/interfaces.h"

namespace p2pcp::cmd {
namespace {

constexpr int kMaxLinkLocal = 2;

}  // namespace

Result<LocalNetwork> LocalNetwork::Open(const Config& config) {
  LocalNetwork network;
  std::optional<Error> error;
  const auto open = [&](const char* any) {
    Result<udp::UdpSocket> socket =
        udp::UdpSocket::Open({*IpAddress::Parse(any), config.port});
    if (socket.ok()) {
      network.sockets_.push_back(*std::move(socket));
    } else {
      error = std::move(socket).error();
    }
  };
  if (config.ipv4) open("0.0.0.0");
  if (config.ipv6) open("::");
  // A port that is taken for one family is a mistake to be told; a family
  // that the kernel does not have is not.
  if (error && (network.sockets_.empty() || error->os_errno == EADDRINUSE)) {
    if (error->os_errno == EADDRINUSE) {
      error->message += "; name another --port, or none";
    }
    return Annotate(*std::move(error), "opening a UDP socket");
  }
  return network;
}

std::optional<std::uint8_t> LocalNetwork::SocketFor(
    const IpAddress& address) const {
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if (sockets_[i].local_address().ip.is_v6() == address.is_v6()) {
      return static_cast<std::uint8_t>(i);
    }
  }
  return std::nullopt;
}

bool LocalNetwork::Adopt(udp::FileDescriptor fd) {
  Result<udp::UdpSocket> socket =
      udp::UdpSocket::Adopt(std::move(fd), udp::UdpSocket::Options());
  if (!socket.ok()) return false;
  sockets_.push_back(*std::move(socket));
  return true;
}

bool LocalNetwork::Moved() {
  std::vector<IpAddress> addresses;
  for (const udp::LocalAddress& local : udp::ListInterfaces()) {
    if (local.kind <= udp::InterfaceKind::kLogical) {
      addresses.push_back(local.ip);
    }
  }
  const bool first = !addresses_.has_value();
  // Between two networks there are none: that is no place to be.
  if (!first && (addresses.empty() || addresses == *addresses_)) return false;
  addresses_ = std::move(addresses);
  return !first;
}

std::vector<ice::Candidate> LocalNetwork::HostCandidates(bool loopback) const {
  std::vector<ice::Candidate> candidates;
  udp::InterfaceOptions options;
  options.loopback = loopback;
  options.link_local = true;
  std::uint16_t preference = 0xffff;
  int link_locals = 0;
  for (const udp::LocalAddress& local : udp::ListInterfaces(options)) {
    const auto socket = SocketFor(local.ip);
    if (!socket) continue;
    const bool link_local = local.ip.IsLinkLocal();
    // A peer on the same network may have no other address ("On one network" in
    // net/signaling/PROTOCOL.md); for any other these are of no use.
    if (link_local &&
        (local.ip.is_v4() || local.kind > udp::InterfaceKind::kLogical ||
         ++link_locals > kMaxLinkLocal)) {
      continue;
    }
    ice::Candidate candidate;
    candidate.type = ice::CandidateType::kHost;
    candidate.address = {local.ip, sockets_[*socket].local_address().port,
                         link_local ? local.index : 0};
    candidate.base = candidate.address;
    candidate.socket = *socket;
    candidate.priority = ice::ComputePriority(candidate.type, preference--);
    candidates.push_back(candidate);
  }
  return candidates;
}

}  // namespace p2pcp::cmd
