// What both sides' NATs together allow, as far as each has told the other.

#ifndef P2PCP_CMD_DOCTOR_JOINT_VERDICT_H_
#define P2PCP_CMD_DOCTOR_JOINT_VERDICT_H_

#include <string>

#include "cmd/doctor/diagnosis.h"
#include "net/ice/nat.h"

namespace p2pcp::cmd {

struct JointVerdict {
  Outlook outlook = Outlook::kWillPunch;
  std::string why;
};

// By the rule that the program itself goes by (net/ice/tactic.h).
JointVerdict Join(const ice::Nat& ours, const ice::Nat& theirs);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_DOCTOR_JOINT_VERDICT_H_
