#include "cmd/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <iterator>
#include <numeric>
#include <system_error>

#include "cmd/char_width_tables.h"
#include "net/base/check.h"

namespace p2pcp::cmd {
namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t size = 0;  // Bytes; 0 if the text is not valid UTF-8 here.
};

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
CodePoint DecodeUtf8(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned char>(text[i]);
  };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t size = first >= 0xf0   ? 4
                           : first >= 0xe0 ? 3
                           : first >= 0xc2 ? 2
                                           : 0;
  if (size == 0 || first > 0xf4 || size > text.size()) return {};
  char32_t value = first & (0xff >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3f);
  }
  static constexpr std::array<char32_t, 5> kSmallest = {0, 0, 0x80, 0x800,
                                                        0x10000};
  if (value < kSmallest[size] || value > 0x10ffff ||
      (value >= 0xd800 && value <= 0xdfff)) {
    return {};
  }
  return {value, size};
}

// REQUIRES: ranges are sorted and disjoint.
template <std::size_t N>
bool In(const std::array<CharRange, N>& ranges, char32_t c) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), c,
                       [](char32_t value, const CharRange& range) {
                         return value < range.first;
                       });
  return after != ranges.begin() && c <= std::prev(after)->last;
}

// Characters that change how their neighbours look, or look like nothing.
constexpr std::array<CharRange, 9> kDeceptive = {{{0x7f, 0x9f},
                                                  {0xad, 0xad},
                                                  {0x61c, 0x61c},
                                                  {0x200b, 0x200f},
                                                  {0x2028, 0x202e},
                                                  {0x2060, 0x206f},
                                                  {0xfeff, 0xfeff},
                                                  {0xfff9, 0xfffb},
                                                  {0xe0000, 0xe0fff}}};

// Two of these make a flag, which takes two columns; some terminals give two to
// each.
constexpr char32_t kFirstFlagLetter = 0x1f1e6;
constexpr char32_t kLastFlagLetter = 0x1f1ff;

std::size_t WidthOf(char32_t c) {
  if (c < 0x80) return 1;
  if (In(kZeroWidthChars, c)) return 0;
  if (c >= kFirstFlagLetter && c <= kLastFlagLetter) return 2;
  return In(kWideChars, c) ? 2 : 1;
}

// The longest prefix of escaped text that takes at most `columns`.
std::size_t PrefixBytes(std::string_view escaped, std::size_t columns) {
  std::size_t bytes = 0;
  while (bytes < escaped.size()) {
    const CodePoint c = DecodeUtf8(escaped.substr(bytes));
    const std::size_t width = WidthOf(c.value);
    if (width > columns) break;
    columns -= width;
    bytes += std::max<std::size_t>(c.size, 1);
  }
  return bytes;
}

// Insertions, deletions, substitutions and swaps of neighbours (optimal string
// alignment) that turn one word into the other.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(
      a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  std::iota(d[0].begin(), d[0].end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] =
          std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

double Seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string Escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = DecodeUtf8(text);
    if (c.size == 0 || c.value < 0x20) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (c.value == '\\') {
      out += "\\\\";
    } else if (c.value == 0x7f) {
      out += "\\x7f";
    } else if (In(kDeceptive, c.value)) {
      out += fmt::format("\\u{{{:04x}}}", static_cast<std::uint32_t>(c.value));
    } else {
      out += text.substr(0, c.size);
    }
    text.remove_prefix(c.size);
  }
  return out;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = DecodeUtf8(text);
    if (c.size == 0) return false;
    text.remove_prefix(c.size);
  }
  return true;
}

std::size_t DisplayWidth(std::string_view escaped) {
  std::size_t width = 0;
  while (!escaped.empty()) {
    const CodePoint c = DecodeUtf8(escaped);
    width += WidthOf(c.value);
    escaped.remove_prefix(std::max<std::size_t>(c.size, 1));
  }
  return width;
}

std::size_t RowsOf(std::string_view escaped, std::size_t columns) {
  P2PCP_CHECK(columns >= 1);
  std::size_t rows = 1;
  std::size_t used = 0;
  while (!escaped.empty()) {
    const CodePoint c = DecodeUtf8(escaped);
    const std::size_t width = std::min(WidthOf(c.value), columns);
    if (used + width > columns) {
      ++rows;
      used = 0;
    }
    used += width;
    escaped.remove_prefix(std::max<std::size_t>(c.size, 1));
  }
  return rows;
}

