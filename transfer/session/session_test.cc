// Whole transfers between a Sender and a Receiver: what arrives, how it ends,
// and that both sides say the same.

#include "transfer/session/session.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "transfer/file/digest.h"
#include "transfer/session/session_pair.h"

namespace p2pcp {
namespace {

using Names = std::vector<std::string>;
using file::RandomText;

std::string DigestOf(const std::string& text) {
  file::Hasher hasher;
  hasher.Update(AsBytes(text));
  return hasher.Finish().ToString();
}

// Both sides have failed with these codes, and nothing stands in the folder.
void ExpectFailure(SessionPair& pair, ErrorCode sender, ErrorCode receiver) {
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), sender) << pair.Find<Failed>(0)->error.message;
  EXPECT_EQ(pair.Outcome(1), receiver) << pair.Find<Failed>(1)->error.message;
  EXPECT_EQ(pair.out.Names(), Names{});
}

TEST(Session, FilesOfAllSizesArriveVerified) {
  SessionPair pair;
  const std::vector<std::string> contents = {"",
                                             "x",
                                             "",
                                             RandomText(3'000'000, 1),
                                             RandomText(262'144, 2),
                                             "y",
                                             "",
                                             RandomText(262'145, 3)};
  for (std::size_t i = 0; i < contents.size(); ++i) {
    pair.Add("file" + std::to_string(i), contents[i]);
  }
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), std::nullopt);
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
  ASSERT_NE(pair.Find<Offered>(1), nullptr);
  EXPECT_EQ(pair.Find<Offered>(1)->file_count, contents.size());
  std::uint64_t total = 0;
  for (const std::string& content : contents) total += content.size();
  EXPECT_EQ(pair.Find<Completed>(0)->total_bytes, total);
  EXPECT_EQ(pair.Find<Completed>(0)->file_count, contents.size());
  for (std::size_t i = 0; i < contents.size(); ++i) {
    EXPECT_EQ(pair.out.Read("file" + std::to_string(i)), contents[i]) << i;
  }
  EXPECT_EQ(pair.out.Names().size(), contents.size());
  for (int side = 0; side < 2; ++side) {
    std::size_t seen = 0;
    for (const SessionEvent& event : pair.events(side)) {
      const auto* done = std::get_if<FileDone>(&event);
      if (done == nullptr) continue;
      ++seen;
      EXPECT_EQ(done->digest.ToString(), DigestOf(contents[done->index]));
      EXPECT_EQ(done->size, contents[done->index].size());
      if (side == 1) {
        EXPECT_EQ(done->final_name, done->name);
      }
    }
    EXPECT_EQ(seen, contents.size());
  }
}

TEST(Session, OneEmptyFileArrives) {
  SessionPair pair;
  pair.Add("empty", "");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), std::nullopt);
  EXPECT_EQ(pair.out.Names(), Names{"empty"});
  EXPECT_EQ(pair.Find<FileDone>(0)->digest.ToString(),
            "99aa06d3014798d86001c324468d497f");
  // Greeting, offer, receipts: a few round trips of 20 ms and no timers.
  EXPECT_LT(pair.elapsed(), 200ms);
}

TEST(Session, ManySmallFilesArrive) {
  SessionPair pair;
  for (int i = 0; i < 300; ++i) {
    pair.Add("file" + std::to_string(i), RandomText(i % 700, i));
  }
  pair.link().loss = 0.02;
  pair.Start();
  ASSERT_TRUE(pair.Run(200s));
  EXPECT_EQ(pair.Outcome(0), std::nullopt);
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(pair.out.Read("file" + std::to_string(i)), RandomText(i % 700, i))
        << i;
  }
  // Names become durable in batches.
  EXPECT_LT(pair.faults[1].folder_syncs + pair.faults[1].all_syncs, 10u);
  EXPECT_LT(pair.faults[1].data_syncs, 10u);
}

TEST(Session, LossAndReorderingChangeNothing) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    SessionPair pair({.seed = seed});
    const std::string a = RandomText(1'500'000, seed);
    const std::string b = RandomText(700'001, seed + 100);
    pair.Add("a", a);
    pair.Add("empty", "");
    pair.Add("b", b);
    pair.link().loss = seed % 4 * 0.06;
    pair.link().reorder = seed % 2 == 0;
    pair.Start();
    ASSERT_TRUE(pair.Run(120s));
    EXPECT_EQ(pair.Outcome(0), std::nullopt);
    EXPECT_EQ(pair.Outcome(1), std::nullopt);
    EXPECT_EQ(pair.out.Read("a"), a);
    EXPECT_EQ(pair.out.Read("b"), b);
    EXPECT_EQ(pair.out.Names().size(), 3u);
  }
}

