#include "transfer/file/partials.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <string>

#include "net/base/bytes.h"
#include "transfer/file/journal.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

const Bytes kAlice = ToBytes(AsBytes("alice"));
const Bytes kCarol = ToBytes(AsBytes("carol"));

class PartialsTest : public testing::Test {
 protected:
  // A transfer from peer that has left a part of folder/name.
  std::unique_ptr<Journal> Leave(const Bytes& peer, const std::string& name) {
    auto journal = *Journal::Open(state_.path(), {{}, peer, out_.path()}, {});
    journal->Prefix(".p2pcp-0123");
    JournalState::Part part;
    part.key = {name, 1000, {}, false};
    part.part_path = std::filesystem::path(name).parent_path() /
                     (".p2pcp-0123-" + std::to_string(parts_++) + ".part");
    const std::string path = out_ / part.part_path;
    close(open(path.c_str(), O_CREAT | O_WRONLY, 0600));
    struct stat info;
    EXPECT_EQ(stat(path.c_str(), &info), 0);
    part.device = info.st_dev;
    part.inode = info.st_ino;
    part.stamp = 1'700'000'000;
    journal->Written(*journal->Begin(part), 0, 100);
    return journal;
  }
  static bool Everybody(const Bytes&) { return true; }

  TestFolder out_;
  TestFolder state_;
  int parts_ = 0;
};

TEST_F(PartialsTest, ListsWhatThereIs) {
  std::filesystem::create_directory(out_ / "folder");
  Leave(kAlice, "folder/film");
  Leave(kCarol, "song");
  const Partials all = ListPartials(state_.path(), {}, Everybody);
  ASSERT_EQ(all.files.size(), 2u);
  const Partials alice = ListPartials(
      state_.path(), {}, [](const Bytes& peer) { return peer == kAlice; });
  ASSERT_EQ(alice.files.size(), 1u);
  EXPECT_EQ(alice.files[0].path, out_ / "folder/film");
  EXPECT_EQ(alice.files[0].bytes, 100u);
  EXPECT_EQ(alice.files[0].size, 1000u);
  EXPECT_EQ(alice.files[0].begun, 1'700'000'000);
  // Listing changes nothing.
  EXPECT_EQ(ListPartials(state_.path(), {}, Everybody).files.size(), 2u);
}

TEST_F(PartialsTest, CleansItAndNothingElse) {
  std::filesystem::create_directory(out_ / "folder");
  Leave(kAlice, "folder/film");
  out_.Write("folder/.p2pcp-0123-9.part", "an orphan");
  out_.Write("folder/.p2pcp-4567-0.part", "of somebody else");
  out_.Write("mine", "precious");
  EXPECT_EQ(CleanPartials(state_.path(), {}, Everybody).files.size(), 1u);
  EXPECT_TRUE(Journal::List(state_.path()).empty());
  EXPECT_FALSE(out_.Has("folder/.p2pcp-0123-9.part"));
  EXPECT_TRUE(out_.Has("folder/.p2pcp-4567-0.part"));
  EXPECT_TRUE(out_.Has("mine"));
  EXPECT_FALSE(out_.Has("folder/.p2pcp-0123-0.part"));
}

TEST_F(PartialsTest, LeavesATransferThatIsUnderWayAlone) {
  const auto journal = Leave(kAlice, "film");
  const Partials cleaned = CleanPartials(state_.path(), {}, Everybody);
  EXPECT_TRUE(cleaned.files.empty());
  EXPECT_EQ(cleaned.in_use.size(), 1u);
  EXPECT_EQ(out_.Names().size(), 1u);
}

// A journal is no reason to delete a file that has taken the part's place.
TEST_F(PartialsTest, DeletesNoOtherFileOfThatName) {
  Leave(kAlice, "film");
  const std::string part = out_ / out_.Names().at(0);
  std::filesystem::rename(part, out_ / "kept");
  std::filesystem::create_symlink(out_ / "kept", part);
  EXPECT_TRUE(CleanPartials(state_.path(), {}, Everybody).files.empty());
  EXPECT_TRUE(out_.Has("kept"));
}

}  // namespace
}  // namespace p2pcp::file
