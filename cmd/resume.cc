#include "cmd/resume.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace p2pcp::cmd {
namespace {

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') ||
         std::string_view("-_./:@%+=,").find(c) != std::string_view::npos;
}

bool IsPrintable(char c) { return c >= 0x20 && c < 0x7f; }

std::string Quoted(const std::string& word) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), IsPlain)) {
    return word;
  }
  const bool printable = std::all_of(word.begin(), word.end(), IsPrintable);
  std::string quoted = printable ? "'" : "$'";
  for (const char c : word) {
    if (printable) {
      quoted += c == '\'' ? "'\\''" : std::string(1, c);
    } else if (!IsPrintable(c)) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      if (c == '\'' || c == '\\') quoted += '\\';
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace

std::string ShellCommand(const std::vector<std::string>& words) {
  std::string command = "p2pcp";
  for (const std::string& word : words) command += " " + Quoted(word);
  return command;
}

}  // namespace p2pcp::cmd
