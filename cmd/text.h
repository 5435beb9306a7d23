// Text for people: escaping what a peer or a file system named, sizes, rates,
// times, and the width that a string takes on a terminal.

#ifndef P2PCP_CMD_TEXT_H_
#define P2PCP_CMD_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/time.h"

namespace p2pcp::cmd {

// Makes any bytes safe to print: control characters and invalid UTF-8 become
// \xNN, characters that change direction or hide (bidi controls, zero-width)
// become \u{NNNN}, a backslash becomes \\. Everything from a peer, a broker or
// a file system passes through here before it reaches a terminal or a log.
std::string Escape(std::string_view text);

// Whether all of it is UTF-8 (RFC 3629).
bool IsUtf8(std::string_view text);

// Columns that escaped text takes on a terminal: 2 for East Asian wide
// characters and emoji, 0 for combining marks. Where terminals differ (flags,
// U+FE0F) it is the most that one gives them.
std::size_t DisplayWidth(std::string_view escaped);

// Rows that escaped text takes on a terminal of so many columns, where a wide
// character is not broken. REQUIRES: columns >= 1.
std::size_t RowsOf(std::string_view escaped, std::size_t columns);

// Escaped text cut to at most `columns`, an ellipsis in the middle where
// something was left out. REQUIRES: columns >= 1.
std::string Ellipsize(std::string_view escaped, std::size_t columns);

// The same with the ellipsis at the end, for sentences.
std::string CutOff(std::string_view escaped, std::size_t columns);

// "1 file", "2 files": of a thing whose plural has an s.
std::string FormatCount(std::uint64_t n, std::string_view thing);
// "0 B", "999 B", "1.0 KiB", "256.0 MiB", ...
std::string FormatSize(std::uint64_t bytes);
// FormatSize per second.
std::string FormatRate(double bytes_per_second);
// A number of bytes as people type it: digits, maybe a point, maybe k, M or G
// for powers of 1024, as rsync, curl and rclone take them. None: it is not one,
// or beyond 2^62.
std::optional<std::uint64_t> ParseSize(std::string_view text);
// Decimal, as lines are sold: "640 kbit/s", "9.4 Mbit/s", "94 Mbit/s".
std::string FormatBitRate(double bytes_per_second);
// "3 s", "2 min 05 s", "1 h 02 min", "3 d 4 h".
std::string FormatDuration(Duration duration);
// The same for what is left of a time that is only estimated: in steps that
// grow with it (1 s, 5 s, 1 min, 5 min, 1 h), so that it does not flicker.
std::string FormatRemaining(Duration duration);
// "0.41 ms", "23 ms", "1.2 s": for round-trip times and set-up steps.
std::string FormatLatency(Duration duration);

// The candidate nearest to word by edit distance, if it is near enough to be
// what was meant; for "did you mean".
std::optional<std::string> Nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TEXT_H_
