// One direction of the emulated link: rate, queue, policer, delay, loss,
// bursts, reordering and duplication. Gets `now` and packets, gives back
// packets when they are due; knows no device and no clock.

#ifndef P2PCP_TESTS_LAB_LINK_EMULATOR_LINK_H_
#define P2PCP_TESTS_LAB_LINK_EMULATOR_LINK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "net/base/random.h"
#include "net/base/time.h"
#include "tests/lab/link_emulator/options.h"
#include "tests/lab/link_emulator/packet.h"

namespace p2pcp::lab {

struct LinkStats {
  std::uint64_t received = 0;   // Packets that came in.
  std::uint64_t delivered = 0;  // Packets that went out, copies included.
  std::uint64_t bytes = 0;      // Of what went out.
  std::uint64_t lost = 0;       // By loss and bursts.
  std::uint64_t queue_drops = 0;
  std::uint64_t policed = 0;  // Dropped by the policer.
  std::uint64_t reordered = 0;
  std::uint64_t duplicated = 0;
};

class Link {
 public:
  // What may be on its way at once; more is dropped as from a full queue.
  static constexpr std::size_t kMaxHeldBytes = 512u << 20;

  // random and pool must outlive the link.
  Link(Random& random, PacketPool& pool) : random_(random), pool_(pool) {}

  // May be changed in the middle of a run; concerns packets that come later.
  Options& options() { return options_; }
  const Options& options() const { return options_; }
  const LinkStats& stats() const { return stats_; }

  void Send(TimePoint now, PacketPtr packet);
  // When the next packet is due; nullopt: none is on its way.
  std::optional<TimePoint> PollTimeout() const;
  // A packet that is due by now; null: none.
  PacketPtr PollDelivery(TimePoint now);

 private:
  struct Held {
    TimePoint due;
    PacketPtr packet;
  };

  bool Chance(double probability);
  bool Lose();
  bool Police(TimePoint now, std::size_t size);
  void Hold(std::deque<Held>& queue, TimePoint due, PacketPtr packet);

  Random& random_;
  PacketPool& pool_;
  Options options_;
  bool bad_ = false;       // Of the Gilbert model.
  double tokens_ = 0;      // Bytes in the policer's bucket,
  TimePoint filled_at_;    // as of this time.
  TimePoint idle_at_;      // When the last packet that came has been sent.
  TimePoint in_order_at_;  // When the last one in order arrives.
  std::deque<Held> in_order_;
  std::deque<Held> held_back_;  // Reordered ones, sorted by due too.
  std::size_t held_bytes_ = 0;
  LinkStats stats_;
};

}  // namespace p2pcp::lab

#endif  // P2PCP_TESTS_LAB_LINK_EMULATOR_LINK_H_
