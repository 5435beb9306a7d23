#include "transfer/file/delta_signature.h"

#include "net/base/check.h"
#include "transfer/file/digest.h"

namespace p2pcp::file {

namespace {

constexpr std::array<std::uint32_t, 256> Weights() {
  std::array<std::uint32_t, 256> weights = {};
  std::uint64_t state = 0;
  for (std::uint32_t& weight : weights) {
    state += 0x9e3779b97f4a7c15;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    weight = static_cast<std::uint32_t>((z ^ (z >> 31)) >> 32);
  }
  return weights;
}

}  // namespace

constexpr std::array<std::uint32_t, 256> RollingSum::kWeights = Weights();

RollingSum::RollingSum(ByteSpan window) {
  for (const std::byte byte : window) {
    low_ += kWeights[static_cast<std::uint8_t>(byte)];
    high_ += low_;
  }
}

std::uint64_t DeltaBlockBytes(std::uint64_t base_size) {
  std::uint64_t block = kMinDeltaBlock;
  // block >= sqrt(base_size) / 2, without roots.
  while (block < kMaxDeltaBlock && 4 * block * block < base_size) block *= 2;
  return block;
}

std::uint64_t DeltaBlocks(std::uint64_t base_size) {
  const std::uint64_t block = DeltaBlockBytes(base_size);
  return base_size / block + (base_size % block > 0 ? 1 : 0);
}

std::uint64_t StrongOf(ByteSpan block) {
  const Digest digest = Hasher::Of(block);
  return ByteReader(digest.bytes).ReadU64();
}

BlockSignature SignBlock(ByteSpan block) {
  P2PCP_CHECK(block.size() <= kMaxDeltaBlock);
  return {RollingSum(block).weak(), StrongOf(block)};
}

}  // namespace p2pcp::file
