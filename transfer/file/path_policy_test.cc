#include "transfer/file/path_policy.h"

#include <gtest/gtest.h>

#include <string>

namespace p2pcp::file {
namespace {

TEST(PathPolicy, TakesWhatLinuxUsersHave) {
  for (const std::string name :
       {"a",         "a.tar.gz", "..a",   "a..",          "...",     "~",
        "-rf",       "a b",      "aux.c", "Foo::Bar.3pm", "1:2,S",   "\\x2d",
        "e\xcc\x81", "\xc3\xa9", "\xff",  "\xe2\x80\xae", ".hidden", "a\\b",
        "*",         "?"}) {
    EXPECT_EQ(CheckComponent(name), NameProblem::kNone) << name;
  }
  EXPECT_EQ(CheckComponent(std::string(255, 'a')), NameProblem::kNone);
}

TEST(PathPolicy, RefusesWhatIsNoName) {
  EXPECT_EQ(CheckComponent(""), NameProblem::kEmpty);
  EXPECT_EQ(CheckComponent("."), NameProblem::kDots);
  EXPECT_EQ(CheckComponent(".."), NameProblem::kDots);
  EXPECT_EQ(CheckComponent("/"), NameProblem::kSlash);
  EXPECT_EQ(CheckComponent("/a"), NameProblem::kSlash);
  EXPECT_EQ(CheckComponent("a/"), NameProblem::kSlash);
  EXPECT_EQ(CheckComponent("../a"), NameProblem::kSlash);
  EXPECT_EQ(CheckComponent(std::string(256, 'a')), NameProblem::kTooLong);
}

TEST(PathPolicy, RefusesControlCharacters) {
  for (int c = 0; c < 256; ++c) {
    const std::string name = std::string("a") + static_cast<char>(c) + "b";
    const bool control = c < 0x20 || c == 0x7f;
    if (c == '/') continue;
    EXPECT_EQ(CheckComponent(name),
              control ? NameProblem::kControlCharacter : NameProblem::kNone)
        << c;
  }
}

TEST(PathPolicy, EachProblemHasItsWords) {
  for (const NameProblem problem :
       {NameProblem::kNone, NameProblem::kEmpty, NameProblem::kDots,
        NameProblem::kSlash, NameProblem::kControlCharacter,
        NameProblem::kTooLong}) {
    EXPECT_FALSE(Describe(problem).empty());
  }
}

}  // namespace
}  // namespace p2pcp::file