// Whenever the disks answer, the same comes out.
TEST(Session, SlowDisksChangeNothing) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    SessionPair pair({.seed = seed,
                      .conflict = seed % 3 == 0 ? file::ConflictPolicy::kSkip
                                                : file::ConflictPolicy::kRename,
                      .ask = seed % 2 == 0,
                      .slow_disks = true});
    const std::string big = RandomText(3'000'000, seed);
    pair.Add("big", big);
    for (int i = 0; i < 30; ++i) {
      pair.Add("file" + std::to_string(i), RandomText(i * 31, i));
    }
    pair.link().loss = seed % 4 * 0.03;
    pair.Start();
    if (seed % 2 == 0) {
      ASSERT_TRUE(
          pair.RunUntil([&] { return pair.Find<Offered>(1) != nullptr; }));
      pair.receiver().Decide(pair.now(), true);
    }
    ASSERT_TRUE(pair.Run(120s));
    EXPECT_EQ(pair.Outcome(0), std::nullopt);
    EXPECT_EQ(pair.Outcome(1), std::nullopt);
    EXPECT_EQ(pair.out.Read("big"), big);
    for (int i = 0; i < 30; ++i) {
      ASSERT_EQ(pair.out.Read("file" + std::to_string(i)),
                RandomText(i * 31, i));
    }
    EXPECT_EQ(pair.out.Names().size(), 31u);
  }
}

TEST(Session, SlowDisksFailAsFastOnes) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    SessionPair pair({.seed = seed, .slow_disks = true});
    pair.Add("a", RandomText(3'000'000, 1));
    const int side = static_cast<int>(seed % 2);
    if (side == 1) {
      pair.faults[1].write_error = ENOSPC;
      pair.faults[1].write_error_after = seed * 400'000;
    } else {
      pair.faults[0].read_error = EIO;
      pair.faults[0].read_error_from = static_cast<off_t>(seed) * 400'000;
    }
    pair.Start();
    const ErrorCode code =
        side == 1 ? ErrorCode::kCannotWrite : ErrorCode::kSourceUnreadable;
    ExpectFailure(pair, code, code);
  }
}

// --- Names that are taken ---

TEST(Session, ATakenNameGetsANumber) {
  SessionPair pair;
  pair.Add("a.txt", "new");
  pair.out.Write("a.txt", "old");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
  EXPECT_EQ(pair.out.Read("a.txt"), "old");
  EXPECT_EQ(pair.out.Read("a (1).txt"), "new");
  EXPECT_EQ(pair.Find<FileDone>(1)->final_name, "a (1).txt");
  // What the receiver calls it is nobody else's business.
  EXPECT_EQ(pair.Find<FileDone>(0)->final_name, "");
}

