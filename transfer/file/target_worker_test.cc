// Small files of a TargetWorker; what else it does is tested with the disk, the
// sink and the sessions that use it.

#include "transfer/file/target_worker.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/faulty_syscalls.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

class TargetWorkerTest : public testing::Test {
 protected:
  TargetWorkerTest()
      : output_folder_(*OutputFolder::Open(folder_.path())), scratch_(4096) {
    Begin();
  }

  void Begin() { worker_.emplace(syscalls_, nullptr, hasher_); }
  Output Of(const std::string& name, bool fresh) {
    Output output;
    output.root = &output_folder_;
    output.fresh = fresh;
    output.part_prefix = &prefix_;
    output.part_number = next_part_++;
    output.name = name;
    output.mtime = {1'600'000'000, 1};
    return output;
  }
  Status Store(Output& output, const std::string& content) {
    Completion completion;
    Status stored =
        worker_->Store(output, AsBytes(content), scratch_, completion);
    if (stored) {
      EXPECT_EQ(completion.digest, Hasher::Of(AsBytes(content)));
    }
    return stored;
  }
  std::size_t TemporaryNames() const {
    const std::vector<std::string> names = folder_.Names();
    return static_cast<std::size_t>(
        std::count_if(names.begin(), names.end(), [](const std::string& name) {
          return name.starts_with(".p2pcp-") && name.ends_with(".part");
        }));
  }

  TestFolder folder_;
  OutputFolder output_folder_;
  FaultySyscalls syscalls_;
  WholeHasher hasher_;
  const std::string prefix_ = ".p2pcp-x";
  std::uint64_t next_part_ = 0;
  Bytes scratch_;
  std::optional<TargetWorker> worker_;
};

TEST_F(TargetWorkerTest, AFileInANewFolderIsNotSeenBeforeItHasItsName) {
  Output output = Of("name", /*fresh=*/true);
  ASSERT_TRUE(Store(output, "content").ok());
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{});
  ASSERT_TRUE(worker_->Sync(output).ok());
  EXPECT_EQ(syscalls_.data_syncs, 1u);
  ASSERT_TRUE(worker_->Place(output).ok());
  EXPECT_EQ(output.final_name, "name");
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"name"});
  EXPECT_EQ(folder_.Read("name"), "content");
}

TEST_F(TargetWorkerTest, TheFolderOfANewNameIsSynced) {
  Output output = Of("name", /*fresh=*/true);
  ASSERT_TRUE(Store(output, "content").ok());
  ASSERT_TRUE(worker_->Sync(output).ok());
  EXPECT_EQ(syscalls_.folder_syncs, 0u);
  ASSERT_TRUE(worker_->Place(output).ok());
  ASSERT_TRUE(worker_->Sync(output).ok());
  EXPECT_EQ(syscalls_.folder_syncs, 1u);
  ASSERT_TRUE(worker_->Sync(output).ok());
  EXPECT_EQ(syscalls_.folder_syncs, 1u);
}

TEST_F(TargetWorkerTest, MoreThanAFewFilesAreSyncedTogether) {
  std::vector<Output> outputs;
  for (int i = 0; i < 9; ++i) {
    outputs.push_back(Of("name " + std::to_string(i), /*fresh=*/true));
    ASSERT_TRUE(Store(outputs.back(), "content").ok());
  }
  ASSERT_TRUE(worker_->Sync(outputs[0]).ok());
  EXPECT_EQ(syscalls_.data_syncs, 0u);
  EXPECT_EQ(syscalls_.all_syncs, 1u);
}

TEST_F(TargetWorkerTest, MoreThanAFewFoldersAreSyncedTogether) {
  std::vector<Output> outputs;
  for (int i = 0; i < 9; ++i) {
    const auto path = std::make_shared<const std::string>(std::to_string(i));
    ASSERT_EQ(mkdirat(output_folder_.fd(), path->c_str(), 0700), 0);
    outputs.push_back(Of("name", /*fresh=*/true));
    outputs.back().folder = path;
    ASSERT_TRUE(Store(outputs.back(), "content").ok());
    ASSERT_TRUE(worker_->Sync(outputs.back()).ok());
  }
  EXPECT_EQ(syscalls_.all_syncs, 0u);
  for (Output& output : outputs) EXPECT_TRUE(worker_->Place(output).ok());
  ASSERT_TRUE(worker_->Sync(outputs[0]).ok());
  EXPECT_EQ(syscalls_.all_syncs, 1u);
  EXPECT_EQ(syscalls_.folder_syncs, 0u);
}

