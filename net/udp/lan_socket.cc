#include "net/udp/lan_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "net/udp/sockaddr.h"

namespace p2pcp::udp {
namespace {

constexpr int kOn = 1;
constexpr int kOff = 0;

template <typename Value>
bool Set(int fd, int level, int option, const Value& value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

SocketAddress Group(bool v6) {
  return {*IpAddress::Parse(v6 ? LanSocket::kGroup6 : LanSocket::kGroup4),
          LanSocket::kPort, 0};
}

FileDescriptor OpenFamily(bool v6) {
  FileDescriptor fd(socket(v6 ? AF_INET6 : AF_INET,
                           SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fd;
  // Loops back, so that two processes of one host find each other too; hears
  // only what was joined here, and says by which interface it came.
  const bool set =
      Set(fd.get(), SOL_SOCKET, SO_REUSEADDR, kOn) &&
      (v6 ? Set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, kOn) &&
                Set(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, kOn) &&
                Set(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_LOOP, kOn) &&
                Set(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, kOn)
          : Set(fd.get(), IPPROTO_IP, IP_MULTICAST_TTL, kOn) &&
                Set(fd.get(), IPPROTO_IP, IP_MULTICAST_LOOP, kOn) &&
                Set(fd.get(), IPPROTO_IP, IP_MULTICAST_ALL, kOff) &&
                Set(fd.get(), IPPROTO_IP, IP_PKTINFO, kOn));
  // IPv4 is bound to the group, since unicast to this port is not ours; IPv6
  // would want an interface for that.
  SocketAddress local = Group(v6);
  if (v6) local.ip = *IpAddress::Parse("::");
  Sockaddr address;
  const socklen_t size = ToSockaddr(local, &address);
  if (!set || bind(fd.get(), &address.any, size) != 0) return FileDescriptor();
  return fd;
}

}  // namespace

LanSocket::LanSocket(FileDescriptor v4, FileDescriptor v6)
    : v4_(std::move(v4)), v6_(std::move(v6)) {}

Result<LanSocket> LanSocket::Open(bool ipv4, bool ipv6) {
  FileDescriptor v4;
  FileDescriptor v6;
  if (ipv4) v4 = OpenFamily(false);
  if (ipv6) v6 = OpenFamily(true);
  if (!v4.valid() && !v6.valid()) {
    return ErrnoError(ErrorCode::kOther, "opening a multicast socket", errno);
  }
  return LanSocket(std::move(v4), std::move(v6));
}

std::vector<int> LanSocket::fds() const {
  std::vector<int> fds;
  if (v4_.valid()) fds.push_back(v4_.get());
  if (v6_.valid()) fds.push_back(v6_.get());
  return fds;
}

bool LanSocket::Join(std::span<const LocalAddress> addresses) {
  interfaces_.clear();
  for (const LocalAddress& address : addresses) {
    if (address.kind == InterfaceKind::kLoopback ||
        address.kind == InterfaceKind::kVirtual ||
        std::ranges::find(interfaces_, address.index) != interfaces_.end() ||
        interfaces_.size() == kMaxInterfaces) {
      continue;
    }
    interfaces_.push_back(address.index);
  }
  for (const std::uint32_t interface : interfaces_) {
    // Where it was joined before this fails, and changes nothing.
    if (v4_.valid()) {
      ip_mreqn request = {};
      request.imr_ifindex = static_cast<int>(interface);
      Sockaddr group;
      ToSockaddr(Group(false), &group);
      request.imr_multiaddr = group.v4.sin_addr;
      Set(v4_.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, request);
    }
    if (v6_.valid()) {
      ipv6_mreq request = {};
      request.ipv6mr_interface = interface;
      Sockaddr group;
      ToSockaddr(Group(true), &group);
      request.ipv6mr_multiaddr = group.v6.sin6_addr;
      Set(v6_.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, request);
    }
  }
  return !interfaces_.empty();
}

void LanSocket::Send(ByteSpan datagram) {
  for (const std::uint32_t interface : interfaces_) {
    if (v4_.valid()) SendOn(interface, false, datagram);
    if (v6_.valid()) SendOn(interface, true, datagram);
  }
}

void LanSocket::SendOn(std::uint32_t interface, bool v6, ByteSpan datagram) {
  Sockaddr group;
  iovec bytes = {const_cast<std::byte*>(datagram.data()), datagram.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control =
      {};
  msghdr message = {};
  message.msg_name = &group.any;
  message.msg_namelen = ToSockaddr(Group(v6), &group);
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen =
      v6 ? CMSG_SPACE(sizeof(in6_pktinfo)) : CMSG_SPACE(sizeof(in_pktinfo));
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (v6) {
    in6_pktinfo info = {};
    info.ipi6_ifindex = interface;
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof(info));
    std::memcpy(CMSG_DATA(header), &info, sizeof(info));
  } else {
    in_pktinfo info = {};
    info.ipi_ifindex = static_cast<int>(interface);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof(info));
    std::memcpy(CMSG_DATA(header), &info, sizeof(info));
  }
  sendmsg(v6 ? v6_.get() : v4_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

std::optional<LanSocket::Received> LanSocket::Receive(int fd) {
  iovec bytes = {buffer_.data(), buffer_.size()};
  alignas(cmsghdr) std::array<char, 256> control = {};
  msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
  if (size < 0) return std::nullopt;
  Received received;
  received.bytes = ByteSpan(buffer_).first(static_cast<std::size_t>(size));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof(info));
      received.interface = static_cast<std::uint32_t>(info.ipi_ifindex);
    } else if (header->cmsg_level == IPPROTO_IPV6 &&
               header->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(header), sizeof(info));
      received.interface = info.ipi6_ifindex;
    }
  }
  return received;
}

}  // namespace p2pcp::udp
