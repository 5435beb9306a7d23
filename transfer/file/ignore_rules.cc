#include "transfer/file/ignore_rules.h"

#include <cstddef>
#include <utility>

namespace p2pcp::file {

namespace {

// Whether c fits the bracket expression that begins at pattern[0] == '[', and
// how long that is; 0 if it has no end, and '[' is an ordinary character.
std::size_t MatchBracket(std::string_view pattern, char c, bool& fits) {
  std::size_t i = 1;
  bool negated = false;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) {
    negated = true;
    ++i;
  }
  const auto value = [](char of) { return static_cast<unsigned char>(of); };
  bool found = false;
  for (const std::size_t first = i; i < pattern.size(); ++i) {
    if (pattern[i] == ']' && i > first) {
      fits = found != negated && c != '/';
      return i + 1;
    }
    char low = pattern[i];
    if (low == '\\' && i + 1 < pattern.size()) low = pattern[++i];
    char high = low;
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' &&
        pattern[i + 2] != ']') {
      i += 2;
      high = pattern[i];
      if (high == '\\' && i + 1 < pattern.size()) high = pattern[++i];
    }
    found = found || (value(low) <= value(c) && value(c) <= value(high));
  }
  return 0;
}

// How long the pattern's first element is that c fits; 0 if it does not. The
// element is no star.
std::size_t MatchOne(std::string_view pattern, char c) {
  if (pattern.empty()) return 0;
  if (pattern[0] == '?') return c == '/' ? 0 : 1;
  if (pattern[0] == '[') {
    bool fits = false;
    const std::size_t size = MatchBracket(pattern, c, fits);
    if (size > 0) return fits ? size : 0;
  }
  if (pattern[0] == '\\' && pattern.size() > 1) {
    return pattern[1] == c ? 2 : 0;
  }
  return pattern[0] == c ? 1 : 0;
}

}  // namespace

bool MatchGlob(std::string_view pattern, std::string_view text) {
  // Where to go on if what follows the last star does not fit: one star takes
  // one more character. Only the last of each kind has to be tried again.
  struct Retry {
    std::size_t pattern = 0;
    std::size_t text = 0;
    bool set = false;
  };
  Retry star;
  Retry double_star;
  std::size_t p = 0;
  std::size_t t = 0;
  for (;;) {
    if (p < pattern.size() && pattern[p] == '*') {
      const bool is_double = p + 1 < pattern.size() && pattern[p + 1] == '*';
      if (is_double) {
        p += 2;
        // "**/" is also no folder at all.
        const bool folders = p < pattern.size() && pattern[p] == '/';
        if (folders) ++p;
        double_star = {p, t, true};
        star.set = false;
      } else {
        ++p;
        star = {p, t, true};
      }
      continue;
    }
    if (t == text.size() && p == pattern.size()) return true;
    const std::size_t size =
        t < text.size() ? MatchOne(pattern.substr(p), text[t]) : 0;
    if (size > 0) {
      p += size;
      ++t;
      continue;
    }
    if (star.set && star.text < text.size() && text[star.text] != '/') {
      p = star.pattern;
      t = ++star.text;
      continue;
    }
    if (double_star.set && double_star.text < text.size()) {
      star.set = false;
      p = double_star.pattern;
      ++double_star.text;
      // After "**/" a component begins.
      if (p > 0 && pattern[p - 1] == '/') {
        while (double_star.text < text.size() &&
               text[double_star.text - 1] != '/') {
          ++double_star.text;
        }
        if (text[double_star.text - 1] != '/') return false;
      }
      t = double_star.text;
      continue;
    }
    return false;
  }
}

void IgnoreRules::Add(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  // Spaces at the end do not count unless they are quoted.
  while (line.ends_with(' ') &&
         !(line.size() > 1 && line[line.size() - 2] == '\\')) {
    line.remove_suffix(1);
  }
  if (line.empty() || line[0] == '#') return;
  Rule rule;
  if (line[0] == '!') {
    rule.keep = true;
    line.remove_prefix(1);
  }
  if (line.ends_with('/')) {
    rule.folders_only = true;
    line.remove_suffix(1);
  }
  if (line.starts_with('/')) {
    rule.anchored = true;
    line.remove_prefix(1);
  }
  if (line.empty()) return;
  rule.anchored = rule.anchored || line.find('/') != std::string_view::npos;
  rule.pattern = line;
  rules_.push_back(std::move(rule));
}

void IgnoreRules::AddLines(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    Add(text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::optional<bool> IgnoreRules::Decide(std::string_view path,
                                        bool is_folder) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
    if (rule->folders_only && !is_folder) continue;
    if (MatchGlob(rule->pattern, rule->anchored ? path : name)) {
      return !rule->keep;
    }
  }
  return std::nullopt;
}

}  // namespace p2pcp::file
