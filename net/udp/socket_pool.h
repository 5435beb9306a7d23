// Many IPv4 sockets for a short while, each for a handful of small datagrams,
// so without the buffers of a UdpSocket. One of them may become such a one.

#ifndef P2PCP_NET_UDP_SOCKET_POOL_H_
#define P2PCP_NET_UDP_SOCKET_POOL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::udp {

class SocketPool {
 public:
  // Descriptors that the rest of the process keeps for itself.
  static constexpr int kReserve = 64;

  // Opens `count` sockets on all interfaces, each on a port of its own; fewer
  // where RLIMIT_NOFILE or the system is in the way.
  static SocketPool Open(int count);

  int size() const { return static_cast<int>(sockets_.size()); }
  // For EventLoop::Watch; -1 once released.
  int fd(int index) const { return At(index).fd.get(); }
  std::uint16_t local_port(int index) const { return At(index).port; }
  std::vector<std::uint16_t> local_ports() const;

  // Best effort: what the kernel does not take is lost. hop_limit 0: the
  // default. REQUIRES: to is IPv4.
  void Send(int index, const SocketAddress& to, ByteSpan datagram,
            int hop_limit);
  struct Received {
    SocketAddress from;
    std::size_t size = 0;
  };
  // The next datagram, written to the start of out; nullopt: none waits. One
  // that is longer than out is cut off, which no authentic one survives.
  std::optional<Received> Receive(int index, MutableByteSpan out);

  // Takes a socket out of the pool.
  FileDescriptor Release(int index);

 private:
  struct Entry {
    FileDescriptor fd;
    std::uint16_t port = 0;
  };

  const Entry& At(int index) const {
    return sockets_[static_cast<std::size_t>(index)];
  }

  std::vector<Entry> sockets_;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_SOCKET_POOL_H_