TEST(Session, SkipKeepsBackWhatIsThereAndTakesTheRest) {
  SessionPair pair({.conflict = file::ConflictPolicy::kSkip});
  const std::string big = RandomText(1'000'000, 5);
  pair.Add("a", RandomText(500'000, 4));
  pair.Add("b", big);
  pair.Add("c", RandomText(400'000, 6));
  pair.Add("d", "");
  pair.out.Write("a", "old a");
  pair.out.Write("c", "old c");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  for (int side = 0; side < 2; ++side) {
    EXPECT_EQ(pair.Outcome(side), ErrorCode::kKeptBack);
    EXPECT_EQ(pair.Find<FileFailed>(side)->index, 0u);
    EXPECT_EQ(pair.Find<FileFailed>(side)->error.code, ErrorCode::kKeptBack);
  }
  EXPECT_EQ(pair.out.Read("a"), "old a");
  EXPECT_EQ(pair.out.Read("b"), big);
  EXPECT_EQ(pair.out.Read("c"), "old c");
  EXPECT_EQ(pair.out.Names(), (Names{"a", "b", "c", "d"}));
  // What is kept back is not sent either.
  EXPECT_EQ(pair.receiver().stats().data_bytes_received, 1'000'000u);
}

// However long what is kept back is, nothing waits for its bytes.
TEST(Session, WhatFollowsALongFileThatIsKeptBackArrives) {
  for (const std::string content : {"", "new", "newer, and longer"}) {
    SessionPair pair({.conflict = file::ConflictPolicy::kSkip});
    pair.Add("before", content.substr(0, 3));
    pair.Add("long", "");
    std::filesystem::resize_file(pair.in / "long", 200 << 20);
    pair.Add("after", content);
    pair.Add("empty", "");
    pair.out.Write("long", "old");
    pair.Start();
    ASSERT_TRUE(pair.Run()) << content;
    EXPECT_EQ(pair.Outcome(0), ErrorCode::kKeptBack);
    EXPECT_EQ(pair.Outcome(1), ErrorCode::kKeptBack);
    EXPECT_EQ(pair.out.Read("after"), content);
    EXPECT_EQ(pair.out.Names(), (Names{"after", "before", "empty", "long"}));
  }
}

TEST(Session, AllKeptBackEndsAtOnce) {
  SessionPair pair({.conflict = file::ConflictPolicy::kSkip});
  pair.Add("a", "new");
  pair.out.Write("a", "old");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kKeptBack);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kKeptBack);
  EXPECT_EQ(pair.out.Read("a"), "old");
}

TEST(Session, ANameThatIsTakenMeanwhileIsKeptBack) {
  SessionPair pair({.conflict = file::ConflictPolicy::kSkip});
  pair.Add("a", RandomText(500'000, 1));
  pair.Start();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Find<Started>(1) != nullptr; }));
  pair.out.Write("a", "somebody else's");
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kKeptBack);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kKeptBack);
  EXPECT_EQ(pair.out.Read("a"), "somebody else's");
  EXPECT_EQ(pair.out.Names(), Names{"a"});
}

TEST(Session, OverwriteReplacesRegularFilesOnly) {
  SessionPair pair({.conflict = file::ConflictPolicy::kOverwrite});
  pair.Add("a", "new a");
  pair.Add("b", "new b");
  pair.out.Write("a", "old a");
  pair.out.Write("target", "precious");
  std::filesystem::create_symlink("target", pair.out / "b");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kKeptBack);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kKeptBack);
  EXPECT_EQ(pair.out.Read("a"), "new a");
  EXPECT_EQ(pair.out.Read("target"), "precious");
  EXPECT_TRUE(std::filesystem::is_symlink(pair.out / "b"));
}

TEST(Session, OutNamesTheOneFile) {
  SessionPair pair({.out = ".chosen"});
  pair.Add("a", "content");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
  EXPECT_EQ(pair.out.Names(), Names{".chosen"});
  EXPECT_EQ(pair.Find<FileDone>(1)->final_name, ".chosen");
}

TEST(Session, OutThatExistsIsKept) {
  SessionPair pair({.out = "chosen"});
  pair.Add("a", "content");
  pair.out.Write("chosen", "old");
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kKeptBack);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kKeptBack);
  EXPECT_EQ(pair.out.Read("chosen"), "old");
  EXPECT_EQ(pair.out.Names(), Names{"chosen"});
}

TEST(Session, SeveralFilesCannotGetOneName) {
  SessionPair pair({.out = "chosen"});
  pair.Add("a", "1");
  pair.Add("b", "2");
  pair.Start();
  ExpectFailure(pair, ErrorCode::kDeclined, ErrorCode::kUsage);
}

// --- The receiver's user ---

TEST(Session, AskWaitsForTheUser) {
  SessionPair pair({.ask = true});
  pair.Add("a", "content");
  pair.Start();
  EXPECT_FALSE(pair.Run(5s));
  ASSERT_NE(pair.Find<Offered>(1), nullptr);
  EXPECT_EQ(pair.receiver().listing().entries[0].path, "a");
  EXPECT_EQ(pair.receiver().progress().phase, Progress::Phase::kDeciding);
  EXPECT_EQ(pair.out.Names(), Names{});
  pair.receiver().Decide(pair.now(), true);
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), std::nullopt);
  EXPECT_EQ(pair.out.Read("a"), "content");
}

TEST(Session, AskedAndDeclined) {
  SessionPair pair({.ask = true});
  pair.Add("a", "content");
  pair.Start();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Find<Offered>(1) != nullptr; }));
  pair.receiver().Decide(pair.now(), false);
  ExpectFailure(pair, ErrorCode::kDeclined, ErrorCode::kDeclined);
}

// --- Faults of the receiver's disk ---

