// The two directions of a link between two devices, as the program runs them:
// commands that change the options, statistics, and which packets are due.

#ifndef P2PCP_TESTS_LAB_LINK_EMULATOR_EMULATOR_H_
#define P2PCP_TESTS_LAB_LINK_EMULATOR_EMULATOR_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/base/random.h"
#include "net/base/time.h"
#include "tests/lab/link_emulator/link.h"
#include "tests/lab/link_emulator/middlebox.h"
#include "tests/lab/link_emulator/packet.h"

namespace p2pcp::lab {

// The end of the link where a packet comes in: end 0 is "a", end 1 is "b".
using End = std::size_t;

class Emulator {
 public:
  Emulator(std::uint64_t seed, std::size_t mtu);

  // A command and its answer: "ab|ba|both OPTION...", "stats".
  std::string HandleCommand(std::string_view command);
  // {"ab": {...}, "ba": {...}} on one line.
  std::string Stats() const;

  PacketPool& pool() { return pool_; }
  // A packet has come in at an end.
  void HandlePacket(TimePoint now, End end, PacketPtr packet);
  void HandleTimeout(TimePoint now);
  std::optional<TimePoint> PollTimeout() const;
  // A packet that is due to leave at that end; null: none.
  PacketPtr PollDelivery(TimePoint now, End end);

 private:
  struct Direction {
    Direction(Random& random, PacketPool& pool)
        : link(random, pool), middlebox(random, pool) {}
    Link link;
    Middlebox middlebox;
  };

  void Spread(TimePoint now, End from);

  SeededRandom random_;
  PacketPool pool_;
  // By the end where packets come in: "ab" and "ba".
  std::array<Direction, 2> directions_;
  Middlebox::Outcome outcome_;  // Kept for its memory.
};

}  // namespace p2pcp::lab

#endif  // P2PCP_TESTS_LAB_LINK_EMULATOR_EMULATOR_H_
