#include "transfer/file/journal.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

constexpr BootId kBoot = {std::byte{1}};
constexpr BootId kNextBoot = {std::byte{2}};
const JournalOwner kOwner = {ToBytes(AsBytes("alice")), ToBytes(AsBytes("bob")),
                             "/srv/in"};

class JournalTest : public testing::Test {
 protected:
  std::unique_ptr<Journal> Open(const BootId& boot = kBoot,
                                const JournalOwner& owner = kOwner) {
    Result<std::unique_ptr<Journal>> journal =
        Journal::Open(state_, owner, boot);
    if (!journal) {
      ADD_FAILURE() << journal.error().message;
      return nullptr;
    }
    return *std::move(journal);
  }
  static std::uint64_t Begin(Journal& journal, const std::string& path,
                             std::uint64_t size = 1 << 30) {
    JournalState::Part part;
    part.key = {path, size, {1'700'000'000, 5}, false};
    part.part_path = ".p2pcp-0123-" + path + ".part";
    const auto id = journal.Begin(part);
    EXPECT_TRUE(id.has_value());
    return id.value_or(0);
  }
  std::string File() const { return Journal::List(state_).at(0); }

  TestFolder folder_;
  const std::string state_ = folder_ / "state/p2pcp/partial";
};

TEST_F(JournalTest, GoesOnAfterTheProgramWasKilled) {
  {
    const auto journal = Open();
    const std::uint64_t id = Begin(*journal, "film");
    journal->Written(id, 0, 100);
    journal->Written(id, 200, 300);
    // What a killed program has not appended yet is lost; it appends at once.
    std::filesystem::copy_file(File(), folder_ / "killed");
  }
  std::filesystem::rename(folder_ / "killed", File());
  const auto journal = Open();
  const auto id = journal->state().FindPart("film");
  ASSERT_TRUE(id);
  EXPECT_EQ(journal->state().parts().at(*id).written.list(),
            (std::vector<Interval>{{0, 100}, {200, 300}}));
}

TEST_F(JournalTest, IsForItsUserAloneAndMakesItsFolders) {
  const auto journal = Open();
  for (const auto& [path, mode] :
       {std::pair{File(), 0600}, std::pair{state_, 0700}}) {
    struct stat info;
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, static_cast<unsigned>(mode)) << path;
  }
}

TEST_F(JournalTest, IsKeptApartByBothIdentitiesAndTheFolder) {
  JournalOwner peer = kOwner;
  peer.peer = ToBytes(AsBytes("carol"));
  JournalOwner folder = kOwner;
  folder.folder = "/srv/other";
  JournalOwner shifted = kOwner;
  shifted.self = ToBytes(AsBytes("aliceb"));
  shifted.peer = ToBytes(AsBytes("ob"));
  for (const JournalOwner& owner : {kOwner, peer, folder, shifted}) {
    const auto journal = Open(kBoot, owner);
    journal->Written(Begin(*journal, "film"), 0, 1);
  }
  EXPECT_EQ(Journal::List(state_).size(), 4u);
  for (const JournalOwner& owner : {kOwner, peer, folder, shifted}) {
    const auto journal = Open(kBoot, owner);
    EXPECT_EQ(journal->owner(), owner);
    EXPECT_EQ(journal->state().parts().size(), 1u);
  }
}

TEST_F(JournalTest, IsUsedByOneTransferAtATime) {
  const auto first = Open();
  Begin(*first, "film");
  const auto second = Open();
  EXPECT_TRUE(second->state().parts().empty());
  EXPECT_EQ(Journal::List(state_).size(), 2u);
  const auto third = Journal::OpenFile(File(), kBoot);
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().os_errno, EWOULDBLOCK);
}

TEST_F(JournalTest, CutsOffATornEndAndGoesOnBehindIt) {
  const auto write = [&](std::uint64_t begin) {
    const auto journal = Open();
    const auto known = journal->state().FindPart("film");
    journal->Written(known ? *known : Begin(*journal, "film"), begin,
                     begin + 10);
  };
  write(0);
  write(100);
  const auto size = std::filesystem::file_size(File());
  write(200);
  std::filesystem::resize_file(File(), size + 3);
  write(300);
  const auto journal = Open();
  EXPECT_EQ(journal->state().parts().at(0).written.list(),
            (std::vector<Interval>{{0, 10}, {100, 110}, {300, 310}}));
}

