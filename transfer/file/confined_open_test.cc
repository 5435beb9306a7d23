#include "transfer/file/confined_open.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "transfer/file/test_folder.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {
namespace {

constexpr int kCreate = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;

using Opener = int (*)(int, const std::string&, int, mode_t);

// Both ways of opening keep the same promises.
class ConfinedOpen : public testing::TestWithParam<Opener> {
 protected:
  ConfinedOpen() : fd_(open(inside_.c_str(), O_PATH | O_DIRECTORY)) {}

  static std::string MakeInside(const TestFolder& folder) {
    std::filesystem::create_directories(folder / "in/sub");
    std::filesystem::create_directory(folder / "out");
    return folder / "in";
  }

  // 0 or errno.
  int Try(const std::string& path) {
    const UniqueFd fd(GetParam()(fd_.get(), path, kCreate, 0600));
    return fd.ok() ? 0 : errno;
  }

  TestFolder folder_;
  std::string inside_ = MakeInside(folder_);
  UniqueFd fd_;
};

TEST_P(ConfinedOpen, CreatesFilesBeneath) {
  EXPECT_EQ(Try("file"), 0);
  EXPECT_EQ(Try("sub/file"), 0);
  EXPECT_TRUE(folder_.Has("in/file"));
  EXPECT_TRUE(folder_.Has("in/sub/file"));
  EXPECT_EQ(Try("file"), EEXIST);
  EXPECT_EQ(Try("missing/file"), ENOENT);
}

TEST_P(ConfinedOpen, NeverLeavesTheFolder) {
  std::filesystem::create_symlink("../out", folder_ / "in/link");
  std::filesystem::create_symlink(folder_ / "out", folder_ / "in/absolute");
  std::filesystem::create_symlink("../out/new", folder_ / "in/dangling");
  std::filesystem::create_symlink("sub", folder_ / "in/harmless");
  EXPECT_EQ(Try("../out/x"), EXDEV);
  EXPECT_EQ(Try("sub/../../out/x"), EXDEV);
  EXPECT_EQ(Try(folder_ / "out/x"), EXDEV);
  EXPECT_EQ(Try("link/x"), ELOOP);
  EXPECT_EQ(Try("absolute/x"), ELOOP);
  EXPECT_EQ(Try("harmless/x"), ELOOP);
  EXPECT_NE(Try("dangling"), 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "out"));
}

TEST_P(ConfinedOpen, NeverFollowsMagicLinks) {
  const UniqueFd proc(open("/proc/self", O_PATH | O_DIRECTORY));
  ASSERT_TRUE(proc.ok());
  const UniqueFd fd(GetParam()(proc.get(), "cwd/x", kCreate, 0600));
  EXPECT_FALSE(fd.ok());
}

TEST_P(ConfinedOpen, NeverEntersAnotherFileSystem) {
  const UniqueFd root(open("/", O_PATH | O_DIRECTORY));
  ASSERT_TRUE(root.ok());
  const UniqueFd fd(
      GetParam()(root.get(), "proc/version", O_RDONLY | O_CLOEXEC, 0));
  EXPECT_FALSE(fd.ok());
  EXPECT_EQ(errno, EXDEV);
}

INSTANTIATE_TEST_SUITE_P(Both, ConfinedOpen,
                         testing::Values(&OpenBeneath, &OpenComponents));

}  // namespace
}  // namespace p2pcp::file
