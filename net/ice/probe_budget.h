// What a peer may make this process send to addresses that it has named and
// that have proven nothing. A session has a bound of its own (Checklist); this
// one is for the peer that ends its session and begins the next, again and
// again.

#ifndef P2PCP_NET_ICE_PROBE_BUDGET_H_
#define P2PCP_NET_ICE_PROBE_BUDGET_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "net/base/socket_address.h"
#include "net/base/time.h"

namespace p2pcp::ice {

// One for each peer; it outlives the peer's sessions.
class ProbeBudget {
 public:
  // To one IP address: a whole session's worth at once (Checklist), and then
  // one a second. Whoever tries in good faith again and again sends fewer; a
  // victim gets 46 bytes a second.
  static constexpr double kBurst = 160;
  static constexpr double kPerSecond = 1;
  // Addresses that have had some of it lately; a further one waits.
  static constexpr std::size_t kMaxAddresses = 256;

  // After a proof at an address it has all of it again, but no more often than
  // this (as in a session: Checklist::kProbeBudgetInterval).
  static constexpr Duration kProofInterval = 30s;

  // Whether one more probe may go to ip now; if so it is booked.
  bool Take(TimePoint now, const IpAddress& ip);
  // The peer has proven to be at ip.
  void Prove(TimePoint now, const IpAddress& ip);

 private:
  struct Entry {
    IpAddress ip;
    double tokens;
    TimePoint at;
    std::optional<TimePoint> proven_at = {};
  };
  static double Refilled(const Entry& entry, TimePoint now);

  std::vector<Entry> entries_;
};

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_PROBE_BUDGET_H_