std::string Ellipsize(std::string_view escaped, std::size_t columns) {
  P2PCP_CHECK(columns >= 1);
  if (DisplayWidth(escaped) <= columns) return std::string(escaped);
  // The end of a file name tells more than its middle.
  const std::size_t head_columns = (columns - 1) / 2;
  const std::size_t tail_columns = columns - 1 - head_columns;
  const std::string_view head =
      escaped.substr(0, PrefixBytes(escaped, head_columns));
  std::size_t tail_begin = head.size();
  while (DisplayWidth(escaped.substr(tail_begin)) > tail_columns) {
    tail_begin +=
        std::max<std::size_t>(DecodeUtf8(escaped.substr(tail_begin)).size, 1);
  }
  return std::string(head) + "\u2026" + std::string(escaped.substr(tail_begin));
}

std::string CutOff(std::string_view escaped, std::size_t columns) {
  P2PCP_CHECK(columns >= 1);
  if (DisplayWidth(escaped) <= columns) return std::string(escaped);
  return std::string(escaped.substr(0, PrefixBytes(escaped, columns - 1))) +
         "\u2026";
}

std::string FormatCount(std::uint64_t n, std::string_view thing) {
  return fmt::format("{} {}{}", n, thing, n == 1 ? "" : "s");
}

std::string FormatSize(std::uint64_t bytes) {
  static constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB",
                                                        "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  value /= 1024;
  // 1023.95 would print as "1024.0".
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string FormatRate(double bytes_per_second) {
  return FormatSize(static_cast<std::uint64_t>(
             std::clamp(bytes_per_second, 0.0, 1e18))) +
         "/s";
}

std::string FormatBitRate(double bytes_per_second) {
  static constexpr std::array<const char*, 3> kUnits = {"kbit/s", "Mbit/s",
                                                        "Gbit/s"};
  double value = std::clamp(bytes_per_second, 0.0, 1e18) * 8 / 1000;
  std::size_t unit = 0;
  // 999.5 would print as "1000".
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return value < 9.95 ? fmt::format("{:.1f} {}", value, kUnits[unit])
                      : fmt::format("{:.0f} {}", value, kUnits[unit]);
}

std::optional<std::uint64_t> ParseSize(std::string_view text) {
  constexpr std::string_view kSuffixes = "kMG";
  double unit = 1;
  if (!text.empty()) {
    // K is typed for k, m and g for the others.
    const char last = text.back() == 'K'   ? 'k'
                      : text.back() == 'm' ? 'M'
                      : text.back() == 'g' ? 'G'
                                           : text.back();
    if (const auto power = kSuffixes.find(last);
        power != std::string_view::npos) {
      unit = std::pow(1024.0, static_cast<double>(power + 1));
      text.remove_suffix(1);
    }
  }
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] =
      std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || stop != end || text.front() == '-') {
    return std::nullopt;
  }
  const double bytes = number * unit;
  if (!(bytes < std::ldexp(1.0, 62))) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

std::string FormatDuration(Duration duration) {
  const std::int64_t s = std::max<std::int64_t>(
      0, std::chrono::round<std::chrono::seconds>(duration).count());
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
  return fmt::format("{} d {} h", s / 86400, s / 3600 % 24);
}

std::string FormatRemaining(Duration duration) {
  const std::int64_t s = std::max<std::int64_t>(
      0, std::chrono::round<std::chrono::seconds>(duration).count());
  const auto to = [s](std::int64_t step) {
    return std::chrono::seconds((s + step / 2) / step * step);
  };
  if (s < 60) return FormatDuration(to(1));
  if (s < 595) return FormatDuration(to(5));
  // Seconds would be zeros from here on.
  if (s < 3570) return fmt::format("{} min", to(60).count() / 60);
  return FormatDuration(s < 86400 ? to(300) : to(3600));
}

std::string FormatLatency(Duration duration) {
  const double ms = Seconds(duration) * 1e3;
  if (ms < 10) return fmt::format("{:.2f} ms", ms);
  if (ms < 1000) return fmt::format("{:.0f} ms", ms);
  return fmt::format("{:.1f} s", ms / 1e3);
}

std::optional<std::string> Nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  std::optional<std::string> nearest;
  // A third of the letters may be wrong; more is another word.
  std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = EditDistance(word, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace p2pcp::cmd
