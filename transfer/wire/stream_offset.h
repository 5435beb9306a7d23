// StreamOffset: a position in the linear byte space that a transfer moves.
//
// The manifest's files lie in it end to end (or one stream does), so an offset
// is all that a DATA frame has to say. 48 bits, as the frame carries them
// (PROTOCOL.md, "DATA").

#ifndef P2PCP_TRANSFER_WIRE_STREAM_OFFSET_H_
#define P2PCP_TRANSFER_WIRE_STREAM_OFFSET_H_

#include <compare>
#include <cstdint>

namespace p2pcp {

class StreamOffset {
 public:
  // Also the largest size of a byte space: 256 TiB less one byte.
  static constexpr std::uint64_t kMax = (std::uint64_t{1} << 48) - 1;

  constexpr StreamOffset() = default;
  // Values above kMax can be held, so that sums don't wrap, but not sent.
  constexpr explicit StreamOffset(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }

  friend constexpr auto operator<=>(StreamOffset, StreamOffset) = default;
  friend constexpr StreamOffset operator+(StreamOffset a, std::uint64_t n) {
    return StreamOffset(a.value_ + n);
  }
  // How many bytes a is ahead of b; negative if it is behind.
  friend constexpr std::int64_t operator-(StreamOffset a, StreamOffset b) {
    return static_cast<std::int64_t>(a.value_ - b.value_);
  }

 private:
  std::uint64_t value_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_WIRE_STREAM_OFFSET_H_
