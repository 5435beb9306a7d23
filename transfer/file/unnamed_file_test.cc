#include "transfer/file/unnamed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "transfer/file/test_folder.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {
namespace {

using Namer = int (*)(int, int, const char*);

// Both ways of naming keep the same promises.
class UnnamedFile : public testing::TestWithParam<Namer> {
 protected:
  UnnamedFile() : folder_fd_(open(folder_.path().c_str(), O_PATH)) {}

  // 0 or errno.
  int Name(const UniqueFd& file, const char* name) {
    return GetParam()(file.get(), folder_fd_.get(), name) == 0 ? 0 : errno;
  }

  TestFolder folder_;
  UniqueFd folder_fd_;
};

TEST_P(UnnamedFile, IsSeenOnceItHasItsName) {
  const UniqueFd file(CreateUnnamed(folder_fd_.get(), 0640));
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(write(file.get(), "text", 4), 4);
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{});
  ASSERT_EQ(Name(file, "name"), 0);
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"name"});
  EXPECT_EQ(folder_.Read("name"), "text");
  struct stat info;
  ASSERT_EQ(fstat(file.get(), &info), 0);
  EXPECT_EQ(info.st_nlink, 1u);
  EXPECT_EQ(info.st_mode & 0777u, 0640u);
}

TEST_P(UnnamedFile, ReplacesNothing) {
  folder_.Write("name", "old");
  ASSERT_EQ(symlink("nowhere", (folder_ / "link").c_str()), 0);
  const UniqueFd file(CreateUnnamed(folder_fd_.get(), 0600));
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(Name(file, "name"), EEXIST);
  EXPECT_EQ(Name(file, "link"), EEXIST);
  EXPECT_EQ(folder_.Read("name"), "old");
  EXPECT_EQ(Name(file, "other"), 0);
}

TEST_P(UnnamedFile, IsGoneWithItsDescriptor) {
  { const UniqueFd file(CreateUnnamed(folder_fd_.get(), 0600)); }
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{});
}

INSTANTIATE_TEST_SUITE_P(, UnnamedFile,
                         testing::Values(&NameUnnamed, &NameThroughProc),
                         [](const testing::TestParamInfo<Namer>& info) {
                           return info.index == 0 ? "Directly" : "ThroughProc";
                         });

}  // namespace
}  // namespace p2pcp::file