// Elsewhere a file of others may have to be replaced, or given way to.
TEST_F(TargetWorkerTest, AFileInAFolderThatWasThereHasATemporaryName) {
  Output output = Of("name", /*fresh=*/false);
  ASSERT_TRUE(Store(output, "content").ok());
  EXPECT_EQ(TemporaryNames(), 1u);
  ASSERT_TRUE(worker_->Place(output).ok());
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"name"});
}

TEST_F(TargetWorkerTest, WhereFilesCannotBeWithoutANameTheyHaveATemporaryOne) {
  syscalls_.unnamed_error = EOPNOTSUPP;
  Output output = Of("name", /*fresh=*/true);
  ASSERT_TRUE(Store(output, "content").ok());
  EXPECT_EQ(TemporaryNames(), 1u);
  ASSERT_TRUE(worker_->Place(output).ok());
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"name"});
  EXPECT_EQ(folder_.Read("name"), "content");
}

// As where neither the kernel nor /proc lets us name them.
TEST_F(TargetWorkerTest, WhereTheyCannotBeNamedTheyHaveATemporaryNameFirst) {
  syscalls_.name_unnamed_error = EPERM;
  Output output = Of("name", /*fresh=*/true);
  ASSERT_TRUE(Store(output, "content").ok());
  EXPECT_EQ(TemporaryNames(), 1u);
  ASSERT_TRUE(worker_->Place(output).ok());
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"name"});
}

TEST_F(TargetWorkerTest, ANameThatIsTakenIsLeftAlone) {
  Output output = Of("name", /*fresh=*/true);
  ASSERT_TRUE(Store(output, "new").ok());
  folder_.Write("name", "old");
  const Status placed = worker_->Place(output);
  ASSERT_FALSE(placed.ok());
  EXPECT_EQ(placed.error().code, ErrorCode::kKeptBack);
  EXPECT_EQ(folder_.Read("name"), "old");
  worker_.reset();
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"name"});
}

TEST_F(TargetWorkerTest, WhatIsRemovedOrAbandonedLeavesNothing) {
  for (const bool fresh : {false, true}) {
    Begin();
    Output removed = Of("removed", fresh);
    Output abandoned = Of("abandoned", fresh);
    ASSERT_TRUE(Store(removed, "1").ok());
    ASSERT_TRUE(Store(abandoned, "2").ok());
    ASSERT_TRUE(worker_->Remove(removed).ok());
    EXPECT_EQ(TemporaryNames(), fresh ? 0u : 1u);
    worker_->DropStored();
    EXPECT_EQ(folder_.Names(), std::vector<std::string>{});
  }
}

// Each is open; the process needs descriptors for other things too.
TEST_F(TargetWorkerTest, SoManyAreWithoutANameAsMayBeOpen) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit few = before;
  few.rlim_cur = TargetWorker::kOtherFiles + 10;
  ASSERT_LE(few.rlim_cur, before.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<Output> outputs;
  for (int i = 0; i < 30; ++i) {
    outputs.push_back(Of("name " + std::to_string(i), /*fresh=*/true));
    EXPECT_TRUE(Store(outputs.back(), "content").ok());
  }
  EXPECT_EQ(TemporaryNames(), 20u);
  for (Output& output : outputs) EXPECT_TRUE(worker_->Place(output).ok());
  EXPECT_EQ(TemporaryNames(), 0u);
  EXPECT_EQ(folder_.Names().size(), 30u);
  // They have theirs: others may be without.
  outputs.push_back(Of("last", /*fresh=*/true));
  EXPECT_TRUE(Store(outputs.back(), "content").ok());
  EXPECT_EQ(folder_.Names().size(), 30u);
  setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace p2pcp::file
