#include "cmd/brokers/rendezvous_health.h"

#include <fmt/format.h>

#include <algorithm>

#include "cmd/text.h"

namespace p2pcp::cmd {

std::string HealthText(const RendezvousHealth& health) {
  std::string restarts;
  if (health.restarts == 1) {
    restarts = ", restarted once";
  } else if (health.restarts > 1) {
    restarts = fmt::format(", restarted {} times", health.restarts);
  }
  return fmt::format("up {}; the broker is {}{}; {} STUN requests answered",
                     FormatDuration(health.up),
                     health.broker_is_up ? "up" : "down", restarts,
                     health.stun_answers);
}

Duration RestartDelay::AfterEnd(Duration ran) {
  if (ran >= kGoodRun) next_ = kFirst;
  const Duration delay = next_;
  next_ = std::min(2 * next_, kLongest);
  return delay;
}

}  // namespace p2pcp::cmd
