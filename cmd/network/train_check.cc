#include "cmd/network/train_check.h"

#include <algorithm>

namespace p2pcp::cmd {

void TrainCheck::Enter(State state, TimePoint now, std::uint64_t sent,
                       std::uint64_t lost) {
  state_ = state;
  begin_ = now;
  begin_sent_ = sent;
  begin_lost_ = lost;
}

void TrainCheck::Update(TimePoint now, std::uint64_t sent, std::uint64_t lost,
                        Duration rtt) {
  if (!begun_) {
    begun_ = true;
    Enter(state_, now, sent, lost);
    return;
  }
  if (now < begin_ + std::max(kMinPeriod, kRoundTrips * rtt)) return;
  const std::uint64_t packets = sent - begin_sent_;
  // Losses are taken back when packets arrive late.
  const std::uint64_t losses = lost > begin_lost_ ? lost - begin_lost_ : 0;
  const double share = static_cast<double>(losses) /
                       static_cast<double>(std::max<std::uint64_t>(packets, 1));
  switch (state_) {
    case State::kTrains:
      if (packets < kMinPackets) return;
      if (share > kBadLoss && now >= no_trial_before_) {
        Enter(State::kSettling, now, sent, lost);
        return;
      }
      if (share <= kBadLoss) bad_ = 0;
      Enter(State::kTrains, now, sent, lost);
      return;
    case State::kSettling:
      Enter(State::kOneByOne, now, sent, lost);
      return;
    case State::kOneByOne:
      if (packets < kMinPackets) return;
      if (share >= kGoodLoss) {
        bad_ = 0;
        no_trial_before_ = now + kRetryAfter;
      } else if (++bad_ == kRepetitions) {
        Enter(State::kCondemned, now, sent, lost);
        return;
      }
      Enter(State::kSettlingBack, now, sent, lost);
      return;
    case State::kSettlingBack:
      Enter(State::kTrains, now, sent, lost);
      return;
    case State::kCondemned:
      return;
  }
}

}  // namespace p2pcp::cmd
