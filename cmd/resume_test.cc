#include "cmd/resume.h"

#include <gtest/gtest.h>
#include <stdio.h>

#include <string>
#include <vector>

namespace p2pcp::cmd {
namespace {

// What bash makes of the command's words, each with a NUL behind it.
std::string WordsInShell(const std::string& command) {
  const std::string script =
      "bash -c 'p2pcp() { printf \"%s\\0\" \"$@\"; }; eval \"$(cat)\"' "
      "<<'END'\n" +
      command + "\nEND\n";
  FILE* pipe = popen(script.c_str(), "r");
  std::string out;
  char buffer[512];
  while (const std::size_t n = fread(buffer, 1, sizeof(buffer), pipe)) {
    out.append(buffer, n);
  }
  pclose(pipe);
  return out;
}

TEST(ShellCommand, IsWhatAPersonWouldType) {
  EXPECT_EQ(ShellCommand({"send", "film.mp4", "--to", "bob"}),
            "p2pcp send film.mp4 --to bob");
  EXPECT_EQ(ShellCommand({"send", "my film", ""}), "p2pcp send 'my film' ''");
}

TEST(ShellCommand, GivesTheShellTheSameWords) {
  const std::vector<std::string> words = {
      "send",        "a b",   "it's", "\"$HOME\"", "`x`",  "*", "~",
      "back\\slash", "",      "-o=x", "\xc3\xbc",  "a\tb", "!", "\x1b[31m",
      "q'\xff\\",    "a;b&c", "(x)",  "#no",       "$'x'", "=", "{a,b}"};
  std::string expected;
  for (const std::string& word : words) expected += word + '\0';
  EXPECT_EQ(WordsInShell(ShellCommand(words)), expected);
}

// What is shown on the terminal moves no cursor.
TEST(ShellCommand, ShowsNothingThatATerminalObeys) {
  for (const char c : ShellCommand({"\x1b[31m\r\n\x7f\x9b"})) {
    EXPECT_TRUE(c >= 0x20 && c < 0x7f);
  }
}

}  // namespace
}  // namespace p2pcp::cmd
