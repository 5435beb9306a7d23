// When a pair is checked: the one place that knows the rhythm of a punch.

#ifndef P2PCP_NET_ICE_CHECK_SCHEDULE_H_
#define P2PCP_NET_ICE_CHECK_SCHEDULE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "net/base/check.h"
#include "net/base/time.h"

namespace p2pcp::ice {

// A round of checks (net/channel/PROTOCOL.md 5.2): dense at first, since the
// packet that opens a NAT is often lost on purpose by the other one, and of
// lines that lose 5 % each four packets in a hundred lose two in a row; then
// every 2 s up to 10 s.
inline constexpr std::array<Duration, 10> kCheckOffsets = {
    0ms, 20ms, 60ms, 150ms, 350ms, 800ms, 2800ms, 4800ms, 6800ms, 8800ms};
// What goes on after success: three more, so that the other side, whose proof
// may have been lost, gets several chances to see it too.
inline constexpr std::array<Duration, 3> kConfirmOffsets = {20ms, 80ms, 200ms};
// From one check of a pair to its next, however late the first one was.
inline constexpr Duration kMinCheckInterval = 20ms;

// Idle, checking until proof or exhaustion, or confirming after proof.
class CheckSchedule {
 public:
  // Begins a round; its first check is due at once. Offsets count from when
  // that was sent.
  void Start(TimePoint now) {
    phase_ = Phase::kChecking;
    index_ = 0;
    next_ = now;
    started_ = true;
  }
  // Proof has come.
  void Confirm(TimePoint now) {
    phase_ = Phase::kConfirming;
    index_ = 0;
    begin_ = now;
    next_ = now + kConfirmOffsets[0];
  }

  bool started() const { return started_; }
  bool checking() const { return phase_ == Phase::kChecking; }
  // When the next check is due, nullopt when idle.
  std::optional<TimePoint> next() const { return next_; }

  // The due check was sent, or may not be sent.
  void Advance(TimePoint now) {
    P2PCP_CHECK(next_.has_value());
    if (phase_ == Phase::kChecking && index_ == 0) begin_ = now;
    ++index_;
    const std::size_t count = phase_ == Phase::kChecking
                                  ? kCheckOffsets.size()
                                  : kConfirmOffsets.size();
    if (index_ == count) {
      phase_ = Phase::kIdle;
      next_.reset();
      return;
    }
    const Duration offset = phase_ == Phase::kChecking
                                ? kCheckOffsets[index_]
                                : kConfirmOffsets[index_];
    next_ = std::max(begin_ + offset, now + kMinCheckInterval);
  }

 private:
  enum class Phase { kIdle, kChecking, kConfirming };

  Phase phase_ = Phase::kIdle;
  bool started_ = false;
  std::size_t index_ = 0;
  TimePoint begin_;
  std::optional<TimePoint> next_;
};

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_CHECK_SCHEDULE_H_
