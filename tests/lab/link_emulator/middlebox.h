// What an attacker on the path does to the UDP of one direction: flip bits,
// truncate, replay, reflect, and invent datagrams. Sans-IO like link.h.

#ifndef P2PCP_TESTS_LAB_LINK_EMULATOR_MIDDLEBOX_H_
#define P2PCP_TESTS_LAB_LINK_EMULATOR_MIDDLEBOX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "net/base/random.h"
#include "net/base/time.h"
#include "tests/lab/link_emulator/options.h"
#include "tests/lab/link_emulator/packet.h"

namespace p2pcp::lab {

struct MiddleboxStats {
  std::uint64_t datagrams = 0;  // UDP that came by.
  std::uint64_t flipped = 0;
  std::uint64_t truncated = 0;
  std::uint64_t replayed = 0;
  std::uint64_t reflected = 0;
  std::uint64_t invented = 0;
};

class Middlebox {
 public:
  // Datagrams that are remembered for replays.
  static constexpr std::size_t kMemory = 1024;

  // random and pool must outlive the middlebox.
  Middlebox(Random& random, PacketPool& pool) : random_(random), pool_(pool) {}

  const MiddleboxStats& stats() const { return stats_; }

  // What to put onto the link in place of a packet that came by.
  struct Outcome {
    std::vector<PacketPtr> forward;  // On to where the packet was going.
    std::vector<PacketPtr> back;     // To where it came from.
  };
  void Handle(const Options& options, PacketPtr packet, Outcome& outcome);

  // When the next datagram is to be invented; nullopt: never.
  std::optional<TimePoint> PollTimeout(const Options& options) const;
  // Invents what is due by now, in the direction of the traffic.
  void HandleTimeout(TimePoint now, const Options& options, Outcome& outcome);

 private:
  bool Chance(double probability);
  void Remember(ByteSpan packet);
  PacketPtr Invent(bool forged);

  Random& random_;
  PacketPool& pool_;
  std::vector<Bytes> memory_;
  std::size_t next_slot_ = 0;  // Of memory_, once that is full.
  TimePoint invent_at_;
  MiddleboxStats stats_;
};

}  // namespace p2pcp::lab

#endif  // P2PCP_TESTS_LAB_LINK_EMULATOR_MIDDLEBOX_H_
