// The number of a packet: 48 bits, one strictly increasing space per direction
// over all paths and kinds of packet, never reused (RFC 9000 section 12.3 has
// the same rule with 62 bits).

#ifndef P2PCP_NET_BASE_PACKET_NUMBER_H_
#define P2PCP_NET_BASE_PACKET_NUMBER_H_

#include <compare>
#include <cstdint>

namespace p2pcp {

class PacketNumber {
 public:
  // A direction must be given up before its numbers run out: 2^48 packets are
  // 400 PB.
  static constexpr std::uint64_t kMax = (std::uint64_t{1} << 48) - 1;

  constexpr PacketNumber() = default;
  constexpr explicit PacketNumber(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr PacketNumber Next() const { return PacketNumber(value_ + 1); }

  friend constexpr auto operator<=>(PacketNumber, PacketNumber) = default;
  // How many numbers a is ahead of b; negative if it is behind.
  friend constexpr std::int64_t operator-(PacketNumber a, PacketNumber b) {
    return static_cast<std::int64_t>(a.value_ - b.value_);
  }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_NET_BASE_PACKET_NUMBER_H_
