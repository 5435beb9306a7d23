// What is told of an older version of a file, so that what has not changed need
// not travel: a signature of each of its blocks. Both sides compute the same.
//
// Not librsync: its signature is of a whole file before the first match, so
// that nothing travels until all of the older version has been read; its
// memory grows with the file or its blocks do; and its delta is one stream of
// commands with the bytes in between, which has no place in a byte space whose
// ranges get lost, are repaired and are resumed by their offsets.

#ifndef P2PCP_TRANSFER_FILE_DELTA_SIGNATURE_H_
#define P2PCP_TRANSFER_FILE_DELTA_SIGNATURE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"

namespace p2pcp::file {

struct BlockSignature {
  // Of a sum that can be moved on byte by byte.
  std::uint32_t weak = 0;
  // The first 64 bits of the digest. An accident that two blocks share it is
  // found by the file's digest; and whoever makes one on purpose gets his own
  // bytes repaired.
  std::uint64_t strong = 0;

  friend bool operator==(const BlockSignature&,
                         const BlockSignature&) = default;
};

// What one takes on the wire.
inline constexpr std::size_t kSignatureBytes = 12;

// Below this size of either version the round trip that the signatures take
// costs more than the bytes: 1 MiB is 84 ms of 100 Mbit/s.
inline constexpr std::uint64_t kMinDeltaSize = 1 << 20;

inline constexpr std::uint64_t kMinDeltaBlock = 4 << 10;
inline constexpr std::uint64_t kMaxDeltaBlock = 64 << 10;
// Bytes of a block of a base (the older version) of so many bytes: the least
// power of two from half its square root on, within those bounds. With smaller
// blocks the signatures grow, with larger ones what travels around a change: of
// 256 MiB 12 B for every 8 KiB, of 10 GiB 12 B for every 64 KiB.
std::uint64_t DeltaBlockBytes(std::uint64_t base_size);
// Blocks of it, the last one less.
std::uint64_t DeltaBlocks(std::uint64_t base_size);

// Signatures of a base that come unasked: of 4 MiB of it and more.
inline constexpr std::uint64_t kFirstSignatures = 1024;
// Copies of all files together that are told and not known to be carried out.
inline constexpr std::size_t kMaxDeltaCopies = 8192;

// REQUIRES: at most kMaxDeltaBlock bytes.
BlockSignature SignBlock(ByteSpan block);
std::uint64_t StrongOf(ByteSpan block);

// The sum behind `weak`, of a window of bytes c[0] to c[n-1]:
//   low  = T[c[0]] + ... + T[c[n-1]]
//   high = n T[c[0]] + (n-1) T[c[1]] + ... + T[c[n-1]]      (both mod 2^32)
// T[i] are the upper halves of the outputs of SplitMix64 from the state 0 on:
// with the bytes themselves, as rsync has it, text has few different sums.
class RollingSum {
 public:
  static const std::array<std::uint32_t, 256> kWeights;

  RollingSum() = default;
  explicit RollingSum(ByteSpan window);

  // The window moves on: it loses `out` at its front and gets `in` at its end.
  // size: of the window.
  void Roll(std::byte out, std::byte in, std::uint32_t size) {
    const std::uint32_t gone = kWeights[static_cast<std::uint8_t>(out)];
    low_ += kWeights[static_cast<std::uint8_t>(in)] - gone;
    high_ += low_ - size * gone;
  }
  // The middle of the product with 2^64 divided by the golden ratio.
  std::uint32_t weak() const {
    constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
    return static_cast<std::uint32_t>(
        ((std::uint64_t{low_} << 32 | high_) * kGolden) >> 32);
  }

 private:
  std::uint32_t low_ = 0;
  std::uint32_t high_ = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_DELTA_SIGNATURE_H_
