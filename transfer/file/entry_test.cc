#include "transfer/file/entry.h"

#include <gtest/gtest.h>

#include <string>

#include "transfer/file/path_policy.h"

namespace p2pcp::file {
namespace {

Entry File(const std::string& name, std::uint64_t size = 0,
           std::uint32_t up = 0) {
  Entry entry;
  entry.name = name;
  entry.size = size;
  entry.up = up;
  return entry;
}

Entry Folder(const std::string& name, std::uint32_t up = 0) {
  Entry entry = File(name, 0, up);
  entry.kind = Entry::Kind::kFolder;
  return entry;
}

TEST(EntryChecker, FollowsATreeDepthFirst) {
  EntryChecker checker;
  ASSERT_TRUE(checker.Add(File("top", 3)));
  EXPECT_EQ(checker.path(), "top");
  ASSERT_TRUE(checker.Add(Folder("a")));
  ASSERT_TRUE(checker.Add(Folder("b")));
  EXPECT_EQ(checker.path(), "a/b");
  ASSERT_TRUE(checker.Add(File("x", 4)));
  EXPECT_EQ(checker.path(), "a/b/x");
  EXPECT_EQ(checker.depth(), 2u);
  ASSERT_TRUE(checker.Add(Folder("empty", 1)));
  EXPECT_EQ(checker.path(), "a/empty");
  ASSERT_TRUE(checker.Add(File("y", 5, 2)));
  EXPECT_EQ(checker.path(), "y");
  EXPECT_EQ(checker.depth(), 0u);
  EXPECT_EQ(checker.entries(), 6u);
  EXPECT_EQ(checker.files(), 3u);
  EXPECT_EQ(checker.total(), 12u);
}

TEST(EntryChecker, NobodyLeavesTheTop) {
  EntryChecker checker;
  EXPECT_FALSE(checker.Add(File("a", 0, 1)));
  ASSERT_TRUE(checker.Add(Folder("f")));
  EXPECT_FALSE(checker.Add(File("a", 0, 2)));
  EXPECT_TRUE(checker.Add(File("a", 0, 1)));
}

TEST(EntryChecker, NamesAreOneComponent) {
  for (const std::string name :
       {"", ".", "..", "a/b", "/", "/a", "a\nb", "a\x7f", "a\x1b[2J"}) {
    EntryChecker checker;
    EXPECT_FALSE(checker.Add(File(name))) << name;
    EXPECT_FALSE(checker.Add(Folder(name))) << name;
  }
  EntryChecker checker;
  EXPECT_FALSE(checker.Add(File(std::string(256, 'a'))));
  EXPECT_FALSE(checker.Add(File(std::string("a\0b", 3))));
  // What ordinary folders have.
  for (const std::string name :
       {"aux.c", "Foo::Bar.3pm", "1:2,S", "\\x2d", "e\xcc\x81", "\xff\xfe",
        "\xe2\x80\xae", ".hidden", "~", "-rf"}) {
    EXPECT_TRUE(checker.Add(File(name))) << name;
  }
}

TEST(EntryChecker, DepthAndPathsAreBounded) {
  EntryChecker deep;
  for (std::size_t i = 1; i < kMaxDepth; ++i) {
    ASSERT_TRUE(deep.Add(Folder("f")));
  }
  EXPECT_TRUE(deep.Add(File("x")));
  EXPECT_TRUE(deep.Add(Folder("f")));
  EXPECT_FALSE(deep.Add(File("x")));

  EntryChecker wide;
  for (int i = 0; i < 15; ++i) {
    ASSERT_TRUE(wide.Add(Folder(std::string(255, 'n'))));
  }
  EXPECT_TRUE(wide.Add(File(std::string(255, 'x'))));
  ASSERT_TRUE(wide.Add(Folder(std::string(255, 'n'))));
  EXPECT_FALSE(wide.Add(File("x")));
}

TEST(EntryChecker, SizesAddUpWithoutOverflow) {
  EntryChecker checker;
  EXPECT_FALSE(checker.Add(File("a", kMaxTotal + 1)));
  EXPECT_FALSE(checker.Add(File("a", ~std::uint64_t{0})));
  ASSERT_TRUE(checker.Add(File("a", kMaxTotal - 1)));
  EXPECT_FALSE(checker.Add(File("b", 2)));
  ASSERT_TRUE(checker.Add(File("b", 1)));
  EXPECT_TRUE(checker.Add(File("c", 0)));
}

TEST(EntryChecker, TimesAreTimes) {
  Entry entry = File("a");
  entry.mtime.nanoseconds = 1'000'000'000;
  EXPECT_FALSE(EntryChecker().Add(entry));
}

TEST(EntryChecker, EntriesAreCounted) {
  EntryChecker checker;
  for (std::uint64_t i = 0; i < kMaxEntries; ++i) {
    ASSERT_TRUE(checker.Add(File("a")));
  }
  EXPECT_FALSE(checker.Add(File("a")));
}

}  // namespace
}  // namespace p2pcp::file
