// How a pair is opened: which of its checks leave with a small hop limit.
//
// A packet that dies on its way opens our own NAT and never reaches the other
// one. That matters where the other one takes unsolicited packets to itself:
// such a packet occupies the place of the mapping that its own host would get,
// and the host appears under another port (measured with Linux' masquerade
// without a filter on the router's input). So whoever knows the other side's
// candidates first opens and waits, and the other one, who knows by then that
// this is done, opens and sends at once; net/ice/PROTOCOL.md 1.

#ifndef P2PCP_NET_ICE_OPENER_H_
#define P2PCP_NET_ICE_OPENER_H_

#include <cstdint>

#include "net/base/time.h"

namespace p2pcp::ice {

// Enough to leave a home and its carrier's NAT, too little for another's home.
inline constexpr int kOpenerHopLimit = 4;
// What is tried when that has not helped: a shorter way, and in the end a
// longer one, which may arrive where it does harm.
inline constexpr int kShortOpenerHopLimit = 2;
inline constexpr int kLongOpenerHopLimit = 7;
inline constexpr int kShortOpeners = 5;
// Who opens first sends nothing else for so long, unless it hears that the
// other side has begun.
inline constexpr Duration kOpenersOnly = 1500ms;
// In a second attempt nobody knows who learns of the other's new candidates
// first, so both only open for a while: longer than a broker needs.
inline constexpr Duration kSecondOpenersOnly = 600ms;

class Opener {
 public:
  // kFirst: openers only, until Release() or kOpenersOnly have passed.
  // kSecond: one opener, then checks as usual; in a second attempt as kFirst,
  // for kSecondOpenersOnly.
  enum class Order : std::uint8_t { kFirst, kSecond };

  // The pair's first round begins. attempt: 0, or 1 after a first attempt with
  // other sockets has failed.
  void Begin(TimePoint now, Order order, int attempt) {
    order_ = attempt == 0 ? order : Order::kFirst;
    attempt_ = attempt;
    until_ = now + (order == Order::kFirst ? kOpenersOnly : kSecondOpenersOnly);
    sent_ = 0;
    active_ = true;
  }
  // Checks as usual from now on.
  void Release() { active_ = false; }
  // True while checks are openers and nothing else.
  bool only(TimePoint now) const {
    return active_ && order_ == Order::kFirst && now < until_;
  }
  // The hop limit of an opener that is due with the pair's next check: in its
  // place if only(now), else before it. 0: none is.
  int HopLimit(TimePoint now) const {
    if (!active_) return 0;
    if (order_ == Order::kFirst ? now >= until_ : sent_ > 0) return 0;
    if (attempt_ == 0) return kOpenerHopLimit;
    return sent_ < kShortOpeners ? kShortOpenerHopLimit : kLongOpenerHopLimit;
  }
  void OnSent() { ++sent_; }

 private:
  bool active_ = false;
  Order order_ = Order::kFirst;
  int attempt_ = 0;
  int sent_ = 0;
  TimePoint until_;
};

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_OPENER_H_
