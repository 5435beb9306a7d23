// One direction of a wire: rate, queue, propagation delay, and every way in
// which a path may harm a packet. All chances are per packet, in [0, 1], and
// drawn from the simulator's randomness.

#ifndef P2PCP_TESTS_SIM_LINK_H_
#define P2PCP_TESTS_SIM_LINK_H_

#include <cstddef>
#include <cstdint>

#include "net/base/time.h"
#include "tests/sim/packet.h"
#include "tests/sim/simulator.h"

namespace p2pcp::sim {

// Losses in bursts (Gilbert): the link enters a bad state and leaves it again;
// in the bad state it loses packets with chance `loss`.
struct Bursts {
  double enter = 0;
  double leave = 1;
  double loss = 1;
};

struct LinkOptions {
  // Bytes a second on the wire (Packet::WireSize); 0: without limit.
  std::uint64_t rate = 0;
  // What may wait for its turn; a packet that finds no room is dropped. Only
  // meant for a limited rate.
  std::size_t queue_bytes = 256 * 1024;
  Duration delay{};
  // Each packet takes up to this much longer. Order is kept all the same, as
  // most paths do; reordering has its own option.
  Duration jitter{};
  // Larger packets are dropped (WireSize, as an MTU counts).
  std::size_t mtu = 65535;
  double loss = 0;
  Bursts bursts = {};
  // A reordered packet is held back by reorder_delay, so later ones pass it.
  double reorder = 0;
  Duration reorder_delay{};
  // A second copy follows after duplicate_delay.
  double duplicate = 0;
  Duration duplicate_delay{};
  double flip = 0;      // One bit of the payload is inverted.
  double truncate = 0;  // The payload loses 1 byte up to all of it.
};

struct LinkStats {
  std::uint64_t received = 0;   // Came in.
  std::uint64_t delivered = 0;  // Went out, copies included.
  std::uint64_t bytes = 0;      // WireSize of what went out.
  std::uint64_t lost = 0;       // By loss, bursts, or the link being down.
  std::uint64_t queue_drops = 0;
  std::uint64_t mtu_drops = 0;
  std::uint64_t reordered = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t corrupted = 0;  // Flipped or truncated.
};

class Link final : public PacketSink {
 public:
  // to and simulator must outlive the link.
  Link(Simulator& simulator, const LinkOptions& options, PacketSink& to)
      : simulator_(simulator), options_(options), to_(to) {}

  void Receive(PacketPtr packet) override;

  // May be changed in the middle of a run.
  LinkOptions& options() { return options_; }
  // A link that is down loses what is sent into it; what is already on its way
  // arrives.
  void set_up(bool up) { up_ = up; }
  const LinkStats& stats() const { return stats_; }
  // How long a packet that came now would wait for its turn.
  Duration QueueingDelay() const;

 private:
  Duration TimeToSend(std::size_t bytes) const;
  bool Chance(double probability);
  bool Lose();
  void Send(TimePoint at, PacketPtr packet);

  Simulator& simulator_;
  LinkOptions options_;
  PacketSink& to_;
  bool up_ = true;
  bool bad_ = false;       // Of the Gilbert model.
  TimePoint idle_at_;      // When the last packet that came has been sent.
  TimePoint in_order_at_;  // When the last one in order arrives.
  LinkStats stats_;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_LINK_H_
