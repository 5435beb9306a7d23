#include "transfer/file/file_head.h"

#include <gtest/gtest.h>

#include <string>

#include "net/base/bytes.h"
#include "transfer/file/disk.h"
#include "transfer/file/faulty_syscalls.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/listed_file.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

class FileHeadTest : public testing::Test {
 protected:
  FileHeadTest() : disk_(&faults_) {}

  void Turn() {
    while (const auto done = disk_.Poll()) EXPECT_TRUE(head_.Handle(*done));
  }

  TestFolder folder_;
  FaultySyscalls faults_;
  FileHead head_;
  InlineDisk disk_;
};

TEST_F(FileHeadTest, ReadsTheFirstBytes) {
  const std::string content = RandomText(100'000, 1);
  const std::string path = folder_.Write("file", content);
  EXPECT_FALSE(head_.begun());
  head_.Read(disk_, ListFile(path), 60'000);
  EXPECT_TRUE(head_.begun());
  EXPECT_TRUE(head_.bytes().empty());
  Turn();
  EXPECT_EQ(AsText(head_.bytes()), content.substr(0, 60'000));
}

TEST_F(FileHeadTest, HasNothingOfAFileThatIsAnotherByNow) {
  const auto listed = ListFile(folder_.Write("file", RandomText(1000, 1)));
  folder_.Write("file", RandomText(2000, 2));
  head_.Read(disk_, listed, 1000);
  Turn();
  EXPECT_TRUE(head_.bytes().empty());
}

TEST_F(FileHeadTest, LeavesOtherJobsToOthers) {
  Completion done;
  done.slot = FileHead::kSlot;
  EXPECT_FALSE(head_.Handle(done));
  done.slot = 0;
  done.tag = FileHead::kTag;
  EXPECT_FALSE(head_.Handle(done));
}

}  // namespace
}  // namespace p2pcp::file