TEST_F(JournalTest, BeginsAnewWhereNothingCanBeUnderstood) {
  { const auto journal = Open(); }
  const std::string file = File();
  const std::string garbage = RandomText(100'000, 3);
  std::ofstream(file, std::ios::binary) << garbage;
  const auto journal = Open();
  EXPECT_TRUE(journal->state().parts().empty());
  journal->Written(Begin(*journal, "film"), 0, 10);
  EXPECT_LT(std::filesystem::file_size(file), 1000u);
}

TEST_F(JournalTest, FollowsNoLinkAndTouchesNothingOfOthers) {
  { const auto journal = Open(); }
  const std::string file = File();
  std::filesystem::remove(file);
  const std::string victim = folder_.Write("victim", "precious");
  std::filesystem::create_symlink(victim, file);
  EXPECT_FALSE(Journal::Open(state_, kOwner, kBoot).ok());
  std::filesystem::remove(file);
  std::filesystem::copy_file(victim, file);
  chmod(file.c_str(), 0644);
  EXPECT_FALSE(Journal::Open(state_, kOwner, kBoot).ok());
  EXPECT_EQ(folder_.Read("victim"), "precious");
}

TEST_F(JournalTest, StaysSmallHoweverLongTheTransferTakes) {
  std::uint64_t largest = 0;
  {
    const auto journal = Open();
    const std::uint64_t id = Begin(*journal, "disk", std::uint64_t{1} << 40);
    for (std::uint64_t i = 0; i < 100'000; ++i) {
      journal->Written(id, i << 18, (i + 1) << 18);
      if (i % 1000 == 0) {
        largest = std::max(largest, std::filesystem::file_size(File()));
      }
    }
    EXPECT_FALSE(journal->TakeError());
  }
  EXPECT_LE(largest, (1u << 20) + (64u << 10));
  EXPECT_EQ(Journal::List(state_).size(), 1u);
  const auto journal = Open();
  EXPECT_EQ(journal->state().parts().at(0).written.list(),
            (std::vector<Interval>{{0, std::uint64_t{100'000} << 18}}));
}

TEST_F(JournalTest, RemembersWhatIsDoneByAllThatIsKnownOfIt) {
  const FileKey key{"folder/photo", 5'000'000, {1, 2}, false};
  const std::string other = "folder/photo (1)";
  {
    const auto journal = Open();
    journal->Done(JournalState::HashOf(key), key.size, nullptr);
    FileKey renamed = key;
    renamed.path = "taken";
    journal->Done(JournalState::HashOf(renamed), renamed.size, &other);
  }
  const auto journal = Open(kNextBoot);
  EXPECT_TRUE(journal->state().IsDone(JournalState::HashOf(key)));
  EXPECT_EQ(journal->state().RenamedTo(JournalState::HashOf(key)), nullptr);
  FileKey changed = key;
  changed.mtime.nanoseconds = 3;
  EXPECT_FALSE(journal->state().IsDone(JournalState::HashOf(changed)));
  changed = key;
  changed.path = "taken";
  ASSERT_NE(journal->state().RenamedTo(JournalState::HashOf(changed)), nullptr);
  EXPECT_EQ(*journal->state().RenamedTo(JournalState::HashOf(changed)), other);
}

TEST_F(JournalTest, IsDeletedAtTheEndUnlessPartsAreLeft) {
  {
    const auto journal = Open();
    const std::uint64_t id = Begin(*journal, "film");
    journal->Written(id, 0, 10);
    journal->Finish();
    EXPECT_EQ(Journal::List(state_).size(), 1u);
    journal->End(id);
    journal->Finish();
  }
  EXPECT_TRUE(Journal::List(state_).empty());
}

TEST_F(JournalTest, TakesNoPartWhoseNamesAreTooLongToNote) {
  const auto journal = Open();
  JournalState::Part part;
  part.key.path = std::string(3000, 'x');
  EXPECT_FALSE(journal->Begin(part));
  EXPECT_FALSE(journal->TakeError());
}

TEST_F(JournalTest, ListsNothingWhereThereIsNone) {
  EXPECT_TRUE(Journal::List(folder_ / "nowhere").empty());
  EXPECT_FALSE(Journal::OpenFile(folder_ / "nowhere", kBoot).ok());
  folder_.Write("x.journal", "not a journal");
  EXPECT_FALSE(Journal::OpenFile(folder_ / "x.journal", kBoot).ok());
  EXPECT_EQ(folder_.Read("x.journal"), "not a journal");
}

}  // namespace
}  // namespace p2pcp::file