TEST(Session, TooLittleRoomIsSaidBeforeAnythingIsSent) {
  SessionPair pair;
  pair.Add("a", RandomText(100'000, 1));
  pair.faults[1].free_bytes = 99'999;
  pair.Start();
  ExpectFailure(pair, ErrorCode::kCannotWrite, ErrorCode::kCannotWrite);
  EXPECT_EQ(pair.sender().stats().data_bytes_sent, 0u);
}

TEST(Session, JustEnoughRoomWillDo) {
  SessionPair pair;
  pair.Add("a", RandomText(100'000, 1));
  // All but a twentieth counts.
  pair.faults[1].free_bytes = 105'270;
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
}

TEST(Session, WhateverFailsToWriteLeavesNothing) {
  using Faults = file::FaultySyscalls;
  const std::vector<std::function<void(Faults&)>> cases = {
      [](Faults& f) { f.create_error = EACCES; },
      [](Faults& f) { f.create_error = EROFS; },
      [](Faults& f) { f.reserve_error = ENOSPC; },
      [](Faults& f) { f.write_error = EDQUOT; },
      [](Faults& f) {
        f.write_error = ENOSPC;
        f.write_error_after = 600'000;
      },
      [](Faults& f) {
        f.read_error = EIO;
        f.read_error_from = 500'000;
      },
      [](Faults& f) { f.sync_error = EIO; },
      [](Faults& f) { f.rename_error = EACCES; },
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    SessionPair pair;
    pair.Add("a", RandomText(1'000'000, 1));
    cases[i](pair.faults[1]);
    pair.Start();
    ExpectFailure(pair, ErrorCode::kCannotWrite, ErrorCode::kCannotWrite);
  }
}

TEST(Session, AFolderThatCannotBeSyncedIsNoSuccess) {
  SessionPair pair;
  pair.Add("a", "content");
  pair.faults[1].folder_sync_error = EIO;
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kCannotWrite);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kCannotWrite);
}

TEST(Session, ShortWritesAreCompleted) {
  SessionPair pair;
  const std::string content = RandomText(400'000, 1);
  pair.Add("a", content);
  pair.faults[0].max_transfer = 5'001;
  pair.faults[1].max_transfer = 3'001;
  pair.Start();
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
  EXPECT_EQ(pair.out.Read("a"), content);
}

TEST(Session, ADiskThatLiesIsFoundOut) {
  for (const std::size_t size : {1'000, 9'000'000}) {
    SessionPair pair;
    pair.Add("bad", RandomText(size, 1));
    pair.faults[1].corrupt_offset = static_cast<off_t>(size * 3 / 4);
    pair.faults[1].corrupt_times = 100;
    pair.Start();
    ASSERT_TRUE(pair.Run());
    for (int side = 0; side < 2; ++side) {
      EXPECT_EQ(pair.Outcome(side), ErrorCode::kIntegrity) << size;
      ASSERT_NE(pair.Find<FileFailed>(side), nullptr);
      EXPECT_EQ(pair.Find<FileFailed>(side)->name, "bad");
      EXPECT_EQ(pair.Find<FileFailed>(side)->error.code, ErrorCode::kIntegrity);
    }
    EXPECT_TRUE(pair.out.Names().empty());
  }
}

// What was written wrong once is sent again, and no more than its block.
TEST(Session, ABadBlockIsSentAgain) {
  for (const bool slow : {false, true}) {
    for (const std::size_t size :
         {std::size_t{1'000}, std::size_t{3'000'000}, std::size_t{9'000'000}}) {
      SessionPair pair({.slow_disks = slow});
      const std::string content = RandomText(size, 1);
      pair.Add("a", content);
      pair.Add("after", RandomText(2'000, 2));
      pair.faults[1].corrupt_offset = static_cast<off_t>(size * 3 / 4);
      pair.link().loss = slow ? 0.02 : 0;
      pair.Start();
      ASSERT_TRUE(pair.Run(120s));
      EXPECT_EQ(pair.Outcome(0), std::nullopt) << size;
      EXPECT_EQ(pair.Outcome(1), std::nullopt);
      EXPECT_EQ(pair.faults[1].corrupt_times, 0);
      EXPECT_EQ(pair.out.Read("a"), content);
      EXPECT_LE(pair.receiver().stats().data_bytes_received,
                size + 2'000 + std::min<std::size_t>(size, 4 << 20));
    }
  }
}

TEST(Session, ASlowDiskHoldsTheSenderBack) {
  SessionPair pair;
  const std::string content = RandomText(24 << 20, 1);
  pair.Add("a", content);
  pair.Start();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Find<Started>(1) != nullptr; }));
  pair.disks[1]->Hold();
  EXPECT_FALSE(pair.Run(10s));
  // No more than the budget is in the receiver's buffers, and all of it is.
  EXPECT_LE(pair.receiver().stats().data_bytes_received,
            std::uint64_t{15} << 20);
  EXPECT_GT(pair.receiver().stats().data_bytes_received,
            std::uint64_t{14} << 20);
  EXPECT_EQ(pair.receiver().stats().data_packets_refused, 0u);
  pair.disks[1]->Release();
  pair.receiver().HandleDisk(pair.now());
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
  EXPECT_EQ(pair.out.Read("a"), content);
}

// --- Faults of the sender's disk ---

TEST(Session, ASourceThatCannotBeReadIsToldToBoth) {
  SessionPair pair;
  pair.Add("a", RandomText(1'000'000, 1));
  pair.faults[0].read_error = EIO;
  pair.faults[0].read_error_from = 500'000;
  pair.Start();
  ExpectFailure(pair, ErrorCode::kSourceUnreadable,
                ErrorCode::kSourceUnreadable);
}

TEST(Session, ASourceThatChangesIsToldToBoth) {
  const std::vector<std::function<void(const std::string&)>> cases = {
      [](const std::string& path) {  // Shrinks.
        std::filesystem::resize_file(path, 1'000'000);
      },
      [](const std::string& path) {  // Grows.
        std::ofstream(path, std::ios::app) << "more";
      },
      [](const std::string& path) {  // Same size, other time.
        std::filesystem::last_write_time(
            path, std::filesystem::last_write_time(path) +
                      std::chrono::nanoseconds(1'000'000));
      },
  };
  for (std::size_t i = 0; i < 2 * cases.size(); ++i) {
    SCOPED_TRACE(i);
    SessionPair pair;
    pair.Add("a", RandomText(12 << 20, 1));
    // Read by jobs; and from the system's cache, without any.
    if (i >= cases.size()) pair.faults[0].cached_until = 12 << 20;
    pair.Start();
    ASSERT_TRUE(pair.RunUntil([&] {
      return pair.receiver().stats().data_bytes_received > 1'000'000;
    }));
    cases[i % cases.size()](pair.paths[0]);
    ExpectFailure(pair, ErrorCode::kSourceUnreadable,
                  ErrorCode::kSourceUnreadable);
    EXPECT_EQ(pair.faults[0].cached_reads > 0, i >= cases.size());
  }
}

TEST(Session, ASourceThatChangedBeforeItIsReadIsToldToBoth) {
  SessionPair pair;
  pair.Add("empty", "");
  pair.Add("gone", "x");
  pair.Start();
  std::filesystem::remove(pair.paths[1]);
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kSourceUnreadable);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kSourceUnreadable);
  EXPECT_FALSE(pair.out.Has("gone"));
}

TEST(Session, AnEmptySourceThatGrowsIsToldToBoth) {
  SessionPair pair;
  pair.Add("empty", "");
  pair.Start();
  pair.in.Write("empty", "not any more");
  ExpectFailure(pair, ErrorCode::kSourceUnreadable,
                ErrorCode::kSourceUnreadable);
}

// --- The end ---

TEST(Session, CancellingTellsThePeerAndDeletes) {
  for (int side = 0; side < 2; ++side) {
    SCOPED_TRACE(side);
    SessionPair pair;
    pair.Add("a", RandomText(12 << 20, 1));
    pair.Start();
    ASSERT_TRUE(pair.RunUntil([&] {
      return pair.receiver().stats().data_bytes_received > 2'000'000;
    }));
    EXPECT_EQ(pair.out.Names().size(), 1u);
    const Duration before = pair.elapsed();
    const Error reason{ErrorCode::kOther, "interrupted", 0};
    if (side == 0) pair.sender().Cancel(pair.now(), reason);
    if (side == 1) pair.receiver().Cancel(pair.now(), reason);
    ASSERT_TRUE(pair.Run());
    EXPECT_LT(pair.elapsed() - before, 500ms);
    EXPECT_EQ(pair.Outcome(side), ErrorCode::kOther);
    EXPECT_EQ(pair.Outcome(1 - side), ErrorCode::kDeclined);
    EXPECT_EQ(pair.out.Names(), Names{});
  }
}

TEST(Session, CancellingEndsSoonWithoutAPeerToo) {
  SessionPair pair;
  pair.Add("a", RandomText(1 << 20, 1));
  pair.link().cut = true;
  pair.Start();
  pair.sender().Cancel(pair.now(), {ErrorCode::kOther, "interrupted", 0});
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Over(0); }, 1500ms));
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kOther);
}

