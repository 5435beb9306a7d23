// Takes a fuzzer's input apart: numbers and bytes in order, zeros once it is
// used up. For targets that need more than one string of bytes.

#ifndef P2PCP_TESTS_FUZZ_FUZZ_INPUT_H_
#define P2PCP_TESTS_FUZZ_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"

namespace p2pcp::fuzz {

inline ByteSpan InputBytes(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

class FuzzInput {
 public:
  explicit FuzzInput(ByteSpan bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }
  ByteSpan rest() const { return rest_; }

  std::uint8_t TakeU8() {
    const ByteSpan byte = TakeBytes(1);
    return byte.empty() ? 0 : std::to_integer<std::uint8_t>(byte[0]);
  }
  std::uint16_t TakeU16() {
    const unsigned high = TakeU8();
    return static_cast<std::uint16_t>(high << 8 | TakeU8());
  }
  std::uint64_t TakeU64() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | TakeU8();
    return value;
  }
  // Up to size bytes.
  ByteSpan TakeBytes(std::size_t size) {
    const ByteSpan taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

 private:
  ByteSpan rest_;
};

// Of TEST-NET-2 (RFC 5737), which passes for a public network.
inline SocketAddress PublicAddress(std::uint8_t host, std::uint16_t port) {
  return {.ip = IpAddress::V4({198, 51, 100, host}), .port = port};
}

// The entry point of a target that is one class: made of the input, then run.
template <typename Arena>
int RunArena(const std::uint8_t* data, std::size_t size) {
  Arena arena{FuzzInput(InputBytes(data, size))};
  arena.Run();
  return 0;
}

}  // namespace p2pcp::fuzz

#endif  // P2PCP_TESTS_FUZZ_FUZZ_INPUT_H_
