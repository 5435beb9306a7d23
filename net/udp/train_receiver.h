// TrainReceiver: drains a socket with recvmmsg into buffers that each hold
// a whole train as UDP_GRO delivers it, and reads the ancillary data: the size
// of the train's datagrams and how many the socket's buffer has lost.

#ifndef P2PCP_NET_UDP_TRAIN_RECEIVER_H_
#define P2PCP_NET_UDP_TRAIN_RECEIVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "net/udp/syscalls.h"

namespace p2pcp::udp {

// One or more datagrams of one sender, back to back, all of segment_size bytes
// but the last, which may be shorter. Neither is ever 0.
struct ReceivedTrain {
  SocketAddress from;
  MutableByteSpan bytes;
  std::size_t segment_size = 0;
};

class TrainReceiver {
 public:
  // recvmmsg of 4 to 8 GRO buffers drains a burst (measured on loopback and
  // veth); a super-packet is at most 64 KiB.
  static constexpr std::size_t kBuffers = 8;
  static constexpr std::size_t kBufferSize = 64 * 1024;

  struct Stats {
    std::uint64_t datagrams = 0;
    std::uint64_t bytes = 0;
    std::uint64_t trains = 0;
    // Datagrams that the socket's full buffer has lost (SO_RXQ_OVFL): ours to
    // mend, never a sign of a congested network.
    std::uint64_t overflows = 0;
    // The same while an Admission is in force: the kernel counts what it
    // refuses together with what it has no room for.
    std::uint64_t refused = 0;
    std::uint64_t icmp_errors = 0;  // Pending errors that were taken off.
    std::uint64_t discarded = 0;    // Empty, truncated or without a sender.
    std::uint64_t errors = 0;       // Calls that failed for another reason.
  };

  // fd and syscalls must outlive the receiver; it owns neither.
  TrainReceiver(Syscalls* syscalls, int fd);
  ~TrainReceiver();
  TrainReceiver(TrainReceiver&&) noexcept;
  TrainReceiver& operator=(TrainReceiver&&) noexcept;

  // What waits in the socket, at most kBuffers trains, without blocking. The
  // spans may be written to and stand until the next call. Empty: nothing
  // waits, or nothing but garbage and errors so far (so watch the descriptor
  // level-triggered).
  std::span<const ReceivedTrain> Receive();

  // Whether the socket has an Admission.
  void SetRefusing(bool refusing) { refusing_ = refusing; }

  const Stats& stats() const { return stats_; }

 private:
  struct Storage;

  Syscalls* syscalls_;
  int fd_;
  std::unique_ptr<Storage> storage_;
  std::uint32_t last_overflow_ = 0;
  bool refusing_ = false;
  Stats stats_;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_TRAIN_RECEIVER_H_
