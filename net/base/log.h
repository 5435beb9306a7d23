// A limit for lines that may recur without end, so that a log never floods.
//
// Cores count what they drop and never log per packet; what may recur goes
// through LogLimiter. Secrets, codes and topics are never logged. Text from
// a peer is escaped by whoever prints it (cmd).

#ifndef P2PCP_NET_BASE_LOG_H_
#define P2PCP_NET_BASE_LOG_H_

#include <cstdint>

#include "net/base/time.h"

namespace p2pcp {

// Lets `burst` events pass, then one per `interval`, and says how many were
// held back in between.
class LogLimiter {
 public:
  LogLimiter(int burst, Duration interval)
      : burst_(burst), interval_(interval) {}

  // True if the event at `now` may be logged.
  bool Allow(TimePoint now) {
    if (burst_ > 0) {
      --burst_;
      last_ = now;
      return true;
    }
    if (now - last_ < interval_) {
      ++suppressed_;
      return false;
    }
    last_ = now;
    return true;
  }
  // Events held back since the last call.
  std::uint64_t TakeSuppressed() {
    const std::uint64_t count = suppressed_;
    suppressed_ = 0;
    return count;
  }

 private:
  int burst_;
  Duration interval_;
  TimePoint last_;
  std::uint64_t suppressed_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_NET_BASE_LOG_H_
