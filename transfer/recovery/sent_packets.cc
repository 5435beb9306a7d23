#include "transfer/recovery/sent_packets.h"

#include <utility>

namespace p2pcp {

void SentPackets::GrowTo(std::uint64_t span) {
  std::size_t capacity = ring_.size();
  while (capacity < span) capacity *= 2;
  std::vector<SentPacket> larger(capacity);
  for (std::uint64_t n = begin_; n < end_; ++n) {
    larger[n & (capacity - 1)] = (*this)[n];
  }
  ring_ = std::move(larger);
  mask_ = capacity - 1;
}

}  // namespace p2pcp
