// Bounds of the session's protocol (PROTOCOL.md, "Limits"), and its versions.

#ifndef P2PCP_TRANSFER_SESSION_LIMITS_H_
#define P2PCP_TRANSFER_SESSION_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "net/base/time.h"

namespace p2pcp {

// The versions of the protocol that this program speaks.
inline constexpr std::uint64_t kLowestVersion = 6;
inline constexpr std::uint64_t kHighestVersion = 6;

// Entries that may be offered and not settled. At 300 ms of round trip this is
// 27,000 files a second.
inline constexpr std::uint64_t kMaxOpenEntries = 8'192;
// Bytes of the paths that a sender keeps for them.
inline constexpr std::size_t kMaxOpenNameBytes = 4 << 20;
// A receiver that asks its user shows him no more than this before he answers.
inline constexpr std::uint64_t kMaxAskedEntries = 1'000;
// Ranges that are there from earlier sessions, of all open files together.
inline constexpr std::size_t kMaxHaveRuns = 65'536;
// Bytes of one file that may be sent before the receiver has said that it wants
// it, and what it holds for that. In the first round trip a sender's window is
// 32 packets (transfer/recovery), 45 kB; the rest is for a receiver who takes a
// little longer.
inline constexpr std::size_t kMaxEarlyBytes = 64 << 10;
// How long a receiver that has everything keeps telling a sender that does not
// answer: longer than any outage after which the channel still lives (45 s).
inline constexpr Duration kDonePatience = 60s;

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_LIMITS_H_
