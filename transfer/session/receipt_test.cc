// Receipts: both sides tell the same, in the same order, of all that arrived
// and of nothing else.

#include "transfer/session/receipt.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "transfer/file/disk.h"
#include "transfer/file/strong_hash.h"
#include "transfer/file/test_folder.h"
#include "transfer/session/recorded_receipt.h"
#include "transfer/session/session.h"
#include "transfer/session/session_pair.h"

namespace p2pcp {
namespace {

using file::RandomText;
using Lines = std::vector<std::string>;

constexpr std::uint64_t kMiB = 1 << 20;

class ReceiptTest : public testing::Test {
 protected:
  SessionPair::Config Config() {
    SessionPair::Config config;
    config.taker = &taker_;
    config.giver = &giver_;
    return config;
  }
  SessionPair::Config Journals() {
    SessionPair::Config config = Config();
    config.journals = true;
    return config;
  }

  static std::string Line(const std::string& path, const std::string& content) {
    return RecordedTaker::FileLine(path, content);
  }

  // Both sides have told the same, these lines in any order, and this end.
  void ExpectLines(Lines expected, std::uint64_t missing) {
    EXPECT_EQ(taker_.lines, giver_.lines);
    EXPECT_EQ(taker_.end, "signed");
    EXPECT_EQ(giver_.begun, taker_.id);
    ASSERT_FALSE(taker_.lines.empty());
    EXPECT_EQ(taker_.lines.back(), "end " + std::to_string(missing));
    Lines told(taker_.lines.begin(), taker_.lines.end() - 1);
    std::sort(told.begin(), told.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(told, expected);
  }

  static void ExpectDone(SessionPair& pair) {
    ASSERT_TRUE(pair.Run());
    EXPECT_EQ(pair.Outcome(0), std::nullopt)
        << pair.Find<Failed>(0)->error.message;
    EXPECT_EQ(pair.Outcome(1), std::nullopt)
        << pair.Find<Failed>(1)->error.message;
  }

  RecordedTaker taker_;
  RecordedGiver giver_;
};

TEST_F(ReceiptTest, NamesAFileAndItsContent) {
  for (const std::size_t size : {0, 1, 60'000, 5'000'000}) {
    SessionPair pair(Config());
    const std::string content = RandomText(size, 1);
    pair.Add("film", content);
    pair.Start();
    ExpectDone(pair);
    ExpectLines({Line("film", content)}, 0);
  }
}

TEST_F(ReceiptTest, NamesAllThatLiesInFoldersInOneOrderOnBothSides) {
  SessionPair::Config config = Config();
  config.slow_disks = true;
  SessionPair pair(config);
  Lines expected = {"folder tree"};
  std::filesystem::create_directory(pair.in / "tree");
  for (int i = 0; i < 60; ++i) {
    const std::string folder = "tree/" + std::to_string(i);
    std::filesystem::create_directory(pair.in / folder);
    expected.push_back("folder " + folder);
    for (int k = 0; k < i % 30; ++k) {
      const std::string path = folder + "/" + std::to_string(k);
      const std::string content =
          RandomText(k == 7 ? 300'000 : 10 * k, static_cast<unsigned>(i));
      pair.in.Write(path, content);
      expected.push_back(Line(path, content));
    }
  }
  pair.paths = {pair.in / "tree"};
  pair.link().loss = 0.05;
  pair.Start();
  ExpectDone(pair);
  ExpectLines(expected, 0);
}

TEST_F(ReceiptTest, IsOfHolesTooAndOfTheNameThatTheSenderKnows) {
  SessionPair::Config config = Config();
  config.out = "other";
  SessionPair pair(config);
  std::string content(3 * kMiB, '\0');
  content.replace(kMiB, 5, "hello");
  pair.in.Write("image", "");
  std::filesystem::resize_file(pair.in / "image", kMiB);
  std::ofstream(pair.in / "image", std::ios::app) << "hello";
  std::filesystem::resize_file(pair.in / "image", content.size());
  pair.paths = {pair.in / "image"};
  pair.Start();
  ExpectDone(pair);
  EXPECT_EQ(pair.out.Read("other"), content);
  ExpectLines({Line("image", content)}, 0);
}

TEST_F(ReceiptTest, WhatIsThereAlreadyIsReadAndNamed) {
  SessionPair pair(Config());
  const std::string content = RandomText(3 * kMiB, 1);
  pair.Add("film", content);
  pair.Add("empty", "");
  std::filesystem::copy_file(pair.in / "film", pair.out / "film");
  std::filesystem::last_write_time(
      pair.out / "film", std::filesystem::last_write_time(pair.in / "film"));
  pair.Start();
  ExpectDone(pair);
  EXPECT_LT(pair.sender().stats().data_bytes_sent, kMiB);
  ExpectLines({Line("film", content), Line("empty", "")}, 0);
}

TEST_F(ReceiptTest, WhatIsKeptBackIsMissingAndNotNamed) {
  SessionPair::Config config = Config();
  config.conflict = file::ConflictPolicy::kSkip;
  SessionPair pair(config);
  pair.Add("a", "one");
  pair.Add("b", "two");
  pair.Add(".c", "three");
  pair.out.Write("a", "another");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kKeptBack);
  ExpectLines({Line("b", "two")}, 2);
}

// The second session has nothing but journals of the first.
TEST_F(ReceiptTest, WhatGoesOnIsReadFromTheBeginning) {
  const std::string film = RandomText(40 * kMiB, 1);
  const std::string other = RandomText(kMiB, 2);
  for (const bool killed : {false, true}) {
    SessionPair pair(Journals());
    pair.Add("other", other);
    pair.Add("film", film);
    pair.out.Write("other", "this name is taken");
    pair.Start();
    ASSERT_TRUE(pair.RunUntil([&] {
      return pair.Find<FileDone>(1) != nullptr &&
             pair.receiver().progress().bytes_done >= 6 * kMiB;
    }));
    ASSERT_FALSE(pair.Over(1));
    pair.Restart(killed);
    ExpectDone(pair);
    // It is not sent again all the same.
    EXPECT_LT(pair.sender().stats().data_bytes_sent, film.size() - 5 * kMiB);
    EXPECT_EQ(pair.out.Read("film"), film);
    EXPECT_EQ(pair.out.Read("other (1)"), other);
    EXPECT_FALSE(pair.out.Has("other (2)"));
    ExpectLines({Line("film", film), Line("other", other)}, 0);
  }
}

TEST_F(ReceiptTest, AnEarlierRunMayHaveBeenWithoutOne) {
  const std::string film = RandomText(10 * kMiB, 1);
  SessionPair::Config config = Journals();
  SessionPair pair(config);
  pair.Add("film", film);
  pair.UseReceipts(nullptr, &giver_);
  pair.Start();
  ASSERT_TRUE(pair.RunUntil(
      [&] { return pair.receiver().progress().bytes_done >= 6 * kMiB; }));
  pair.UseReceipts(&taker_, &giver_);
  pair.Restart(/*killed=*/true);
  ExpectDone(pair);
  EXPECT_LT(pair.sender().stats().data_bytes_sent, 6 * kMiB);
  ExpectLines({Line("film", film)}, 0);
}

TEST_F(ReceiptTest, WhatIsRepairedIsNamedAsItIsInTheEnd) {
  SessionPair pair(Config());
  const std::string content = RandomText(9 * kMiB, 1);
  pair.Add("film", content);
  pair.faults[1].corrupt_offset = 5 * kMiB;
  pair.Start();
  ExpectDone(pair);
  EXPECT_EQ(pair.out.Read("film"), content);
  ExpectLines({Line("film", content)}, 0);
}

TEST_F(ReceiptTest, CostsNothingWhereNobodyWantsOne) {
  SessionPair::Config config;
  config.giver = &giver_;
  SessionPair pair(config);
  RecordedHasher::made = 0;
  pair.Add("film", RandomText(kMiB, 1));
  pair.Add("small", "text");
  pair.Start();
  ExpectDone(pair);
  EXPECT_EQ(RecordedHasher::made, 0);
  EXPECT_TRUE(giver_.lines.empty());
}

std::unique_ptr<file::StrongHasher> NewLyingHasher() {
  class Liar final : public file::StrongHasher {
   public:
    void Reset() override {}
    void Update(ByteSpan) override {}
    file::StrongDigest Finish() const override { return {}; }
  };
  return std::make_unique<Liar>();
}

TEST_F(ReceiptTest, ADigestThatIsNotTheSendersIsNoReceipt) {
  SessionPair pair(Config());
  giver_.factory = &NewLyingHasher;
  pair.Add("film", "text");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kIntegrity);
  EXPECT_TRUE(taker_.lines.empty());
  EXPECT_EQ(taker_.end, "");
}

TEST_F(ReceiptTest, AReceiverThatCanGiveNoneDeclines) {
  SessionPair::Config config;
  config.taker = &taker_;
  SessionPair pair(config);
  pair.Add("film", "text");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kDeclined);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kUsage);
  EXPECT_FALSE(pair.out.Has("film"));
}

}  // namespace
}  // namespace p2pcp
