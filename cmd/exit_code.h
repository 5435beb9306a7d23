// How p2pcp ends: one number for each class of failure, stable, documented in
// `p2pcp --help` and README.md.

#ifndef P2PCP_CMD_EXIT_CODE_H_
#define P2PCP_CMD_EXIT_CODE_H_

#include <array>
#include <string_view>

#include "net/base/result.h"

namespace p2pcp::cmd {

enum class ExitCode : int {
  kVerified = 0,
  kOther = 1,
  kUsage = 2,
  kPeerNeverAppeared = 3,
  kRendezvousUnreachable = 4,
  kNoPath = 5,
  kAuthenticationFailed = 6,
  kDeclined = 7,
  kKeptBack = 8,
  kIntegrity = 9,
  kConnectionLost = 10,
  kSourceUnreadable = 11,
  kCannotWrite = 12,
  kVersionMismatch = 13,
  kInterrupted = 130,  // 128 + SIGINT, as shells have it.
  kTerminated = 143,   // 128 + SIGTERM.
};

struct ExitCodeText {
  ExitCode code;
  std::string_view text;
};

// Every code, in the order in which --help lists them.
inline constexpr std::array<ExitCodeText, 16> kExitCodes = {{
    {ExitCode::kVerified, "done and verified"},
    {ExitCode::kOther, "any other error"},
    {ExitCode::kUsage, "usage: a bad option, an unknown peer"},
    {ExitCode::kPeerNeverAppeared, "the peer never appeared"},
    {ExitCode::kRendezvousUnreachable, "no broker could be reached"},
    {ExitCode::kNoPath, "no path through the NATs"},
    {ExitCode::kAuthenticationFailed, "authentication failed"},
    {ExitCode::kDeclined, "declined by the peer"},
    {ExitCode::kKeptBack, "some files were kept back"},
    {ExitCode::kIntegrity, "integrity failure"},
    {ExitCode::kConnectionLost, "connection lost, can go on"},
    {ExitCode::kSourceUnreadable, "source unreadable or changed"},
    {ExitCode::kCannotWrite, "cannot write, or disk full"},
    {ExitCode::kVersionMismatch, "the peer speaks another version"},
    {ExitCode::kInterrupted, "interrupted (Ctrl-C)"},
    {ExitCode::kTerminated, "terminated (SIGTERM)"},
}};

constexpr std::string_view TextOf(ExitCode code) {
  for (const ExitCodeText& known : kExitCodes) {
    if (known.code == code) return known.text;
  }
  return "";
}

// For programs (--json).
constexpr std::string_view NameOf(ExitCode code) {
  switch (code) {
    case ExitCode::kVerified:
      return "verified";
    case ExitCode::kOther:
      return "other";
    case ExitCode::kUsage:
      return "usage";
    case ExitCode::kPeerNeverAppeared:
      return "peer_never_appeared";
    case ExitCode::kRendezvousUnreachable:
      return "rendezvous_unreachable";
    case ExitCode::kNoPath:
      return "no_path";
    case ExitCode::kAuthenticationFailed:
      return "authentication_failed";
    case ExitCode::kDeclined:
      return "declined";
    case ExitCode::kKeptBack:
      return "kept_back";
    case ExitCode::kIntegrity:
      return "integrity";
    case ExitCode::kConnectionLost:
      return "connection_lost";
    case ExitCode::kSourceUnreadable:
      return "source_unreadable";
    case ExitCode::kCannotWrite:
      return "cannot_write";
    case ExitCode::kVersionMismatch:
      return "version_mismatch";
    case ExitCode::kInterrupted:
      return "interrupted";
    case ExitCode::kTerminated:
      return "terminated";
  }
  return "other";
}

// Whether the same command may do better later, with nothing else changed.
constexpr bool IsRetryable(ExitCode code) {
  return code == ExitCode::kPeerNeverAppeared ||
         code == ExitCode::kRendezvousUnreachable ||
         code == ExitCode::kIntegrity || code == ExitCode::kConnectionLost ||
         code == ExitCode::kInterrupted || code == ExitCode::kTerminated;
}

constexpr ExitCode ExitCodeFor(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOther:
    case ErrorCode::kMalformed:
      return ExitCode::kOther;
    case ErrorCode::kUsage:
      return ExitCode::kUsage;
    case ErrorCode::kPeerNeverAppeared:
      return ExitCode::kPeerNeverAppeared;
    case ErrorCode::kRendezvousUnreachable:
      return ExitCode::kRendezvousUnreachable;
    case ErrorCode::kNoPath:
      return ExitCode::kNoPath;
    case ErrorCode::kAuthenticationFailed:
      return ExitCode::kAuthenticationFailed;
    case ErrorCode::kDeclined:
      return ExitCode::kDeclined;
    case ErrorCode::kKeptBack:
      return ExitCode::kKeptBack;
    case ErrorCode::kIntegrity:
      return ExitCode::kIntegrity;
    case ErrorCode::kConnectionLost:
      return ExitCode::kConnectionLost;
    case ErrorCode::kSourceUnreadable:
      return ExitCode::kSourceUnreadable;
    case ErrorCode::kCannotWrite:
      return ExitCode::kCannotWrite;
    case ErrorCode::kVersionMismatch:
      return ExitCode::kVersionMismatch;
  }
  return ExitCode::kOther;
}

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_EXIT_CODE_H_
