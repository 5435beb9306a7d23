#include "net/base/random.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>

#include "net/base/check.h"

namespace p2pcp {

std::uint64_t Random::NextU64() {
  std::array<std::byte, 8> bytes;
  Fill(bytes);
  return std::bit_cast<std::uint64_t>(bytes);
}

std::uint64_t Random::Below(std::uint64_t bound) {
  P2PCP_CHECK(bound > 0);
  // Values under 2^64 mod bound would make the low results likelier.
  const std::uint64_t biased = (0 - bound) % bound;
  for (;;) {
    const std::uint64_t value = NextU64();
    if (value >= biased) return value % bound;
  }
}

double Random::NextDouble() {
  return static_cast<double>(NextU64() >> 11) * 0x1p-53;
}

void SystemRandom::Fill(MutableByteSpan out) {
  while (!out.empty()) {
    const ssize_t n = getrandom(out.data(), out.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    P2PCP_CHECK(n > 0);
    out = out.subspan(static_cast<std::size_t>(n));
  }
}

SeededRandom::SeededRandom(std::uint64_t seed) {
  for (std::uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

std::uint64_t SeededRandom::Step() {
  auto& s = state_;
  const std::uint64_t result = std::rotl(s[0] + s[3], 23) + s[0];
  const std::uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = std::rotl(s[3], 45);
  return result;
}

void SeededRandom::Fill(MutableByteSpan out) {
  while (!out.empty()) {
    const auto word = std::bit_cast<std::array<std::byte, 8>>(Step());
    const std::size_t n = out.size() < 8 ? out.size() : 8;
    CopyBytes(ByteSpan(word).first(n), out);
    out = out.subspan(n);
  }
}

}  // namespace p2pcp
