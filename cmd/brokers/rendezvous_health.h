// How the rendezvous of `p2pcp serve` is: what whoever looks after it wants to
// read, and when a broker that has ended is started again. No IO.

#ifndef P2PCP_CMD_BROKERS_RENDEZVOUS_HEALTH_H_
#define P2PCP_CMD_BROKERS_RENDEZVOUS_HEALTH_H_

#include <cstdint>
#include <string>

#include "net/base/time.h"

namespace p2pcp::cmd {

struct RendezvousHealth {
  Duration up;  // Since it began to serve.
  bool broker_is_up = true;
  std::uint64_t restarts = 0;  // Of the broker.
  std::uint64_t stun_answers = 0;
};

// "up 3 h 02 min; the broker is up, restarted once; 12 STUN requests answered"
std::string HealthText(const RendezvousHealth& health);

// How long to wait before a broker that has ended is started again.
class RestartDelay {
 public:
  // A broker that ends at once whatever one does costs a process in so long.
  static constexpr Duration kFirst = 500ms;
  static constexpr Duration kLongest = 30s;
  // What ran for so long did not fail at its start.
  static constexpr Duration kGoodRun = 60s;

  // ran: since it was started last. Doubles from time to time.
  Duration AfterEnd(Duration ran);

 private:
  Duration next_ = kFirst;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_BROKERS_RENDEZVOUS_HEALTH_H_
