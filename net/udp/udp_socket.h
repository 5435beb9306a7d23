// UdpSocket: a non-blocking UDP socket for one address family that moves
// datagrams in trains (UDP_SEGMENT and UDP_GRO where the kernel has them).
//
// Owned by the driver; one thread. It sets the Don't Fragment bit and leaves
// path MTU to the caller (IP_PMTUDISC_PROBE), never reports an ICMP error that
// some other datagram earned, and never blocks.

#ifndef P2PCP_NET_UDP_UDP_SOCKET_H_
#define P2PCP_NET_UDP_UDP_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/udp/admission.h"
#include "net/udp/file_descriptor.h"
#include "net/udp/syscalls.h"
#include "net/udp/train_receiver.h"
#include "net/udp/train_sender.h"

namespace p2pcp::udp {

// Whether UDP_GRO can be relied on. Kernels before 5.12 accept the option and
// then deliver some super-packets without their segment size.
bool KernelHasUsableGro(std::string_view release);

class UdpSocket {
 public:
  struct Options {
    // Bytes asked for; the kernel may grant less, see receive_buffer(). 8 MiB
    // holds about 30 ms at 1 Gbit/s; Debian's default of 208 KiB holds 0.8 ms
    // and loses a tenth of a burst (measured).
    int receive_buffer = 8 << 20;
    // Enough that a paced sender is never stalled by it, little enough that it
    // does not become a queue of its own.
    int send_buffer = 2 << 20;
    bool gso = true;
    bool gro = true;
    // Must outlive the socket.
    Syscalls* syscalls = &SystemSyscalls();
  };

  struct Stats {
    TrainSender::Stats sent;
    TrainReceiver::Stats received;
  };

  // Binds to `bind`, whose address may be unspecified (all interfaces) and
  // whose port may be 0 (the system chooses). An IPv6 socket takes IPv6 only.
  static Result<UdpSocket> Open(const SocketAddress& bind,
                                const Options& options);
  static Result<UdpSocket> Open(const SocketAddress& bind) {
    return Open(bind, Options());
  }

  // The same of a socket that is bound already.
  static Result<UdpSocket> Adopt(FileDescriptor fd, const Options& options);

  // For EventLoop::Watch.
  int fd() const { return fd_.get(); }
  // With the port that the system chose.
  const SocketAddress& local_address() const { return local_address_; }
  // What the kernel granted of Options::receive_buffer and send_buffer, in
  // the unit that they were asked in. Less than asked: net.core.rmem_max or
  // wmem_max is in the way.
  int receive_buffer() const { return receive_buffer_; }
  int send_buffer() const { return send_buffer_; }

  // Sends a train, or a single datagram (segment_size = its size), in order.
  // After kWouldBlock, or kTooBig, the caller goes on from
  // train.subspan(result.segments * segment_size).
  // hop_limit: TTL or hop limit of these datagrams alone, 0 for the default.
  // one_by_one: without UDP_SEGMENT, where the caller finds that trains get
  // lost where single datagrams do not.
  // REQUIRES: segment_size > 0; train is not empty; 0 <= hop_limit <= 255.
  SendResult Send(const SocketAddress& to, ByteSpan train,
                  std::size_t segment_size, int hop_limit = 0,
                  bool one_by_one = false) {
    return sender_.Send(to, train, segment_size, hop_limit, one_by_one);
  }

  // What waits, at most TrainReceiver::kBuffers trains; empty when nothing
  // does. The spans may be written to and stand until the next call.
  std::span<const ReceivedTrain> Receive() { return receiver_.Receive(); }

  // From now on the kernel drops what the admission does not take; null:
  // nothing is refused any more. What waits already is not touched. Returns
  // whether the kernel does so.
  bool Admit(const Admission* admission);

  // Whether trains leave by UDP_SEGMENT. It falls for good when the kernel
  // refuses.
  bool gso_enabled() const { return sender_.gso_enabled(); }
  bool gro_enabled() const { return gro_enabled_; }

  // Datagrams lost since Open because the receive buffer was full.
  std::uint64_t drops() const { return receiver_.stats().overflows; }
  Stats stats() const { return {sender_.stats(), receiver_.stats()}; }

 private:
  UdpSocket(FileDescriptor fd, Syscalls* syscalls, bool gso, bool gro);

  FileDescriptor fd_;
  Syscalls* syscalls_;
  SocketAddress local_address_;
  int receive_buffer_ = 0;
  int send_buffer_ = 0;
  bool gro_enabled_;
  TrainSender sender_;
  TrainReceiver receiver_;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_UDP_SOCKET_H_
