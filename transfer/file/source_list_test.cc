#include "transfer/file/source_list.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

Result<SourceList> Scan(std::vector<std::string> paths) {
  return ScanSources(paths);
}

TEST(ScanSources, TakesNameSizeTimeAndOwnersX) {
  TestFolder folder;
  const std::string path = folder.Write("tool", "12345");
  std::filesystem::permissions(path, std::filesystem::perms(0750));
  const struct timespec times[2] = {{0, 0}, {1'234'567'890, 987'654'321}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  const Result<SourceList> list = Scan({path, folder.Write("empty", "")});
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->manifest[0],
            (Entry{"tool", 5, {1'234'567'890, 987'654'321}, true}));
  EXPECT_EQ(list->manifest[1].name, "empty");
  EXPECT_FALSE(list->manifest[1].executable);
  EXPECT_EQ(list->manifest.total(), 5u);
  EXPECT_EQ(list->files[0].path, path);
}

TEST(ScanSources, SaysThatAFolderIsNotSent) {
  TestFolder folder;
  const Result<SourceList> list = Scan({folder.path()});
  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().code, ErrorCode::kUsage);
  EXPECT_NE(list.error().message.find("is a folder"), std::string::npos);
}

TEST(ScanSources, WhatCannotBeReadIsUnreadable) {
  TestFolder folder;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  std::filesystem::create_symlink("fifo", folder / "link");
  for (const std::string& path :
       {folder / "missing", folder / "fifo", folder / "link",
        std::string("/dev/null"), folder.Write("x", "") + "/y"}) {
    const Result<SourceList> list = Scan({path});
    ASSERT_FALSE(list.ok()) << path;
    EXPECT_EQ(list.error().code, ErrorCode::kSourceUnreadable) << path;
  }
  EXPECT_NE(Scan({folder / "link"}).error().message.find("symbolic link"),
            std::string::npos);
}

TEST(ScanSources, RefusesWhatAReceiverWouldRefuse) {
  TestFolder folder;
  std::filesystem::create_directory(folder / "sub");
  EXPECT_EQ(Scan({folder.Write(".hidden", "x")}).error().code,
            ErrorCode::kUsage);
  EXPECT_EQ(Scan({folder.Write("a\nb", "x")}).error().code, ErrorCode::kUsage);
  EXPECT_EQ(
      Scan({folder.Write("a", "x"), folder.Write("sub/a", "y")}).error().code,
      ErrorCode::kUsage);
  EXPECT_EQ(Scan({}).error().code, ErrorCode::kUsage);
}

}  // namespace
}  // namespace p2pcp::file
