// Random bytes behind a seam: the kernel's in the program, a seeded stream in
// tests and in the simulator, where the seed replays a run.

#ifndef P2PCP_NET_BASE_RANDOM_H_
#define P2PCP_NET_BASE_RANDOM_H_

#include <array>
#include <cstdint>

#include "net/base/bytes.h"

namespace p2pcp {

class Random {
 public:
  virtual ~Random() = default;
  virtual void Fill(MutableByteSpan out) = 0;

  std::uint64_t NextU64();
  // Uniform in [0, bound). REQUIRES: bound > 0.
  std::uint64_t Below(std::uint64_t bound);
  // Uniform in [0, 1).
  double NextDouble();
  template <std::size_t N>
  std::array<std::byte, N> Array() {
    std::array<std::byte, N> bytes;
    Fill(bytes);
    return bytes;
  }
};

// getrandom(2): fit for keys. Aborts if the kernel refuses, which it can't
// once booted.
class SystemRandom final : public Random {
 public:
  void Fill(MutableByteSpan out) override;
};

// xoshiro256++ seeded by splitmix64: reproducible, never for keys.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed);
  void Fill(MutableByteSpan out) override;

 private:
  std::uint64_t Step();

  std::array<std::uint64_t, 4> state_;
};

}  // namespace p2pcp

#endif  // P2PCP_NET_BASE_RANDOM_H_
