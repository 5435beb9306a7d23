#include "cmd/doctor/joint_verdict.h"

#include "net/ice/tactic.h"

namespace p2pcp::cmd {

JointVerdict Join(const ice::Nat& ours, const ice::Nat& theirs) {
  if (!ours.hard() && !theirs.hard()) {
    return {Outlook::kWillPunch,
            "each side has one outside address for all destinations"};
  }
  switch (ice::ChooseTactic(ours, theirs).kind) {
    case ice::TacticKind::kNone:
      break;
    case ice::TacticKind::kOpen:
      return {Outlook::kNeedsGuessing,
              "the NAT here shows every destination another port, which the "
              "peer finds by trying"};
    case ice::TacticKind::kGuess:
      return {Outlook::kNeedsGuessing,
              "the peer's NAT shows every destination another port, which is "
              "found by trying"};
    case ice::TacticKind::kMeet:
      return {Outlook::kNeedsGuessing,
              "both NATs show every destination another port, but which comes "
              "next can be foreseen"};
    case ice::TacticKind::kLottery:
      return {Outlook::kNeedsGuessing,
              "both NATs show every destination another port, of few enough "
              "that two can meet"};
  }
  if (ours.hard() && theirs.hard()) {
    return {Outlook::kWillNot,
            "both NATs show every destination another port, and nobody can "
            "foretell which"};
  }
  return {Outlook::kWillPunch,
          "one side's NAT shows every destination another port, and the other "
          "one lets it in"};
}

}  // namespace p2pcp::cmd