TEST(Session, ALostChannelIsALostConnection) {
  SessionPair pair;
  pair.Add("a", RandomText(12 << 20, 1));
  pair.Start();
  ASSERT_TRUE(pair.RunUntil(
      [&] { return pair.receiver().stats().data_bytes_received > 2'000'000; }));
  pair.link().cut = true;
  pair.sender().HandleChannelLost(pair.now());
  pair.receiver().HandleChannelLost(pair.now());
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kConnectionLost);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kConnectionLost);
  EXPECT_EQ(pair.out.Names(), Names{});
}

// Whichever packet towards the end gets lost, and all after it for a while,
// both sides say the same.
TEST(Session, TheLastPacketsMayGetLost) {
  for (int from = 0; from < 2; ++from) {
    for (int first = 0; first < 14; ++first) {
      SCOPED_TRACE(testing::Message() << "from " << from << ", " << first);
      SessionPair pair;
      pair.Add("a", "content");
      int seen = 0;
      pair.link().filter = [&, first](int side, ByteSpan) {
        if (side != from) return true;
        ++seen;
        return seen <= first || seen > first + 3;
      };
      pair.Start();
      ASSERT_TRUE(pair.Run());
      EXPECT_EQ(pair.Outcome(0), std::nullopt);
      EXPECT_EQ(pair.Outcome(1), std::nullopt);
      EXPECT_EQ(pair.out.Read("a"), "content");
    }
  }
}

