#include "tests/sim/slow_disk.h"

#include <gtest/gtest.h>

#include <optional>

#include "net/base/result.h"
#include "net/base/time.h"
#include "tests/sim/simulator.h"
#include "tests/sim/temp_folder.h"
#include "transfer/file/disk.h"
#include "transfer/file/output_folder.h"

namespace p2pcp::sim {
namespace {

class SlowDiskTest : public testing::Test {
 protected:
  SlowDiskTest() { output_.root = &target_->folder; }

  // Asks how much room there is: a job without consequences.
  void Submit(std::uint64_t tag) {
    file::Job job;
    job.kind = file::Job::Kind::kInspectFolder;
    job.tag = tag;
    job.output = &output_;
    disk.Submit(job);
  }

  Simulator simulator{1};
  SlowDisk disk{simulator, {.latency = 10ms}};
  int ready_calls = 0;

 private:
  TempFolder folder_;
  Result<file::OutputTarget> target_ = file::OpenOutput(folder_.path());
  file::Output output_;
};

TEST_F(SlowDiskTest, CompletionsComeInOrderSomeTimeLater) {
  disk.set_on_ready([&] { ++ready_calls; });
  Submit(1);
  Submit(2);
  EXPECT_FALSE(disk.ready());
  EXPECT_FALSE(disk.Poll().has_value());
  simulator.RunFor(20ms);
  EXPECT_EQ(ready_calls, 2);
  ASSERT_TRUE(disk.ready());
  EXPECT_EQ(disk.Poll()->tag, 1u);
  EXPECT_EQ(disk.Poll()->tag, 2u);
  EXPECT_FALSE(disk.ready());
}

TEST_F(SlowDiskTest, NothingOfBeforeIsSeenAfterAbandon) {
  Submit(1);
  disk.Abandon();
  Submit(2);
  simulator.RunFor(20ms);
  const std::optional<file::Completion> completion = disk.Poll();
  ASSERT_TRUE(completion.has_value());
  EXPECT_EQ(completion->tag, 2u);
  EXPECT_FALSE(disk.Poll().has_value());
}

}  // namespace
}  // namespace p2pcp::sim
