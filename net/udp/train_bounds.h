// What the kernel takes in one UDP_SEGMENT send. For those who make trains,
// with or without a socket.

#ifndef P2PCP_NET_UDP_TRAIN_BOUNDS_H_
#define P2PCP_NET_UDP_TRAIN_BOUNDS_H_

#include <cstddef>

namespace p2pcp::udp {

// Datagrams: UDP_MAX_SEGMENTS of older kernels (Debian 12: 6.1); newer ones
// take 128.
inline constexpr std::size_t kMaxTrainSegments = 64;
// Bytes: the largest UDP payload over IPv4, 65535 - 20 - 8.
inline constexpr std::size_t kMaxTrainBytes = 65'507;

// Datagrams in a train, of which the last may be shorter.
// REQUIRES: segment_size > 0.
constexpr std::size_t CountSegments(std::size_t bytes,
                                    std::size_t segment_size) {
  return (bytes + segment_size - 1) / segment_size;
}

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_TRAIN_BOUNDS_H_
