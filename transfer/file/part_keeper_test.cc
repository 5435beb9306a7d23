#include "transfer/file/part_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "transfer/file/digest.h"
#include "transfer/file/journal.h"
#include "transfer/file/syncer.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/test_folder.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

// Syncs when the test says so.
class SlowSyncer final : public Syncer {
 public:
  void Start(std::vector<UniqueFd> files) override {
    ++started;
    busy = true;
    last = files.size();
  }
  std::optional<int> Take(bool wait) override {
    if (wait && busy) {
      ++waits;
      Finish();
    }
    return std::exchange(done, std::nullopt);
  }
  bool due() const override { return is_due; }
  void Finish(int error = 0) {
    busy = false;
    done = error;
  }

  int started = 0;
  int waits = 0;
  std::size_t last = 0;
  bool busy = false;
  bool is_due = false;
  std::optional<int> done;
};

class PartKeeperTest : public testing::Test {
 protected:
  PartKeeperTest()
      : journal_(*Journal::Open(folder_ / "state", {{}, {}, folder_.path()},
                                {std::byte{1}})),
        keeper_(journal_.get(), &syncer_),
        fd_(open((folder_ / "part").c_str(), O_RDWR | O_CREAT, 0600)) {
    JournalState::Part part;
    part.key = {"film", 1 << 30, {}, false};
    part.part_path = "part";
    id_ = *keeper_.Begin(part, fd_.get(), &hasher_);
  }
  std::uint64_t durable() const {
    return journal_->state().parts().at(id_).durable.bytes();
  }
  Status Write(std::uint64_t size) {
    const std::uint64_t begin = std::exchange(end_, end_ + size);
    return keeper_.Written(id_, begin, end_);
  }

  TestFolder folder_;
  std::unique_ptr<Journal> journal_;
  SlowSyncer syncer_;
  Hasher hasher_;
  PartKeeper keeper_;
  UniqueFd fd_;
  std::uint64_t id_ = 0;
  std::uint64_t end_ = 0;
};

TEST_F(PartKeeperTest, SyncsWhatWasWrittenAndThenTheJournalThatSaysSo) {
  ASSERT_TRUE(Write(15 * kMiB));
  EXPECT_EQ(syncer_.started, 0);
  ASSERT_TRUE(Write(kMiB));
  EXPECT_EQ(syncer_.started, 1);
  ASSERT_TRUE(Write(kMiB));
  EXPECT_EQ(durable(), 0u);
  syncer_.Finish();
  ASSERT_TRUE(Write(kMiB));
  // Not what was written meanwhile.
  EXPECT_EQ(durable(), 16 * kMiB);
  EXPECT_EQ(syncer_.started, 2);
  syncer_.Finish();
  ASSERT_TRUE(Write(kMiB));
  EXPECT_EQ(syncer_.started, 2);
  EXPECT_EQ(syncer_.waits, 0);
}

TEST_F(PartKeeperTest, SyncsAfterSomeTime) {
  ASSERT_TRUE(Write(kMiB));
  EXPECT_EQ(syncer_.started, 0);
  syncer_.is_due = true;
  ASSERT_TRUE(Write(1));
  EXPECT_EQ(syncer_.started, 1);
}

TEST_F(PartKeeperTest, WaitsForADiskThatFallsBehind) {
  ASSERT_TRUE(Write(16 * kMiB));
  ASSERT_TRUE(Write(15 * kMiB));
  EXPECT_EQ(syncer_.waits, 0);
  ASSERT_TRUE(Write(kMiB));
  EXPECT_GT(syncer_.waits, 0);
  EXPECT_EQ(durable(), 16 * kMiB);
  // And goes on with what came meanwhile.
  EXPECT_TRUE(syncer_.busy);
}

// The error is told once by the kernel; whoever writes has to hear it.
TEST_F(PartKeeperTest, TellsThatTheDiskFailed) {
  ASSERT_TRUE(Write(16 * kMiB));
  syncer_.Finish(EIO);
  const Status failed = Write(kMiB);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code, ErrorCode::kCannotWrite);
  EXPECT_EQ(failed.error().os_errno, EIO);
  EXPECT_EQ(durable(), 0u);
  EXPECT_FALSE(keeper_.End(id_).ok());
}

TEST_F(PartKeeperTest, MakesEverythingDurableAtTheEnd) {
  ASSERT_TRUE(Write(3 * kMiB));
  hasher_.Update(Bytes(kMiB));
  keeper_.Close();
  EXPECT_EQ(durable(), 3 * kMiB);
  ASSERT_TRUE(journal_->state().parts().at(id_).hash);
  EXPECT_EQ(journal_->state().parts().at(id_).hash->offset, kMiB);
}

TEST_F(PartKeeperTest, APartThatEndsMeanwhileIsNoMore) {
  ASSERT_TRUE(Write(16 * kMiB));
  ASSERT_TRUE(keeper_.End(id_));
  EXPECT_TRUE(journal_->state().parts().empty());
  keeper_.Close();
}

TEST(Syncer, SyncsOnAThread) {
  TestFolder folder;
  Result<std::unique_ptr<Syncer>> syncer =
      StartThreadedSyncer(&Syscalls::Real());
  ASSERT_TRUE(syncer.ok());
  for (int i = 0; i < 3; ++i) {
    std::vector<UniqueFd> files;
    files.emplace_back(open((folder / "file").c_str(), O_RDWR | O_CREAT, 0600));
    (*syncer)->Start(std::move(files));
    EXPECT_EQ((*syncer)->Take(/*wait=*/true), 0);
    EXPECT_EQ((*syncer)->Take(/*wait=*/true), std::nullopt);
  }
  std::vector<UniqueFd> none;
  none.emplace_back(-1);
  (*syncer)->Start(std::move(none));
  EXPECT_EQ((*syncer)->Take(/*wait=*/true), EBADF);
}

}  // namespace
}  // namespace p2pcp::file
