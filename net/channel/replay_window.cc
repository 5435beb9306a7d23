#include "net/channel/replay_window.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::channel {

ReplayWindow::Verdict ReplayWindow::Check(PacketNumber number) const {
  const std::uint64_t value = number.value();
  if (!any_ || value > highest_) return Verdict::kNew;
  if (highest_ - value >= kSize) return Verdict::kTooOld;
  const std::uint64_t word = words_[value / kWordBits % words_.size()];
  return word >> (value % kWordBits) & 1 ? Verdict::kSeen : Verdict::kNew;
}

void ReplayWindow::Add(PacketNumber number) {
  P2PCP_CHECK(Check(number) == Verdict::kNew);
  const std::uint64_t value = number.value();
  if (value > highest_) {
    // The words entered anew still hold what was there one ring ago.
    const std::uint64_t from = highest_ / kWordBits;
    const std::uint64_t steps =
        std::min<std::uint64_t>(value / kWordBits - from, words_.size());
    for (std::uint64_t i = 1; i <= steps; ++i) Word(from + i) = 0;
    highest_ = value;
  }
  any_ = true;
  Word(value / kWordBits) |= std::uint64_t{1} << (value % kWordBits);
}

}  // namespace p2pcp::channel
