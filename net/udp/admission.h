// What a socket takes while somebody floods it. The kernel drops the rest
// before it is queued (a classic BPF program, SO_ATTACH_FILTER), so that it need
// not be read: 100,000 datagrams a second that were took 12 % of a transfer's
// rate.

#ifndef P2PCP_NET_UDP_ADMISSION_H_
#define P2PCP_NET_UDP_ADMISSION_H_

#include <linux/filter.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace p2pcp::udp {

struct Admission {
  static constexpr std::size_t kPrefix = 6;
  // What is longer is always taken: it may be a train (UDP_GRO), of which only
  // the first datagram would be looked at.
  static constexpr std::size_t kMaxRefused = 1500;

  // Taken: what begins with a byte below this;
  std::uint8_t first_byte_below = 0;
  // and what begins like this, in the bits that mask has.
  std::array<std::byte, kPrefix> prefix{};
  std::array<std::byte, kPrefix> mask{};
};

class AdmissionProgram {
 public:
  explicit AdmissionProgram(const Admission& admission);

  // What SO_ATTACH_FILTER takes; points into this object.
  sock_fprog Get() {
    return {static_cast<unsigned short>(code_.size()), code_.data()};
  }

 private:
  std::array<sock_filter, 6 + 3 * Admission::kPrefix> code_;
};

}  // namespace p2pcp::udp

#endif  // P2PCP_NET_UDP_ADMISSION_H_
