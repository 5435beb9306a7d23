#include "net/crypto/contact_rules.h"

#include <charconv>
#include <system_error>

namespace p2pcp::crypto {
namespace {

constexpr std::string_view kDigits = "0123456789ABCDEF";

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '_' || c == '-';
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (IsPlain(c)) {
      escaped += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      escaped += '%';
      escaped += kDigits[byte >> 4];
      escaped += kDigits[byte & 15];
    }
  }
  return escaped;
}

std::optional<std::string> Unescaped(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    if (IsPlain(text.front())) {
      plain += text.front();
      text.remove_prefix(1);
      continue;
    }
    if (text.front() != '%' || text.size() < 3) return std::nullopt;
    const std::size_t high = kDigits.find(text[1]);
    const std::size_t low = kDigits.find(text[2]);
    if (high == kDigits.npos || low == kDigits.npos) return std::nullopt;
    const char c = static_cast<char>(high << 4 | low);
    if (c == '\0') return std::nullopt;
    plain += c;
    text.remove_prefix(3);
  }
  return plain;
}

bool ParseWord(std::string_view word, ContactRules& rules) {
  if (word == "ask") {
    rules.ask = true;
  } else if (word == "old-key") {
    rules.knows_old_key = true;
  } else if (word.starts_with("max=")) {
    word.remove_prefix(4);
    std::uint64_t value = 0;
    const char* const end = word.data() + word.size();
    const auto [stop, error] = std::from_chars(word.data(), end, value);
    if (error != std::errc() || stop != end) return false;
    rules.max_size = value;
  } else if (word.starts_with("out=")) {
    const auto folder = Unescaped(word.substr(4));
    if (!folder || folder->empty()) return false;
    rules.folder = *folder;
  } else {
    if (word.empty()) return false;
    rules.others.emplace_back(word);
  }
  return true;
}

}  // namespace

std::optional<ContactRules> ContactRules::Parse(std::string_view flags) {
  ContactRules rules;
  while (!flags.empty()) {
    const std::size_t comma = flags.find(',');
    if (!ParseWord(flags.substr(0, comma), rules)) return std::nullopt;
    if (comma == flags.npos) return rules;
    flags.remove_prefix(comma + 1);
    if (flags.empty()) return std::nullopt;
  }
  return rules;
}

std::string ContactRules::ToString() const {
  std::string text;
  const auto add = [&](std::string_view word) {
    if (!text.empty()) text += ',';
    text += word;
  };
  if (ask) add("ask");
  if (max_size) add("max=" + std::to_string(*max_size));
  if (!folder.empty()) add("out=" + Escaped(folder));
  if (knows_old_key) add("old-key");
  for (const std::string& other : others) add(other);
  return text;
}

}  // namespace p2pcp::crypto
