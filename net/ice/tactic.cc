#include "net/ice/tactic.h"

#include <algorithm>

namespace p2pcp::ice {
namespace {

// All that counts of a NAT here.
enum class Kind { kEasy, kSequential, kBlock, kRandom };

Kind KindOf(const Nat& nat) {
  if (!nat.hard()) return Kind::kEasy;
  switch (nat.ports.allocation) {
    case PortAllocation::kSequential:
      return Kind::kSequential;
    case PortAllocation::kBlock:
      return nat.ports.size() <= kMaxLotteryBlock ? Kind::kBlock
                                                  : Kind::kRandom;
    case PortAllocation::kPreserving:
      // The port is named among the candidates.
      return Kind::kEasy;
    case PortAllocation::kUnknown:
    case PortAllocation::kRandom:
      return Kind::kRandom;
  }
  return Kind::kRandom;
}

}  // namespace

Tactic ChooseTactic(const Nat& ours, const Nat& theirs) {
  if (ours.external.empty() || theirs.external.empty()) return {};
  const Kind a = KindOf(ours);
  const Kind b = KindOf(theirs);
  const bool read_ours = a == Kind::kSequential;
  const bool read_theirs = b == Kind::kSequential;
  if (a == Kind::kEasy) {
    if (b == Kind::kEasy) return {};
    return {.kind = TacticKind::kGuess, .read_theirs = read_theirs};
  }
  if (b == Kind::kEasy) {
    Tactic tactic{.kind = TacticKind::kOpen, .read_ours = read_ours};
    switch (a) {
      case Kind::kSequential:
        tactic.sockets = kSequentialSockets;
        break;
      case Kind::kBlock:
        tactic.sockets = std::clamp(ours.ports.size() / 4, 1, kMaxBlockSockets);
        break;
      case Kind::kRandom:
      case Kind::kEasy:
        tactic.sockets = kRandomSockets;
        break;
    }
    return tactic;
  }
  if (a == Kind::kRandom || b == Kind::kRandom) return {};
  if (a == Kind::kSequential && b == Kind::kSequential) {
    return {.kind = TacticKind::kMeet,
            .sockets = kMeetSockets,
            .read_ours = true,
            .read_theirs = true};
  }
  return {.kind = TacticKind::kLottery,
          .sockets = read_ours ? kAimedAtSockets : kLotterySockets,
          .read_ours = read_ours,
          .read_theirs = read_theirs};
}

std::string_view ToString(TacticKind kind) {
  switch (kind) {
    case TacticKind::kNone:
      return "none";
    case TacticKind::kOpen:
      return "open";
    case TacticKind::kGuess:
      return "guess";
    case TacticKind::kMeet:
      return "meet";
    case TacticKind::kLottery:
      return "lottery";
  }
  return "?";
}

}  // namespace p2pcp::ice
