#include "cmd/network/flood_guard.h"

#include <chrono>

namespace p2pcp::cmd {

bool FloodGuard::Update(TimePoint now, std::uint64_t garbage) {
  if (begun_ && now - begin_ < kPeriod) return flooded_;
  if (begun_) {
    const double rate = static_cast<double>(garbage - begin_garbage_) /
                        std::chrono::duration<double>(now - begin_).count();
    if (rate >= kCalm) last_busy_ = now;
    flooded_ = flooded_ ? now - last_busy_ < kOver : rate >= kFlood;
  }
  begun_ = true;
  begin_ = now;
  begin_garbage_ = garbage;
  return flooded_;
}

}  // namespace p2pcp::cmd
