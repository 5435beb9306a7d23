// What a user can do about a failure, where its own message, which tells what
// happened and why, does not say so.

#ifndef P2PCP_CMD_REMEDY_H_
#define P2PCP_CMD_REMEDY_H_

#include <string_view>

#include "cmd/exit_code.h"

namespace p2pcp::cmd {

// One sentence, true on either side; empty where messages of that class have
// their own, or there is nothing to be done. can_go_on: it was said how.
constexpr std::string_view RemedyFor(ExitCode code, bool can_go_on) {
  switch (code) {
    case ExitCode::kOther:
      if (can_go_on) break;
      return "-v tells each step, 'p2pcp doctor' what the network allows.";
    case ExitCode::kDeclined:
      if (can_go_on) break;
      return "Agree with the other side on what is to be sent, and run both "
             "commands again.";
    case ExitCode::kKeptBack:
      return "The lines above say which, and why; all the rest is there.";
    case ExitCode::kIntegrity:
      return "Run both commands again: what arrived whole is not sent anew. If "
             "it happens again, memory or disk of one side are damaged.";
    case ExitCode::kSourceUnreadable:
      return "Let the sender be able to read it, and nothing change it "
             "meanwhile; then run both commands again.";
    case ExitCode::kCannotWrite:
      return "Make room and give the right to write there, or name another "
             "place.";
    case ExitCode::kVersionMismatch:
      return "Install the newer of the two on both sides; 'p2pcp --version' "
             "tells which.";
    case ExitCode::kVerified:
    case ExitCode::kUsage:
    case ExitCode::kPeerNeverAppeared:
    case ExitCode::kRendezvousUnreachable:
    case ExitCode::kNoPath:
    case ExitCode::kAuthenticationFailed:
    case ExitCode::kConnectionLost:
    case ExitCode::kInterrupted:
    case ExitCode::kTerminated:
      break;
  }
  return "";
}

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_REMEDY_H_
