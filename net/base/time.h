// Time as the protocol cores see it: a value that is handed in, never read.
//
// Both clocks are tags without now(), so no code below the event loop can ask
// what time it is. net/udp/event_loop.cc reads CLOCK_BOOTTIME, which counts
// through suspend, and owns the one conversion; the simulator makes its own.

#ifndef P2PCP_NET_BASE_TIME_H_
#define P2PCP_NET_BASE_TIME_H_

#include <chrono>
#include <cstdint>

namespace p2pcp {

using Duration = std::chrono::duration<std::int64_t, std::nano>;

struct BootClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock, duration>;
  static constexpr bool is_steady = true;
};

// A point on a steady clock whose epoch means nothing. Tests start at 1 s, so
// that a default-constructed TimePoint is never a time that occurs.
using TimePoint = BootClock::time_point;

struct UnixClock {
  using duration = std::chrono::duration<std::int64_t>;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<UnixClock, duration>;
  static constexpr bool is_steady = false;
};

// Whole seconds since 1970-01-01 00:00:00 UTC. Only for what people and the
// calendar see (topics that rotate daily, file times); never for a timeout.
using UnixTime = UnixClock::time_point;

using namespace std::chrono_literals;

}  // namespace p2pcp

#endif  // P2PCP_NET_BASE_TIME_H_
