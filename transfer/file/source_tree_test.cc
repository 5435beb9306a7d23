#include "transfer/file/source_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "net/base/result.h"
#include "transfer/file/entry.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

class SourceTreeTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& content = "x") {
    fs::create_directories(fs::path(folder_ / name).parent_path());
    return folder_.Write(name, content);
  }
  void Scan(const std::vector<std::string>& paths, TreeOptions options = {},
            std::size_t max_items = 100) {
    Result<SourceTree> tree = SourceTree::Open(paths, std::move(options));
    ASSERT_TRUE(tree.ok()) << tree.error().message;
    Collect(*tree, max_items);
  }
  // All of the tree, as paths; folders have a slash at the end. A receiver can
  // follow it, and sees the same paths.
  void Collect(SourceTree& tree, std::size_t max_items) {
    paths_.clear();
    notes_.clear();
    items_.clear();
    EntryChecker checker;
    ScanBatch batch;
    while (!batch.end) {
      batch.Clear();
      tree.Next(batch, max_items);
      ASSERT_LE(batch.items.size(), max_items);
      for (ScanItem& item : batch.items) {
        ASSERT_TRUE(checker.Add(item.entry).ok());
        EXPECT_EQ(checker.path(), item.source.name());
        paths_.push_back(checker.path() + (item.entry.is_folder() ? "/" : ""));
        items_.push_back(std::move(item));
      }
      for (ScanNote& note : batch.notes) notes_.push_back(std::move(note));
    }
  }

  TestFolder folder_;
  Names paths_;
  std::vector<ScanItem> items_;
  std::vector<ScanNote> notes_;
};

