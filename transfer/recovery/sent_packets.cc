#include "transfer/recovery/sent_packets.h"

#include <utility>

namespace p2pcp {

void SentPackets::Append(std::uint64_t number, const SentPacket& packet) {
  P2PCP_CHECK(number >= end_ && HasRoomFor(number));
  if (empty()) begin_ = end_ = number;
  if (number - begin_ >= ring_.size()) GrowTo(number - begin_ + 1);
  for (; end_ < number; ++end_) (*this)[end_] = SentPacket{};
  (*this)[number] = packet;
  end_ = number + 1;
}

void SentPackets::GrowTo(std::uint64_t span) {
  std::size_t capacity = ring_.size();
  while (capacity < span) capacity *= 2;
  std::vector<SentPacket> larger(capacity);
  for (std::uint64_t n = begin_; n < end_; ++n) {
    larger[n & (capacity - 1)] = (*this)[n];
  }
  ring_ = std::move(larger);
}

}  // namespace p2pcp
