#include "transfer/file/source_keeper.h"

#include <gtest/gtest.h>

#include <string>

#include "net/base/bytes.h"
#include "transfer/file/digest.h"
#include "transfer/file/journal.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

JournalState::Part File(const std::string& path) {
  JournalState::Part file;
  file.key = {path, 1000, {1, 2}, false};
  file.device = 3;
  file.inode = 4;
  file.stamp = 5;
  return file;
}

class SourceKeeperTest : public testing::Test {
 protected:
  SourceKeeperTest() { Reopen(); }
  void Reopen(const BootId& boot = {}) {
    journal_.reset();
    journal_ = *Journal::Open(folder_.path(), {{}, {}, ""}, boot);
    keeper_.emplace(journal_.get());
  }

  TestFolder folder_;
  std::unique_ptr<Journal> journal_;
  std::optional<SourceKeeper> keeper_;
};

TEST_F(SourceKeeperTest, GoesOnWithADigestAlsoAfterAReboot) {
  Hasher hasher;
  hasher.Update(Bytes(600));
  keeper_->Note(File("/film"), hasher);
  Reopen({std::byte{1}});
  Hasher next;
  EXPECT_EQ(keeper_->Restore(File("/film"), next), 600u);
  EXPECT_EQ(next.Finish(), hasher.Finish());
  EXPECT_EQ(keeper_->Restore(File("/other"), next), 0u);
}

TEST_F(SourceKeeperTest, ForgetsWhatChangedInAnyRespect) {
  for (int how = 0; how < 5; ++how) {
    Hasher hasher;
    hasher.Update(Bytes(600));
    keeper_->Note(File("/film"), hasher);
    JournalState::Part changed = File("/film");
    if (how == 0) changed.key.size = 1001;
    if (how == 1) changed.key.mtime.nanoseconds = 3;
    if (how == 2) changed.device = 4;
    if (how == 3) changed.inode = 5;
    if (how == 4) changed.stamp = 6;
    Hasher next;
    EXPECT_EQ(keeper_->Restore(changed, next), 0u) << how;
    EXPECT_EQ(keeper_->Restore(File("/film"), next), 0u) << how;
  }
}

TEST_F(SourceKeeperTest, IsBoundedAndForgetsTheOldest) {
  Hasher hasher;
  hasher.Update(Bytes(10));
  for (std::size_t i = 0; i < JournalState::kMaxParts + 5; ++i) {
    keeper_->Note(File("/" + std::to_string(i)), hasher);
  }
  EXPECT_EQ(journal_->state().parts().size(), JournalState::kMaxParts);
  Hasher next;
  EXPECT_EQ(keeper_->Restore(File("/0"), next), 0u);
  EXPECT_EQ(keeper_->Restore(File("/50"), next), 10u);
}

}  // namespace
}  // namespace p2pcp::file
