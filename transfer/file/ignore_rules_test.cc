#include "transfer/file/ignore_rules.h"

#include <gtest/gtest.h>

#include <string>

namespace p2pcp::file {
namespace {

TEST(MatchGlob, FitsAsGitDoes) {
  const struct {
    const char* pattern;
    const char* text;
    bool fits;
  } cases[] = {
      {"a", "a", true},
      {"a", "b", false},
      {"a", "ab", false},
      {"", "", true},
      {"*", "", true},
      {"*", "abc", true},
      {"*", "a/b", false},
      {"*.o", "x.o", true},
      {"*.o", ".o", true},
      {"*.o", "x.oo", false},
      {"a*b*c", "aXbYbZc", true},
      {"a*b*c", "aXbYbZ", false},
      {"?", "a", true},
      {"?", "/", false},
      {"a?c", "ac", false},
      {"[abc]", "b", true},
      {"[a-c]x", "bx", true},
      {"[!a-c]", "b", false},
      {"[^a-c]", "d", true},
      {"[]a]", "]", true},
      {"[a-]", "-", true},
      {"[", "[", true},
      {"[ab", "[ab", true},
      {"[!a]", "/", false},
      {"\\*", "*", true},
      {"\\*", "x", false},
      {"a/b", "a/b", true},
      {"a/*", "a/b", true},
      {"a/*", "a/b/c", false},
      {"**/x", "x", true},
      {"**/x", "a/x", true},
      {"**/x", "a/b/x", true},
      {"**/x", "ax", false},
      {"**/x", "a/bx", false},
      {"a/**", "a/b/c", true},
      {"a/**", "b/a", false},
      {"a/**/b", "a/b", true},
      {"a/**/b", "a/x/b", true},
      {"a/**/b", "a/x/y/b", true},
      {"a/**/b", "a/xb", false},
      {"a/**/*.o", "a/x/y.o", true},
      {"**/a/*.o", "q/a/x/a/y.o", true},
      {"\xff*", "\xff\xfe", true},
      {"[\x80-\xff]", "\xe2", true},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(MatchGlob(test.pattern, test.text), test.fits)
        << test.pattern << " and " << test.text;
  }
}

TEST(MatchGlob, ManyStarsTakeNoTime) {
  std::string pattern;
  for (int i = 0; i < 60; ++i) pattern += "*a";
  EXPECT_FALSE(MatchGlob(pattern + "b", std::string(4000, 'a')));
}

TEST(IgnoreRules, TheLastPatternThatFitsDecides) {
  IgnoreRules rules;
  rules.AddLines("# comment\n\n*.log\n!keep.log\n/top\nsub/deep.txt\nbuild/\n");
  EXPECT_EQ(rules.Decide("a.log", false), true);
  EXPECT_EQ(rules.Decide("x/a.log", false), true);
  EXPECT_EQ(rules.Decide("x/keep.log", false), false);
  EXPECT_EQ(rules.Decide("top", false), true);
  EXPECT_EQ(rules.Decide("x/top", false), std::nullopt);
  EXPECT_EQ(rules.Decide("sub/deep.txt", false), true);
  EXPECT_EQ(rules.Decide("x/sub/deep.txt", false), std::nullopt);
  EXPECT_EQ(rules.Decide("x/build", true), true);
  EXPECT_EQ(rules.Decide("x/build", false), std::nullopt);
}

TEST(IgnoreRules, SpacesAndLineEndsDoNotCount) {
  IgnoreRules rules;
  rules.AddLines("a  \r\nb\\ \n\\#c");
  EXPECT_EQ(rules.Decide("a", false), true);
  EXPECT_EQ(rules.Decide("b ", false), true);
  EXPECT_EQ(rules.Decide("#c", false), true);
  EXPECT_TRUE([] {
    IgnoreRules none;
    none.AddLines("\n  \n/\n!\n#x\n");
    return none.empty();
  }());
}

}  // namespace
}  // namespace p2pcp::file
