#include "transfer/file/part_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/interval_set.h"
#include "transfer/file/journal.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/part_file.h"
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
      : target_(*OpenOutput(folder_.path())),
        journal_(*Journal::Open(state_.path(), {{}, {}, folder_.path()},
                                {std::byte{1}})),
        keeper_(journal_.get(), &syncer_) {
    output_ = MakeOutput("film");
    keeper_.NotePrefix(output_);
    id_ = BeginPart(output_, fd_);
  }
  Output MakeOutput(const std::string& name) {
    Output output;
    output.root = &target_.folder;
    output.part_prefix = &prefix_;
    output.part_number = number_++;
    output.name = name;
    output.size = 1 << 30;
    output.mtime = {1'700'000'000, 5};
    return output;
  }
  std::uint64_t BeginPart(const Output& output, UniqueFd& fd) {
    fd = UniqueFd(
        open((folder_ / PartName(output)).c_str(), O_RDWR | O_CREAT, 0600));
    const auto id = keeper_.Begin(output, fd.get(), &hasher_);
    EXPECT_TRUE(id.has_value());
    return id.value_or(0);
  }
  std::uint64_t durable() const {
    return journal_->state().parts().at(id_).durable.bytes();
  }
  Status Write(std::uint64_t size) {
    const std::uint64_t begin = std::exchange(end_, end_ + size);
    EXPECT_EQ(ftruncate(fd_.get(), static_cast<off_t>(end_)), 0);
    return keeper_.Written(id_, begin, end_);
  }
  int dirfd() const { return target_.folder.fd(); }

  TestFolder folder_;
  TestFolder state_;
  OutputTarget target_;
  const std::string prefix_ = ".p2pcp-0123456789abcdef";
  std::uint64_t number_ = 0;
  std::unique_ptr<Journal> journal_;
  SlowSyncer syncer_;
  Hasher hasher_;
  PartKeeper keeper_;
  Output output_;
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

TEST_F(PartKeeperTest, SyncsNothingThatIsInMemoryAndLeavesItsDigestAlone) {
  const Output output = MakeOutput("in memory");
  UniqueFd fd(
      open((folder_ / PartName(output)).c_str(), O_RDWR | O_CREAT, 0600));
  Hasher hasher;
  const auto id = keeper_.Begin(output, fd.get(), &hasher, /*in_memory=*/true);
  ASSERT_TRUE(id);
  for (std::uint64_t at = 0; at < 100 * kMiB; at += kMiB) {
    ASSERT_TRUE(keeper_.Written(*id, at, at + kMiB));
  }
  EXPECT_EQ(syncer_.started, 0);
  const JournalState::Part& part = journal_->state().parts().at(*id);
  EXPECT_EQ(part.written.bytes(), 100 * kMiB);
  EXPECT_FALSE(part.hash);
  keeper_.Close();
  EXPECT_TRUE(part.hash);
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
  EXPECT_FALSE(keeper_.status().ok());
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
  keeper_.End(id_);
  EXPECT_TRUE(journal_->state().parts().empty());
  keeper_.Close();
}

TEST_F(PartKeeperTest, FindsWhatThereIsOfAFile) {
  ASSERT_TRUE(Write(3 * kMiB));
  hasher_.Update(Bytes(kMiB));
  keeper_.Close();
  Output again = MakeOutput("film");
  EXPECT_FALSE(keeper_.FindRemains(dirfd(), again));
  ASSERT_NE(again.remains, nullptr);
  EXPECT_EQ(again.remains->had, (std::vector<Interval>{{0, 3 * kMiB}}));
  EXPECT_EQ(again.remains->hashed, kMiB);
  EXPECT_EQ(PartName(again), PartName(output_));
  // Of two files of one name only the first has it, whatever a sender says.
  Output twice = MakeOutput("film");
  EXPECT_FALSE(keeper_.FindRemains(dirfd(), twice));
  EXPECT_EQ(twice.remains, nullptr);
  EXPECT_EQ(keeper_.Begin(twice, fd_.get(), &hasher_), std::nullopt);
  Hasher other;
  keeper_.Resume(*again.remains, fd_.get(), &other);
  EXPECT_EQ(other.size(), kMiB);
}

TEST_F(PartKeeperTest, BelievesNothingBehindTheEndOfAFileThatBecameShorter) {
  ASSERT_TRUE(Write(3 * kMiB));
  keeper_.Close();
  ASSERT_EQ(ftruncate(fd_.get(), kMiB), 0);
  Output again = MakeOutput("film");
  EXPECT_FALSE(keeper_.FindRemains(dirfd(), again));
  ASSERT_NE(again.remains, nullptr);
  EXPECT_EQ(again.remains->had, (std::vector<Interval>{{0, kMiB}}));
}

TEST_F(PartKeeperTest, OfAFileWithAnotherNumberOnlyWhatWasSyncedIsToldAndRead) {
  ASSERT_TRUE(Write(16 * kMiB));
  syncer_.Finish();
  hasher_.Update(Bytes(kMiB));
  ASSERT_TRUE(Write(kMiB));
  ASSERT_EQ(durable(), 16 * kMiB);
  // As after the folder's file system was mounted anew; not closed before.
  const std::string part = folder_ / PartName(output_);
  std::filesystem::copy_file(part, part + ".copy");
  std::filesystem::rename(part + ".copy", part);
  PartKeeper later(journal_.get(), &syncer_);
  Output again = MakeOutput("film");
  EXPECT_FALSE(later.FindRemains(dirfd(), again));
  ASSERT_NE(again.remains, nullptr);
  EXPECT_EQ(again.remains->had, (std::vector<Interval>{{0, 16 * kMiB}}));
  EXPECT_EQ(again.remains->hashed, 0u);
  EXPECT_EQ(PartName(again), PartName(output_));
  // From now on it is known by its new number.
  PartKeeper last(journal_.get(), &syncer_);
  Output third = MakeOutput("film");
  EXPECT_FALSE(last.FindRemains(dirfd(), third));
  ASSERT_NE(third.remains, nullptr);
  EXPECT_EQ(third.remains->part_id, again.remains->part_id);
}

TEST_F(PartKeeperTest, ForgetsAPartThatHasGotItsNameAndNothingElse) {
  ASSERT_TRUE(Write(3 * kMiB));
  PartKeeper later(journal_.get(), &syncer_);
  later.ForgetLost(dirfd(), MakeOutput("film"));
  EXPECT_EQ(journal_->state().parts().size(), 1u);
  std::filesystem::rename(folder_ / PartName(output_), folder_ / "film");
  later.ForgetLost(dirfd(), MakeOutput("another"));
  EXPECT_EQ(journal_->state().parts().size(), 1u);
  later.ForgetLost(dirfd(), MakeOutput("film"));
  EXPECT_TRUE(journal_->state().parts().empty());
}

TEST_F(PartKeeperTest, DeletesWhatBelongsToAnotherVersion) {
  ASSERT_TRUE(Write(3 * kMiB));
  keeper_.Close();
  Output other = MakeOutput("film");
  other.mtime.nanoseconds = 6;
  EXPECT_TRUE(keeper_.FindRemains(dirfd(), other));
  EXPECT_EQ(other.remains, nullptr);
  EXPECT_TRUE(folder_.Names().empty());
  EXPECT_TRUE(journal_->state().parts().empty());
}

TEST_F(PartKeeperTest, KnowsWhatIsInPlaceOnlyWhenThatIsDurable) {
  output_.final_name = "film (1)";
  folder_.Write(output_.final_name, "");
  ASSERT_EQ(truncate((folder_ / output_.final_name).c_str(), 1 << 30), 0);
  const struct timespec times[2] = {{0, UTIME_OMIT}, {1'700'000'000, 5}};
  ASSERT_EQ(
      utimensat(AT_FDCWD, (folder_ / output_.final_name).c_str(), times, 0), 0);
  keeper_.Placed(output_, id_);
  Output again = MakeOutput("film");
  EXPECT_FALSE(keeper_.IsInPlace(dirfd(), again));
  keeper_.PlacedAreDurable();
  EXPECT_TRUE(keeper_.IsInPlace(dirfd(), again));
  EXPECT_EQ(again.final_name, "film (1)");
  EXPECT_TRUE(journal_->state().parts().empty());
  // Not what somebody has put there since.
  ASSERT_EQ(truncate((folder_ / output_.final_name).c_str(), 5), 0);
  EXPECT_FALSE(keeper_.IsInPlace(dirfd(), again));
}

TEST_F(PartKeeperTest, SweepsWhatKilledSessionsHaveLeftAndNothingElse) {
  ASSERT_TRUE(Write(kMiB));
  keeper_.Close();
  const std::string orphan = prefix_ + "-77.part";
  folder_.Write(orphan, "x");
  folder_.Write(".p2pcp-fedcba9876543210-0.part", "of another transfer");
  PartKeeper next(journal_.get(), &syncer_);
  next.Sweep(dirfd(), "");
  EXPECT_FALSE(folder_.Has(orphan));
  EXPECT_TRUE(folder_.Has(".p2pcp-fedcba9876543210-0.part"));
  EXPECT_TRUE(folder_.Has(PartName(output_)));
}

TEST_F(PartKeeperTest, KeepsNoAccountOfSmallFiles) {
  Output small = MakeOutput("small");
  small.size = PartKeeper::kMinSize - 1;
  EXPECT_EQ(keeper_.Begin(small, fd_.get(), &hasher_), std::nullopt);
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
