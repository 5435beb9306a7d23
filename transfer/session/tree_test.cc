// Folders between a Sender and a Receiver: what arrives, and what is kept back.

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "net/base/time.h"
#include "transfer/session/session.h"
#include "transfer/session/session_pair.h"

namespace p2pcp {
namespace {

namespace fs = std::filesystem;
using file::RandomText;

struct Seen {
  std::string content;
  bool executable = false;
  std::int64_t mtime = 0;
  std::int64_t mtime_ns = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
};

// All beneath a folder by path: files with their content, folders with a slash.
std::map<std::string, Seen> Tree(const std::string& root) {
  std::map<std::string, Seen> tree;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    struct stat info;
    EXPECT_EQ(lstat(entry.path().c_str(), &info), 0);
    Seen seen;
    seen.mtime = info.st_mtim.tv_sec;
    seen.mtime_ns = info.st_mtim.tv_nsec;
    std::string path = fs::relative(entry.path(), root).string();
    if (entry.is_directory()) {
      path += '/';
    } else {
      seen.executable = (info.st_mode & S_IXUSR) != 0;
      std::ifstream in(entry.path(), std::ios::binary);
      seen.content.assign(std::istreambuf_iterator<char>(in), {});
    }
    tree[path] = std::move(seen);
  }
  return tree;
}

class TreeTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& content) {
    fs::create_directories(fs::path(pair.in / name).parent_path());
    pair.in.Write(name, content);
  }
  // Every folder and file gets a time of its own.
  void SetTimes() {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::recursive_directory_iterator(pair.in.path())) {
      paths.push_back(entry.path());
    }
    std::int64_t seconds = 1'000'000'000;
    for (const fs::path& path : paths) {
      const struct timespec times[2] = {{0, UTIME_OMIT}, {++seconds, 123}};
      ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    }
  }
  void Send(const std::string& name) { pair.paths.push_back(pair.in / name); }
  void Run() {
    pair.Start();
    ASSERT_TRUE(pair.Run(200s));
  }
  void ExpectSuccess() {
    Run();
    for (int side = 0; side < 2; ++side) {
      EXPECT_EQ(pair.Outcome(side), std::nullopt)
          << pair.Find<Failed>(side)->error.message;
    }
  }
  void ExpectFailure(ErrorCode code) {
    Run();
    for (int side = 0; side < 2; ++side) {
      EXPECT_EQ(pair.Outcome(side), code);
    }
  }
  std::size_t Count(int side, auto condition) {
    std::size_t count = 0;
    for (const SessionEvent& event : pair.events(side)) {
      if (condition(event)) ++count;
    }
    return count;
  }

  SessionPair pair;
};

