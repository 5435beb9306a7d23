// Whether the kernel's segmentation (UDP_SEGMENT) can be trusted in service.
//
// Some kernels and drivers damage trains without an error: equal-sized last
// segments, short tails in tunnels. The file still arrives, at a hundredth of
// the speed. So where a large part of the packets gets lost, they are sent one
// by one for a while; if nearly none gets lost then, and this repeats itself,
// trains are given up for this path. A line that loses at random loses single
// packets as well, and an overshoot of the congestion window does not come
// back.
//
//             > 30 % lost                    settled
//   trains --------------> settling to one -----------> one by one
//     ^                                                  |  |
//     +----- settling back <------- else, or first time--+  | < 2 % lost, again
//                                                           v
//                                                       condemned

#ifndef P2PCP_CMD_NETWORK_TRAIN_CHECK_H_
#define P2PCP_CMD_NETWORK_TRAIN_CHECK_H_

#include <cstdint>

#include "net/base/time.h"

namespace p2pcp::cmd {

class TrainCheck {
 public:
  // Shares of packets lost. The bugs seen in the wild lose a third and more;
  // where single packets fare so much better, it is not the path.
  static constexpr double kBadLoss = 0.30;
  static constexpr double kGoodLoss = 0.02;
  // A verdict needs so many packets: 4 lost of 200 are 2 %.
  static constexpr std::uint64_t kMinPackets = 200;
  // It must come out like this so many times in a row.
  static constexpr int kRepetitions = 2;
  // After a trial that single packets did not pass either.
  static constexpr Duration kRetryAfter = 60s;
  // A period lasts so many round trips, and at least this long. What was sent
  // before it is accounted for after as long.
  static constexpr int kRoundTrips = 4;
  static constexpr Duration kMinPeriod = 200ms;

  // Totals since the connection began; lost: without those that arrived late,
  // and without what the peer's own socket dropped. To be called now and then,
  // at best every few round trips.
  void Update(TimePoint now, std::uint64_t sent, std::uint64_t lost,
              Duration rtt);
  // Another path: nothing is known of it.
  void Reset() { *this = TrainCheck(); }

  // Whether packets are to be sent one by one from now on.
  bool one_by_one() const {
    return state_ == State::kSettling || state_ == State::kOneByOne ||
           condemned();
  }
  bool condemned() const { return state_ == State::kCondemned; }

 private:
  enum class State : std::uint8_t {
    kTrains,
    kSettling,  // Towards one by one.
    kOneByOne,
    kSettlingBack,  // Towards trains.
    kCondemned,
  };
  void Enter(State state, TimePoint now, std::uint64_t sent,
             std::uint64_t lost);

  State state_ = State::kTrains;
  bool begun_ = false;
  TimePoint begin_;  // Of this state, or of its present period.
  std::uint64_t begin_sent_ = 0;
  std::uint64_t begin_lost_ = 0;
  int bad_ = 0;  // Trials in a row that speak against trains.
  TimePoint no_trial_before_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_NETWORK_TRAIN_CHECK_H_
