#include "cmd/remedy.h"

#include <cerrno>

namespace p2pcp::cmd {
namespace {

// A place of this side's: a folder, a receipt, a trace.
std::string_view RemedyForPlace(int os_errno) {
  switch (os_errno) {
    case EEXIST:
      return "It is left as it is: name another file.";
    case ENOENT:
    case ENOTDIR:
      return "Make that folder first, or name another place.";
    case EACCES:
    case EPERM:
    case EROFS:
      return "Get the right to write there, or name another place.";
    case ENOSPC:
    case EDQUOT:
      return "Make room there, or name another place.";
    case EPIPE:
      return "";
    default:
      return "Make room and give the right to write there, or name another "
             "place.";
  }
}

std::string_view RemedyForSource(int os_errno, const Circumstances& around) {
  if (around.receives) {
    return "The sender is told which, and why; put that right there, and run "
           "both commands again.";
  }
  if (around.can_go_on) {
    return "Let this user be able to read what the lines above name, and "
           "nothing change it meanwhile; then run both commands again.";
  }
  if (os_errno == EACCES || os_errno == EPERM) {
    return "Let this user be able to read it, and run the command again.";
  }
  return "";
}

}  // namespace

std::string_view RemedyFor(const Error& error, const Circumstances& around) {
  switch (error.code) {
    case ErrorCode::kOther:
    case ErrorCode::kMalformed:
      if (around.can_go_on || !around.looked) return "";
      return "-v tells each step, 'p2pcp doctor' what the network allows.";
    case ErrorCode::kDeclined:
      if (around.can_go_on || !(around.sends || around.receives)) return "";
      return "Agree with the other side on what is to be sent, and run both "
             "commands again.";
    case ErrorCode::kKeptBack:
      return "The lines above say which, and those on the other side may say "
             "why; all the rest is there.";
    case ErrorCode::kIntegrity:
      return "Run both commands again: what arrived whole is not sent anew. If "
             "it happens again, memory or disk of one side are damaged.";
    case ErrorCode::kSourceUnreadable:
      return RemedyForSource(error.os_errno, around);
    case ErrorCode::kCannotWrite:
      if (around.sends && error.os_errno == 0) {
        return "Let there be room and the right to write at the receiver, or "
               "another place; then run both commands again.";
      }
      return RemedyForPlace(error.os_errno);
    case ErrorCode::kVersionMismatch:
      return "Install the newer of the two on both sides; 'p2pcp --version' "
             "tells which.";
    case ErrorCode::kUsage:
    case ErrorCode::kPeerNeverAppeared:
    case ErrorCode::kRendezvousUnreachable:
    case ErrorCode::kNoPath:
    case ErrorCode::kAuthenticationFailed:
    case ErrorCode::kConnectionLost:
      return "";
  }
  return "";
}

}  // namespace p2pcp::cmd
