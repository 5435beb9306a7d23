#include "transfer/file/output_folder.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

TEST(OpenOutput, AFolderTakesFilesUnderTheirOwnNames) {
  TestFolder folder;
  for (const std::string& path : {folder.path(), folder.path() + "/"}) {
    const Result<OutputTarget> target = OpenOutput(path);
    ASSERT_TRUE(target.ok());
    EXPECT_FALSE(target->exact_name.has_value());
  }
}

TEST(OpenOutput, AnythingElseInAFolderIsTheNameOfTheFile) {
  TestFolder folder;
  folder.Write("there", "x");
  for (const std::string name : {"new", "there", ".hidden"}) {
    const Result<OutputTarget> target = OpenOutput(folder / name);
    ASSERT_TRUE(target.ok());
    EXPECT_EQ(target->exact_name, name);
    EXPECT_EQ(target->folder.path(), folder.path());
  }
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  const Result<OutputTarget> here = OpenOutput("name");
  std::filesystem::current_path(before);
  ASSERT_TRUE(here.ok());
  EXPECT_EQ(here->exact_name, "name");
}

TEST(OpenOutput, AFolderThatIsNotThereCannotBeWrittenTo) {
  TestFolder folder;
  folder.Write("file", "x");
  for (const std::string& path :
       {folder / "missing/", folder / "missing/file", folder / "file/x"}) {
    const Result<OutputTarget> target = OpenOutput(path);
    ASSERT_FALSE(target.ok()) << path;
    EXPECT_EQ(target.error().code, ErrorCode::kCannotWrite) << path;
  }
  const Result<OutputTarget> nameless = OpenOutput("");
  ASSERT_FALSE(nameless.ok());
  EXPECT_EQ(nameless.error().code, ErrorCode::kUsage);
}

TEST(OpenOutput, WhatCanOnlyBeAFolderIsToldAsOne) {
  TestFolder folder;
  folder.Write("file", "x");
  for (const std::string& path :
       {folder / "file/", folder / "file/.", folder / "file/.."}) {
    const Result<OutputTarget> target = OpenOutput(path);
    ASSERT_FALSE(target.ok()) << path;
    EXPECT_EQ(target.error().code, ErrorCode::kCannotWrite) << path;
    EXPECT_EQ(target.error().os_errno, ENOTDIR) << path;
  }
}

TEST(OpenOutput, ADeviceIsNoPlaceForAFile) {
  const Result<OutputTarget> target = OpenOutput("/dev/null");
  ASSERT_FALSE(target.ok());
  EXPECT_EQ(target.error().code, ErrorCode::kUsage);
  EXPECT_NE(target.error().message.find("--out -"), std::string::npos);
}

// Root may write everywhere unless it gives that up.
void DropCapabilities() {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  ASSERT_EQ(syscall(SYS_capset, &header, data), 0);
}

TEST(OpenOutput, AReadOnlyFolderCannotBeWrittenTo) {
  TestFolder folder;
  ASSERT_EQ(chmod(folder.path().c_str(), 0500), 0);
  // In a process of its own, whose exit code says what came out.
  EXPECT_EXIT(
      {
        DropCapabilities();
        const Result<OutputTarget> target = OpenOutput(folder.path());
        _exit(target ? 100 : static_cast<int>(target.error().code));
      },
      testing::ExitedWithCode(static_cast<int>(ErrorCode::kCannotWrite)), "");
}

TEST(OpenOutput, LeavesTheUmaskAsItIs) {
  TestFolder folder;
  const mode_t before = umask(027);
  const Result<OutputTarget> target = OpenOutput(folder.path());
  EXPECT_EQ(umask(before), mode_t{027});
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->folder.umask(), mode_t{027});
}

}  // namespace
}  // namespace p2pcp::file
