#include "transfer/connection/tail_redundancy.h"

#include <algorithm>
#include <chrono>

namespace p2pcp {

bool TailRedundancy::Worthwhile(const Path& path,
                                const ByteSender& sender) const {
  if (path.min_rtt < kMinRtt) return false;
  if (path.lossy_rounds < kMinLossyRounds) return false;
  const double in_flight = static_cast<double>(path.bandwidth) *
                           std::chrono::duration<double>(path.min_rtt).count();
  return bytes_ < std::max(sender.offered_bytes() / kMaxPartDivisor,
                           static_cast<std::uint64_t>(in_flight));
}

std::optional<ByteSender::Chunk> TailRedundancy::Next(TimePoint now,
                                                      Duration min_rtt,
                                                      ByteSender& sender,
                                                      std::size_t max_size,
                                                      MutableByteSpan scratch) {
  next_round_.reset();
  std::optional<ByteSender::Chunk> chunk;
  if (any_round_) chunk = sender.Copy(offset_, max_size, scratch);
  if (!chunk) {
    // This round is over, or what comes next is not in memory.
    const TimePoint next = round_begin_ + min_rtt / kRoundsPerRtt;
    if (any_round_ && now < next) {
      next_round_ = next;
      return std::nullopt;
    }
    any_round_ = true;
    round_begin_ = now;
    chunk = sender.Copy(0, max_size, scratch);
    if (!chunk) return std::nullopt;
  }
  offset_ = chunk->offset.value() + chunk->size();
  bytes_ += chunk->size();
  return chunk;
}

}  // namespace p2pcp
