// What to do about two NATs beyond plain checks: one rule, from what both sides
// know of theirs, so that both come to matching halves of the same plan.
// net/ice/PROTOCOL.md 2 has the table, with the reasons.

#ifndef P2PCP_NET_ICE_TACTIC_H_
#define P2PCP_NET_ICE_TACTIC_H_

#include <cstdint>
#include <string_view>

#include "net/ice/nat.h"

namespace p2pcp::ice {

enum class TacticKind : std::uint8_t {
  kNone,     // Plain checks, which go on in any case.
  kOpen,     // Many sockets wait for the peer to guess the port of one.
  kGuess,    // The peer does that; we guess.
  kMeet,     // Both sequences are foreseen: meet some ports ahead.
  kLottery,  // Both send from many ports to many, until two fit.
};

struct Tactic {
  TacticKind kind = TacticKind::kNone;
  // Sockets to open besides the one that there is.
  int sockets = 0;
  // Our ports are to be measured anew first, since a sequence moves on; and
  // the peer's word on having done so is to be waited for.
  bool read_ours = false;
  bool read_theirs = false;

  friend bool operator==(const Tactic&, const Tactic&) = default;
};

// With 256 of 64,512 ports open, 1,159 guesses find one
// with 99 %. More would not fit into the 1,024 descriptors of a process
// beside the rest, nor into what a carrier grants a customer.
inline constexpr int kRandomSockets = 256;
inline constexpr int kMaxBlockSockets = 128;
inline constexpr int kSequentialSockets = 16;
// Sequences meet so many steps ahead of what was read, with this many sockets:
// in between up to kMeetAhead flows of others may come, and a few may not.
inline constexpr int kMeetSockets = 25;
inline constexpr int kMeetAhead = 20;
// The second time, where more than that came in between.
inline constexpr int kMeetSocketsAgain = 100;
inline constexpr int kMeetAheadAgain = 60;
inline constexpr int kLotterySockets = kRandomSockets;
// Of a sequence against a block: so many of its ports have a flow each to the
// block, whose sockets aim at a few of these (guess_stage.cc).
inline constexpr int kAimedAtSockets = 80;
// A lottery over more ports than this has no chance.
inline constexpr int kMaxLotteryBlock = 4096;

Tactic ChooseTactic(const Nat& ours, const Nat& theirs);

std::string_view ToString(TacticKind kind);

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_TACTIC_H_