TEST_F(TreeTest, AFolderArrivesWithAllThatIsInIt) {
  Write("top/a", "1");
  Write("top/sub/big", RandomText(3'000'000, 1));
  Write("top/sub/deeper/x", RandomText(300'000, 2));
  Write("top/z", "");
  fs::create_directories(pair.in / "top/empty/deeper");
  fs::permissions(pair.in / "top/a", fs::perms(0700));
  Write("file", "beside it");
  SetTimes();
  Send("top");
  Send("file");
  ExpectSuccess();
  EXPECT_EQ(Tree(pair.out.path()), Tree(pair.in.path()));
  EXPECT_EQ(pair.Find<Completed>(1)->file_count, 5u);
}

// A program that shows some of a million files need not hear of the others.
TEST(ToldFiles, FileDoneTellsOfSoManyAtMost) {
  SessionPair pair({.told_files = 3});
  for (int i = 0; i < 10; ++i) {
    pair.Add("file " + std::to_string(i), RandomText(1000, 1));
  }
  pair.Start();
  ASSERT_TRUE(pair.Run());
  for (int side = 0; side < 2; ++side) {
    EXPECT_EQ(pair.Outcome(side), std::nullopt);
    EXPECT_EQ(pair.Find<Completed>(side)->file_count, 10u);
    std::size_t told = 0;
    for (const SessionEvent& event : pair.events(side)) {
      if (std::holds_alternative<FileDone>(event)) ++told;
    }
    EXPECT_EQ(told, 3u);
  }
}

TEST_F(TreeTest, NamesThatOrdinaryFoldersHaveArrive) {
  for (const std::string name :
       {"cur/1:2,S", "dev-\\x2d.mount", "e\xcc\x81", "\xc3\xa9", "\xff\xfe",
        ".hidden", ".config/x", "aux.c", "Foo::Bar.3pm", "a b", "-rf",
        "\xe2\x80\xae"}) {
    Write("top/" + name, name);
  }
  SetTimes();
  Send("top");
  ExpectSuccess();
  EXPECT_EQ(Tree(pair.out.path()), Tree(pair.in.path()));
}

TEST_F(TreeTest, ManyFoldersOfManyFilesArrive) {
  for (int i = 0; i < 40; ++i) {
    for (int j = 0; j < 30; ++j) {
      Write("top/" + std::to_string(i) + "/" + std::to_string(j),
            RandomText((i * j * 37) % 4096, i * 100 + j));
    }
  }
  SetTimes();
  Send("top");
  pair.link().loss = 0.02;
  ExpectSuccess();
  EXPECT_EQ(Tree(pair.out.path()), Tree(pair.in.path()));
  EXPECT_LT(pair.faults[1].all_syncs, 20u);
}

TEST_F(TreeTest, AFolderMergesIntoOneThatIsThere) {
  Write("top/same", "same");
  Write("top/other", "new");
  Write("top/fresh/x", "x");
  SetTimes();
  fs::create_directories(pair.out / "top/old");
  fs::copy_file(pair.in / "top/same", pair.out / "top/same");
  fs::last_write_time(pair.out / "top/same",
                      fs::last_write_time(pair.in / "top/same"));
  pair.out.Write("top/other", "old");
  pair.out.Write("top/old/y", "y");
  Send("top");
  ExpectSuccess();
  EXPECT_EQ(pair.out.Read("top/other"), "old");
  EXPECT_EQ(pair.out.Read("top/other (1)"), "new");
  EXPECT_EQ(pair.out.Read("top/old/y"), "y");
  EXPECT_EQ(pair.out.Read("top/fresh/x"), "x");
  EXPECT_FALSE(pair.out.Has("top/same (1)"));
}

// Size, time and digest are the same: nothing of it travels, whatever the
// policy.
TEST(Tree, WhatIsThereAlreadyIsNotSent) {
  for (const auto conflict :
       {file::ConflictPolicy::kRename, file::ConflictPolicy::kSkip,
        file::ConflictPolicy::kOverwrite}) {
    SessionPair pair({.conflict = conflict});
    const std::string big = RandomText(3'000'000, 1);
    for (const std::string name : {"big", "empty"}) {
      pair.Add(name, name == "big" ? big : "");
      fs::copy_file(pair.in / name, pair.out / name);
      fs::last_write_time(pair.out / name, fs::last_write_time(pair.in / name));
    }
    pair.Start();
    ASSERT_TRUE(pair.Run());
    for (int side = 0; side < 2; ++side) {
      EXPECT_EQ(pair.Outcome(side), std::nullopt);
      ASSERT_NE(pair.Find<FileDone>(side), nullptr);
      EXPECT_TRUE(pair.Find<FileDone>(side)->was_there);
      EXPECT_EQ(pair.Find<Completed>(side)->file_count, 2u);
    }
    EXPECT_EQ(pair.sender().stats().data_bytes_sent, 0u);
    EXPECT_EQ(pair.out.Names().size(), 2u);
  }
}

// The same size and time, and other bytes.
TEST(Tree, WhatOnlyLooksTheSameIsSent) {
  for (const auto conflict :
       {file::ConflictPolicy::kRename, file::ConflictPolicy::kSkip,
        file::ConflictPolicy::kOverwrite}) {
    SessionPair pair({.conflict = conflict, .slow_disks = true});
    const std::string content = RandomText(2'000'000, 1);
    pair.Add("before", RandomText(700'000, 3));
    pair.Add("file", content);
    pair.Add("after", RandomText(700'000, 4));
    const std::string other = RandomText(2'000'000, 2);
    pair.out.Write("file", other);
    fs::last_write_time(pair.out / "file",
                        fs::last_write_time(pair.in / "file"));
    pair.Start();
    ASSERT_TRUE(pair.Run());
    const bool skip = conflict == file::ConflictPolicy::kSkip;
    for (int side = 0; side < 2; ++side) {
      EXPECT_EQ(pair.Outcome(side),
                skip ? std::optional(ErrorCode::kKeptBack) : std::nullopt);
    }
    EXPECT_EQ(pair.out.Read("file"),
              conflict == file::ConflictPolicy::kOverwrite ? content : other);
    if (conflict == file::ConflictPolicy::kRename) {
      EXPECT_EQ(pair.out.Read("file (1)"), content);
    }
    EXPECT_EQ(pair.out.Read("after"), RandomText(700'000, 4));
  }
}

TEST_F(TreeTest, AFileInTheWayOfAFolderIsKept) {
  Write("top/a", "1");
  Write("top/sub/b", "2");
  Write("other", "3");
  pair.out.Write("top", "a file");
  Send("top");
  Send("other");
  ExpectFailure(ErrorCode::kKeptBack);
  EXPECT_EQ(pair.out.Read("top"), "a file");
  EXPECT_EQ(pair.out.Read("other"), "3");
}

// A name alone may stand in many folders, or in the words around it.
TEST_F(TreeTest, WhatIsKeptBackIsCalledByItsPath) {
  SessionPair pair({.conflict = file::ConflictPolicy::kSkip});
  fs::create_directories(pair.in / "top/sub");
  fs::create_directories(pair.out / "top");
  pair.in.Write("top/it", "1");
  pair.in.Write("top/sub/b", "2");
  pair.out.Write("top/it", "before");
  pair.out.Write("top/sub", "a file");
  pair.paths = {pair.in / "top"};
  pair.Start();
  ASSERT_TRUE(pair.Run());
  std::set<std::string> messages;
  for (const SessionEvent& event : pair.events(1)) {
    if (const auto* failed = std::get_if<FileFailed>(&event)) {
      messages.insert(failed->error.message);
    }
  }
  EXPECT_EQ(messages, (std::set<std::string>{
                          "top/it exists: --conflict overwrite replaces it",
                          "top/sub exists and is not a folder",
                          "top/sub/b lies in a folder that is kept back"}));
}

TEST_F(TreeTest, AFileThatCannotBeReadDoesNotHoldUpTheRest) {
  Write("top/a", "1");
  Write("top/b", RandomText(2'000'000, 1));
  Write("top/c", RandomText(2'000'000, 2));
  Write("top/d", "4");
  Send("top");
  pair.Start();
  // Gone, and changed, before they are read.
  fs::remove(pair.in / "top/a");
  pair.in.Write("top/b", "other");
  ASSERT_TRUE(pair.Run());
  for (int side = 0; side < 2; ++side) {
    EXPECT_EQ(pair.Outcome(side), ErrorCode::kSourceUnreadable);
    EXPECT_EQ(Count(side,
                    [](const SessionEvent& event) {
                      return std::holds_alternative<FileFailed>(event);
                    }),
              2u);
  }
  EXPECT_EQ(Tree(pair.out.path()).size(), 3u);
  EXPECT_EQ(pair.out.Read("top/c"), RandomText(2'000'000, 2));
  EXPECT_EQ(pair.out.Read("top/d"), "4");
}

// Also in the middle of it, when half of its bytes have come.
TEST_F(TreeTest, AFileThatChangesOnItsWayDoesNotHoldUpTheRest) {
  for (int i = 0; i < 5; ++i) {
    Write("top/" + std::to_string(i), RandomText(20 << 20, i));
  }
  Send("top");
  pair.Start();
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t until = (std::uint64_t{20} << 20) * i + 8'000'000;
    ASSERT_TRUE(pair.RunUntil(
        [&] { return pair.receiver().stats().data_bytes_received > until; }));
    if (i % 2 == 1) continue;
    std::ofstream(pair.in / ("top/" + std::to_string(i)), std::ios::app) << "x";
  }
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kSourceUnreadable);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kSourceUnreadable);
  EXPECT_FALSE(pair.out.Has("top/0"));
  EXPECT_EQ(pair.out.Read("top/1"), RandomText(20 << 20, 1));
  EXPECT_EQ(pair.out.Read("top/4"), RandomText(20 << 20, 4));
}

TEST_F(TreeTest, WhatIsNotSentIsSaid) {
  Write("top/a", "1");
  ASSERT_EQ(mkfifo((pair.in / "top/fifo").c_str(), 0600), 0);
  fs::create_symlink("a", pair.in / "top/link");
  Send("top");
  ExpectFailure(ErrorCode::kKeptBack);
  EXPECT_EQ(Count(0,
                  [](const SessionEvent& event) {
                    return std::holds_alternative<LeftOut>(event);
                  }),
            2u);
  EXPECT_EQ(pair.out.Read("top/a"), "1");
  EXPECT_EQ(pair.Find<Failed>(0)->error.message, "1 file was kept back");
  // Which one is said over there.
  EXPECT_EQ(pair.Find<Failed>(1)->error.message,
            "1 file was left out by the sender");
}

TEST_F(TreeTest, ALinkAloneIsNoFailure) {
  Write("top/a", "1");
  fs::create_symlink("a", pair.in / "top/link");
  Send("top");
  ExpectSuccess();
  EXPECT_FALSE(pair.out.Has("top/link"));
}

TEST(Tree, DotfilesAtTheTopNeedPermission) {
  for (const bool allow : {false, true}) {
    SessionPair pair({.allow_dotfiles = allow});
    fs::create_directories(pair.in / ".config");
    pair.in.Write(".config/x", "1");
    pair.paths.push_back(pair.in / ".config");
    pair.Add("plain", "2");
    pair.Start();
    ASSERT_TRUE(pair.Run());
    EXPECT_EQ(pair.Outcome(1),
              allow ? std::nullopt : std::optional(ErrorCode::kKeptBack));
    EXPECT_EQ(pair.out.Has(".config/x"), allow);
    EXPECT_EQ(pair.out.Read("plain"), "2");
  }
}

TEST(Tree, AFolderNeedsAFolder) {
  SessionPair pair({.out = "chosen"});
  fs::create_directories(pair.in / "top");
  pair.paths.push_back(pair.in / "top");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kDeclined);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kUsage);
  EXPECT_TRUE(pair.out.Names().empty());
}

TEST(Tree, SparseFilesStaySparse) {
  for (const bool slow : {false, true}) {
    SessionPair pair({.slow_disks = slow});
    const std::string path = pair.in.Write("sparse", RandomText(100'000, 1));
    fs::resize_file(path, std::uint64_t{1} << 30);
    {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(500 << 20);
      file << RandomText(3'000'000, 2);
    }
    pair.paths.push_back(path);
    pair.Add("after", "1");
    pair.Start();
    ASSERT_TRUE(pair.Run());
    EXPECT_EQ(pair.Outcome(0), std::nullopt);
    EXPECT_EQ(pair.Outcome(1), std::nullopt);
    struct stat info;
    ASSERT_EQ(stat((pair.out / "sparse").c_str(), &info), 0);
    EXPECT_EQ(info.st_size, 1 << 30);
    EXPECT_LT(info.st_blocks * 512, 5 << 20);
    EXPECT_LT(pair.sender().stats().data_bytes_sent, 5u << 20);
    EXPECT_EQ(pair.sender().progress().bytes_done,
              pair.sender().progress().bytes_total);
    std::ifstream file(pair.out / "sparse", std::ios::binary);
    std::string text(3'000'000, ' ');
    file.seekg(500 << 20);
    file.read(text.data(), 3'000'000);
    EXPECT_EQ(text, RandomText(3'000'000, 2));
  }
}

TEST_F(TreeTest, OneEmptyFolderArrives) {
  fs::create_directories(pair.in / "top");
  Send("top");
  ExpectSuccess();
  EXPECT_TRUE(fs::is_directory(pair.out / "top"));
  EXPECT_EQ(pair.Find<Completed>(1)->file_count, 0u);
}

TEST_F(TreeTest, AFolderThatCannotBeMadeEndsIt) {
  Write("top/a", "1");
  Send("top");
  pair.faults[1].folder_error = ENOSPC;
  ExpectFailure(ErrorCode::kCannotWrite);
  EXPECT_TRUE(pair.out.Names().empty());
}

// More entries than may be open at once.
TEST_F(TreeTest, AListLongerThanTheWindowArrives) {
  fs::create_directories(pair.in / "top");
  for (int i = 0; i < 9'000; ++i) {
    std::ofstream(pair.in / ("top/" + std::to_string(i)));
  }
  Send("top");
  ExpectSuccess();
  EXPECT_EQ(pair.Find<Completed>(0)->file_count, 9'000u);
  EXPECT_EQ(static_cast<std::size_t>(
                std::distance(fs::directory_iterator(pair.out / "top"), {})),
            9'000u);
}

}  // namespace
}  // namespace p2pcp