TEST(Session, AReceiverThatHasAllDoesNotFailWithItsSender) {
  SessionPair pair;
  pair.Add("a", "content");
  pair.Start();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Find<FileDone>(1) != nullptr; }));
  pair.Kill(0);
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Over(1); }, 70s));
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
}

TEST(Session, ASenderThatHasTheReceiptDoesNotFailWithItsReceiver) {
  SessionPair pair;
  pair.Add("a", "content");
  pair.Start();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Find<FileDone>(0) != nullptr; }));
  pair.Kill(1);
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Over(0); }, 30s));
  EXPECT_EQ(pair.Outcome(0), std::nullopt);
}

TEST(Session, ASenderWithoutTheReceiptFailsWithTheChannel) {
  SessionPair pair;
  pair.Add("a", "content");
  // The receiver's last word never comes through.
  pair.Start();
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Find<Started>(0) != nullptr; }));
  pair.link().filter = [](int side, ByteSpan) { return side == 0; };
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Over(1); }, 70s));
  pair.sender().HandleChannelLost(pair.now());
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kConnectionLost);
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
}

TEST(Session, ProgressCountsFromNothingToAll) {
  SessionPair pair;
  pair.Add("a", RandomText(4 << 20, 1));
  pair.Start();
  EXPECT_EQ(pair.sender().progress().phase, Progress::Phase::kGreeting);
  std::uint64_t last[2] = {0, 0};
  bool halfway[2] = {false, false};
  ASSERT_TRUE(pair.RunUntil([&] {
    const Progress now[2] = {pair.sender().progress(),
                             pair.receiver().progress()};
    for (int i = 0; i < 2; ++i) {
      EXPECT_GE(now[i].bytes_done, last[i]);
      EXPECT_LE(now[i].bytes_done, std::uint64_t{4} << 20);
      last[i] = now[i].bytes_done;
      if (now[i].current_file == "a") {
        // There is no other.
        EXPECT_EQ(now[i].current_bytes_total, std::uint64_t{4} << 20);
        EXPECT_LE(now[i].current_bytes_done, now[i].current_bytes_total);
        halfway[i] = halfway[i] || now[i].current_bytes_done >= 2 << 20;
      }
    }
    return pair.Over(0) && pair.Over(1);
  }));
  EXPECT_TRUE(halfway[0] && halfway[1]);
  for (const Progress& progress :
       {pair.sender().progress(), pair.receiver().progress()}) {
    EXPECT_EQ(progress.phase, Progress::Phase::kOver);
    EXPECT_EQ(progress.bytes_done, std::uint64_t{4} << 20);
    EXPECT_EQ(progress.files_done, 1u);
    EXPECT_EQ(progress.files_total, 1u);
    EXPECT_EQ(progress.current_file, "");
  }
}

}  // namespace
}  // namespace p2pcp