TEST_F(SourceTreeTest, TakesNameSizeTimeAndOwnersX) {
  const std::string path = Write("tool", "12345");
  fs::permissions(path, fs::perms(0750));
  const struct timespec times[2] = {{0, 0}, {1'234'567'890, 987'654'321}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  Scan({path, Write("empty", "")});
  ASSERT_EQ(paths_, (Names{"tool", "empty"}));
  EXPECT_EQ(items_[0].entry.size, 5u);
  EXPECT_EQ(items_[0].entry.mtime, (FileTime{1'234'567'890, 987'654'321}));
  EXPECT_TRUE(items_[0].entry.executable);
  EXPECT_FALSE(items_[1].entry.executable);
  EXPECT_EQ(items_[0].source.path, path);
}

TEST_F(SourceTreeTest, GoesThroughFoldersDepthFirst) {
  Write("top/a/b/c");
  Write("top/a/x");
  Write("top/z");
  fs::create_directories(folder_ / "top/empty/deeper");
  const std::string file = Write("file");
  for (const std::size_t max_items : {1, 2, 100}) {
    Scan({folder_ / "top", file}, {}, max_items);
    EXPECT_EQ(paths_,
              (Names{"top/", "top/a/", "top/a/b/", "top/a/b/c", "top/a/x",
                     "top/empty/", "top/empty/deeper/", "top/z", "file"}));
  }
  EXPECT_TRUE(notes_.empty());
}

TEST_F(SourceTreeTest, BeginsAnewWhenAsked) {
  Write("top/a");
  Write("top/b");
  const std::vector<std::string> paths = {folder_ / "top"};
  Result<SourceTree> tree = SourceTree::Open(paths, {});
  ASSERT_TRUE(tree.ok());
  ScanBatch batch;
  tree->Next(batch, 2);
  tree->Restart();
  Collect(*tree, 1);
  EXPECT_EQ(paths_, (Names{"top/", "top/a", "top/b"}));
}

TEST_F(SourceTreeTest, AFolderHasItsNameHoweverItIsCalled) {
  Write("top/sub/a");
  for (const std::string path : {"top/", "top//", "top/.", "top/sub/.."}) {
    Scan({folder_ / path});
    EXPECT_EQ(paths_, (Names{"top/", "top/sub/", "top/sub/a"})) << path;
  }
  EXPECT_EQ(SourceTree::Open(std::vector<std::string>{"/"}, {}).error().code,
            ErrorCode::kUsage);
}

TEST_F(SourceTreeTest, LinksAreLeftOutOrFollowedButNeverInCircles) {
  Write("top/real", "12");
  Write("elsewhere/inside");
  fs::create_symlink("real", folder_ / "top/link");
  fs::create_symlink("../elsewhere", folder_ / "top/to");
  fs::create_symlink("..", folder_ / "elsewhere/up");
  fs::create_symlink(".", folder_ / "top/self");
  fs::create_symlink("nowhere", folder_ / "top/broken");
  Scan({folder_ / "top"});
  EXPECT_EQ(paths_, (Names{"top/", "top/real"}));
  EXPECT_EQ(notes_.size(), 4u);
  for (const ScanNote& note : notes_) {
    EXPECT_EQ(note.kind, ScanNote::Kind::kSymlink);
    EXPECT_FALSE(note.counts());
  }
  TreeOptions follow;
  follow.follow = true;
  Scan({folder_ / "top"}, std::move(follow));
  // top/to/up is the folder above top, which leads to top again, and there it
  // ends.
  EXPECT_EQ(items_[1].entry.size, 2u);
  EXPECT_NE(std::find(paths_.begin(), paths_.end(), "top/link"), paths_.end());
  EXPECT_NE(std::find(paths_.begin(), paths_.end(), "top/to/inside"),
            paths_.end());
  EXPECT_LT(paths_.size(), 30u);
  std::size_t loops = 0;
  std::size_t broken = 0;
  for (const ScanNote& note : notes_) {
    if (note.kind == ScanNote::Kind::kLoop) ++loops;
    if (note.kind == ScanNote::Kind::kUnreadable) ++broken;
  }
  EXPECT_GT(loops, 0u);
  EXPECT_GT(broken, 0u);
}

TEST_F(SourceTreeTest, WhatCannotBeSentIsSaid) {
  Write("top/good");
  ASSERT_EQ(mkfifo((folder_ / "top/fifo").c_str(), 0600), 0);
  Write("top/bad\nname");
  Scan({folder_ / "top"});
  EXPECT_EQ(paths_, (Names{"top/", "top/good"}));
  ASSERT_EQ(notes_.size(), 2u);
  EXPECT_EQ(notes_[0].kind, ScanNote::Kind::kBadName);
  EXPECT_EQ(notes_[1].kind, ScanNote::Kind::kSpecial);
  EXPECT_TRUE(notes_[0].counts() && notes_[1].counts());
}

TEST_F(SourceTreeTest, NamesThatOrdinaryFoldersHaveAreTaken) {
  const Names names = {"top/cur/1:2,S", "top/dev-\\x2d.mount", "top/e\xcc\x81",
                       "top/\xc3\xa9",  "top/\xff\xfe",        "top/.hidden",
                       "top/aux.c",     "top/Foo::Bar.3pm",    "top/a b"};
  for (const std::string& name : names) Write(name);
  Scan({folder_ / "top"});
  for (const std::string& name : names) {
    EXPECT_NE(std::find(paths_.begin(), paths_.end(), name), paths_.end())
        << name;
  }
  EXPECT_TRUE(notes_.empty());
}

TEST_F(SourceTreeTest, DepthIsBounded) {
  std::string path = "top";
  for (int i = 0; i < 100; ++i) path += "/d";
  fs::create_directories(folder_ / path);
  Scan({folder_ / "top"});
  EXPECT_LT(paths_.size(), 64u);
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_EQ(notes_[0].kind, ScanNote::Kind::kBadName);
}

TEST_F(SourceTreeTest, PatternsLeaveOut) {
  Write("top/a.o");
  Write("top/a.c");
  Write("top/build/x");
  Write("top/sub/build/x");
  Write("top/sub/keep.o");
  TreeOptions options;
  options.exclude.AddLines("*.o\n!keep.o\n/build/\n");
  // What is named is sent.
  Scan({folder_ / "top", Write("named.o")}, std::move(options));
  EXPECT_EQ(paths_, (Names{"top/", "top/a.c", "top/sub/", "top/sub/build/",
                           "top/sub/build/x", "top/sub/keep.o", "named.o"}));
}

TEST_F(SourceTreeTest, GitignoreHoldsBelowItsFolder) {
  Write("top/.gitignore", "*.log\n/only-here\n");
  Write("top/a.log");
  Write("top/only-here");
  Write("top/sub/.gitignore", "!b.log\n*.tmp\n");
  Write("top/sub/a.log");
  Write("top/sub/b.log");
  Write("top/sub/x.tmp");
  Write("top/sub/only-here");
  Write("top/x.tmp");
  Write("top/.git/config");
  TreeOptions options;
  options.gitignore = true;
  Scan({folder_ / "top"}, std::move(options));
  EXPECT_EQ(paths_,
            (Names{"top/", "top/.gitignore", "top/sub/", "top/sub/.gitignore",
                   "top/sub/b.log", "top/sub/only-here", "top/x.tmp"}));
  Scan({folder_ / "top"});
  EXPECT_EQ(paths_.size(), 13u);
}

TEST_F(SourceTreeTest, HolesAreNoticed) {
  Write("top/a");
  const std::string path = Write("top/sparse", "x");
  fs::resize_file(path, 10 << 20);
  Scan({folder_ / "top"});
  EXPECT_FALSE(items_[1].entry.sparse);
  EXPECT_TRUE(items_[2].entry.sparse);
  EXPECT_LT(items_[2].entry.data_bytes, 1u << 20);
}

TEST_F(SourceTreeTest, WhatIsNamedHasToBeThere) {
  ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  fs::create_symlink("fifo", folder_ / "link");
  const auto code = [](std::vector<std::string> paths) {
    return SourceTree::Open(paths, {}).error().code;
  };
  for (const std::string& path :
       {folder_ / "missing", folder_ / "fifo", folder_ / "link",
        std::string("/dev/null"), Write("x") + "/y"}) {
    EXPECT_EQ(code({path}), ErrorCode::kSourceUnreadable) << path;
  }
  EXPECT_EQ(code({Write("a\nb")}), ErrorCode::kUsage);
  EXPECT_EQ(code({Write("a"), Write("sub/a")}), ErrorCode::kUsage);
  EXPECT_EQ(code({}), ErrorCode::kUsage);
}

}  // namespace
}  // namespace p2pcp::file
