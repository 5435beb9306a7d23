#include "net/udp/socket_pool.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <system_error>
#include <utility>

#include "net/udp/sockaddr.h"
#include "net/udp/syscalls.h"
#include "net/udp/train_sender.h"

namespace p2pcp::udp {
namespace {

// How many descriptors may still be opened.
int FreeDescriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  std::error_code error;
  const std::filesystem::directory_iterator open("/proc/self/fd", error);
  const auto used = error ? 0 : std::distance(begin(open), end(open));
  // Whatever there is beyond is more than anybody asks for.
  const auto most =
      static_cast<std::ptrdiff_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
  return static_cast<int>(
      std::max<std::ptrdiff_t>(0, most - used - SocketPool::kReserve));
}

}  // namespace

SocketPool SocketPool::Open(int count) {
  SocketPool pool;
  count = std::min(count, FreeDescriptors());
  for (int i = 0; i < count; ++i) {
    FileDescriptor fd(
        socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) break;
    const int probe = IP_PMTUDISC_PROBE;
    Sockaddr address;
    socklen_t size = ToSockaddr(SocketAddress{}, &address);
    if (setsockopt(fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, &probe,
                   sizeof(probe)) != 0 ||
        bind(fd.get(), &address.any, size) != 0) {
      break;
    }
    size = sizeof(address);
    if (getsockname(fd.get(), &address.any, &size) != 0) break;
    const auto local = FromSockaddr(address);
    if (!local) break;
    pool.sockets_.push_back({std::move(fd), local->port});
  }
  return pool;
}

std::vector<std::uint16_t> SocketPool::local_ports() const {
  std::vector<std::uint16_t> ports;
  for (const Entry& entry : sockets_) ports.push_back(entry.port);
  return ports;
}

void SocketPool::Send(int index, const SocketAddress& to, ByteSpan datagram,
                      int hop_limit) {
  TrainSender sender(&SystemSyscalls(), fd(index), /*gso=*/false);
  sender.Send(to, datagram, datagram.size(), hop_limit);
}

std::optional<SocketPool::Received> SocketPool::Receive(int index,
                                                        MutableByteSpan out) {
  Sockaddr from;
  // An error that some ICMP message left is taken off, once.
  for (int tries = 0; tries < 2; ++tries) {
    socklen_t length = sizeof(from);
    const ssize_t size = recvfrom(fd(index), out.data(), out.size(),
                                  MSG_DONTWAIT, &from.any, &length);
    if (size < 0) continue;
    const auto address = FromSockaddr(from);
    if (!address) return std::nullopt;
    return Received{*address, static_cast<std::size_t>(size)};
  }
  return std::nullopt;
}

FileDescriptor SocketPool::Release(int index) {
  return std::exchange(sockets_[static_cast<std::size_t>(index)].fd,
                       FileDescriptor());
}

}  // namespace p2pcp::udp
