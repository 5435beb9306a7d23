#include "transfer/file/path_policy.h"

#include <gtest/gtest.h>

#include <string>

namespace p2pcp::file {
namespace {

struct Case {
  std::string_view path;
  NameProblem problem;
};

TEST(PathPolicy, RefusesWhatIsNotPlain) {
  using enum NameProblem;
  const Case cases[] = {
      {"", kEmpty},
      {"/", kAbsolute},
      {"/etc/passwd", kAbsolute},
      {".", kDots},
      {"..", kDots},
      {"../x", kDots},
      {"a/../b", kDots},
      {"a/./b", kDots},
      {"a/..", kDots},
      {"a//b", kEmpty},
      {"a/", kEmpty},
      {".bashrc", kHidden},
      {".ssh/authorized_keys", kHidden},
      {"...", kHidden},
      {std::string_view("a\0b", 3), kControlCharacter},
      {"a\nb", kControlCharacter},
      {"a\x1b[31m", kControlCharacter},
      {"a\x7f", kControlCharacter},
      {"a/b\tc", kControlCharacter},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(CheckPath(c.path), c.problem) << c.path;
    EXPECT_FALSE(IsPlainName(c.path)) << c.path;
  }
}

TEST(PathPolicy, TakesWhatLinuxUsersReallyHave) {
  for (std::string_view name : {"a",
                                "aux.c",
                                "Foo::Bar.3pm",
                                "1:2,S",
                                "x\\x2d",
                                "a b",
                                " ",
                                "~",
                                "-rf",
                                "caf\xc3\xa9",
                                "cafe\xcc\x81",
                                "\xff\xfe",
                                "\xe2\x80\xae"
                                "gpj.exe",
                                "con",
                                "a.",
                                "a ",
                                "*?",
                                "$(x)",
                                "'\"",
                                "a.tar.gz"}) {
    EXPECT_EQ(CheckPath(name), NameProblem::kNone) << name;
  }
  // A dot counts at the top only.
  EXPECT_EQ(CheckPath("a/.git/config"), NameProblem::kNone);
}

TEST(PathPolicy, BoundsAreInclusive) {
  const std::string longest(kMaxComponent, 'a');
  EXPECT_EQ(CheckPath(longest), NameProblem::kNone);
  EXPECT_EQ(CheckPath(longest + "a"), NameProblem::kTooLong);
  std::string deep = "a";
  for (std::size_t i = 1; i < kMaxDepth; ++i) deep += "/a";
  EXPECT_EQ(CheckPath(deep), NameProblem::kNone);
  EXPECT_EQ(CheckPath(deep + "/a"), NameProblem::kTooDeep);
  std::string wide = longest;
  while (wide.size() + 1 + longest.size() < kMaxPath) wide += "/" + longest;
  wide.resize(kMaxPath, 'b');
  wide[wide.size() - 100] = '/';
  ASSERT_EQ(wide.size(), kMaxPath);
  EXPECT_EQ(CheckPath(wide), NameProblem::kNone);
  EXPECT_EQ(CheckPath(wide + "b"), NameProblem::kTooLong);
}

TEST(PathPolicy, APathIsNoPlainName) {
  EXPECT_TRUE(IsPlainName("a"));
  EXPECT_FALSE(IsPlainName("a/b"));
}

}  // namespace
}  // namespace p2pcp::file
