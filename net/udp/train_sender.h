// TrainSender: puts trains of datagrams on the wire, by UDP_SEGMENT where the
// kernel takes it and by sendmmsg where it does not.
//
// A train is a run of datagrams of one size, back to back, of which only the
// last may be shorter. They leave in order, and none leaves twice: when the
// kernel advertises segmentation and then refuses (EIO where a device lacks
// checksum offload, EINVAL on some tunnels), the very batch that it refused is
// sent at once one by one, and segmentation stays off for this socket.

#ifndef P2PCP_NET_UDP_TRAIN_SENDER_H_
#define P2PCP_NET_UDP_TRAIN_SENDER_H_

#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "net/udp/syscalls.h"

namespace p2pcp::udp {

enum class SendStatus {
  kSent,
  // The kernel's buffers are full. The rest is sent again once EPOLLOUT holds
  // and a millisecond has passed (a full device queue does not clear EPOLLOUT).
  kWouldBlock,
  // EMSGSIZE: the path takes no datagram of segment_size.
  kTooBig,
  // No route, a firewall's veto, or a wrong address family: os_errno tells.
  // To a protocol it is as though the network had lost the rest of the train.
  kError,
};

struct SendResult {
  SendStatus status = SendStatus::kSent;
  // How many datagrams of the train went out, counted from its front.
  std::size_t segments = 0;
  int os_errno = 0;
};

class TrainSender {
 public:
  struct Stats {
    std::uint64_t datagrams = 0;
    std::uint64_t bytes = 0;
    std::uint64_t segmented_sends = 0;  // UDP_SEGMENT calls that went out.
    std::uint64_t gso_refusals = 0;     // Batches that had to be sent again.
    std::uint64_t would_block = 0;
    std::uint64_t icmp_errors = 0;  // Pending errors that a send ran into.
    std::uint64_t errors = 0;       // Trains that ended with kError.
  };

  // fd and syscalls must outlive the sender; it owns neither.
  TrainSender(Syscalls* syscalls, int fd, bool gso)
      : syscalls_(syscalls), fd_(fd), gso_enabled_(gso) {}

  // hop_limit 0 is the system's default. one_by_one: not by UDP_SEGMENT.
  // REQUIRES: segment_size > 0; train is not empty; 0 <= hop_limit <= 255.
  SendResult Send(const SocketAddress& to, ByteSpan train,
                  std::size_t segment_size, int hop_limit,
                  bool one_by_one = false);

  bool gso_enabled() const { return gso_enabled_; }
  const Stats& stats() const { return stats_; }

 private:
  struct Envelope;

  SendResult SendBatch(Envelope& envelope, ByteSpan batch,
                       std::size_t segment_size, bool one_by_one);
  SendResult SendSegmented(Envelope& envelope, ByteSpan batch,
                           std::size_t segment_size);
  SendResult SendOneByOne(Envelope& envelope, ByteSpan batch,
                          std::size_t segment_size);
  SendResult Failed(std::size_t segments, int os_errno);

  Syscalls* syscalls_;
  int fd_;
  bool gso_enabled_;
  Stats stats_;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_TRAIN_SENDER_H_
