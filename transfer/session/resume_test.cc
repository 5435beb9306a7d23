// Transfers that are interrupted and go on: at the exact place, with nothing
// read, sent or written twice but what was under way.

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/file/journal.h"
#include "transfer/file/journal_state.h"
#include "transfer/session/session_pair.h"

namespace p2pcp {
namespace {

using file::RandomText;
using Names = std::vector<std::string>;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr file::BootId kNextBoot = {std::byte{1}};

SessionPair::Config Journals(std::uint64_t seed = 1) {
  SessionPair::Config config;
  config.seed = seed;
  config.journals = true;
  return config;
}

bool ReceivedAtLeast(SessionPair& pair, std::uint64_t bytes) {
  return pair.RunUntil([&] {
    return pair.receiver().progress().bytes_done >= bytes || pair.Over(1);
  });
}

std::uint64_t Had(const SessionPair& pair, int side) {
  std::uint64_t bytes = 0;
  for (const SessionEvent& event : pair.events(side)) {
    if (const auto* resumed = std::get_if<Resumed>(&event)) {
      bytes += resumed->bytes;
    }
  }
  return bytes;
}

void ExpectDone(SessionPair& pair) {
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), std::nullopt)
      << pair.Find<Failed>(0)->error.message;
  EXPECT_EQ(pair.Outcome(1), std::nullopt)
      << pair.Find<Failed>(1)->error.message;
}

TEST(Resume, GoesOnAfterTheConnectionWasLost) {
  const std::string content = RandomText(10 * kMiB, 1);
  SessionPair pair(Journals());
  pair.Add("film", content);
  pair.Start();
  ASSERT_TRUE(ReceivedAtLeast(pair, 4 * kMiB));
  pair.sender().HandleChannelLost(pair.now());
  pair.receiver().HandleChannelLost(pair.now());
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kConnectionLost);

  pair.Restart(/*killed=*/false);
  ExpectDone(pair);
  EXPECT_GE(Had(pair, 1), 4 * kMiB);
  EXPECT_EQ(Had(pair, 0), Had(pair, 1));
  EXPECT_EQ(pair.sender().stats().data_bytes_sent,
            content.size() - Had(pair, 1));
  EXPECT_EQ(pair.out.Names(), Names{"film"});
  EXPECT_EQ(pair.out.Read("film"), content);
  EXPECT_EQ(pair.Find<FileDone>(0)->digest, pair.Find<FileDone>(1)->digest);
}

// However often, and whenever.
TEST(Resume, GoesOnAfterEachOfManyKills) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    std::vector<std::string> contents = {RandomText(6 * kMiB + 1, seed),
                                         RandomText(70'000, seed + 1), "small",
                                         RandomText(3 * kMiB, seed + 2), ""};
    SessionPair pair(Journals(seed));
    for (std::size_t i = 0; i < contents.size(); ++i) {
      pair.Add("f" + std::to_string(i), contents[i]);
    }
    pair.Start();
    pair.link().loss = seed % 2 == 0 ? 0.02 : 0;
    std::uint64_t sent = 0;
    std::uint64_t total = 0;
    for (const std::string& content : contents) total += content.size();
    int kills = 0;
    for (; kills < 12; ++kills) {
      if (pair.RunUntil([&] { return pair.Over(0) && pair.Over(1); },
                        Duration(random.Below(400'000'000)))) {
        break;
      }
      sent += pair.sender().stats().data_bytes_sent -
              pair.sender().stats().data_bytes_retransmitted;
      pair.Restart(/*killed=*/true);
    }
    ExpectDone(pair);
    sent += pair.sender().stats().data_bytes_sent -
            pair.sender().stats().data_bytes_retransmitted;
    Names names;
    for (std::size_t i = 0; i < contents.size(); ++i) {
      names.push_back("f" + std::to_string(i));
      EXPECT_EQ(pair.out.Read(names.back()), contents[i]);
    }
    EXPECT_EQ(pair.out.Names(), names);
    // In flight, and chunks that were not full: with losses none is for a
    // round trip.
    const std::uint64_t bound = seed % 2 == 0 ? 8 * kMiB : 2 * kMiB;
    EXPECT_LE(sent, total + static_cast<std::uint64_t>(kills) * bound);
  }
}

TEST(Resume, AfterARebootOnlyWhatWasSyncedCounts) {
  const std::string content = RandomText(40 * kMiB, 2);
  SessionPair pair(Journals());
  pair.Add("film", content);
  pair.Start();
  ASSERT_TRUE(ReceivedAtLeast(pair, 20 * kMiB));
  // What was not synced has been lost.
  Bytes zeros(4 * kMiB);
  for (const auto& entry :
       std::filesystem::directory_iterator(pair.out.path())) {
    std::fstream part(entry.path(),
                      std::ios::binary | std::ios::in | std::ios::out);
    part.seekp(16 * kMiB);
    part.write(reinterpret_cast<const char*>(zeros.data()),
               static_cast<std::streamsize>(zeros.size()));
  }
  pair.Restart(/*killed=*/true, kNextBoot);
  ExpectDone(pair);
  EXPECT_EQ(Had(pair, 1), 16 * kMiB);
  EXPECT_EQ(pair.out.Read("film"), content);
}

TEST(Resume, ASourceThatChangedBeginsAnewAndIsNeverMixed) {
  SessionPair pair(Journals());
  pair.Add("film", RandomText(6 * kMiB, 3));
  pair.Start();
  ASSERT_TRUE(ReceivedAtLeast(pair, 3 * kMiB));
  const std::string other = RandomText(6 * kMiB, 4);
  pair.in.Write("film", other);
  pair.Restart(/*killed=*/true);
  ExpectDone(pair);
  EXPECT_EQ(Had(pair, 1), 0u);
  EXPECT_NE(pair.Find<Outdated>(1), nullptr);
  EXPECT_EQ(pair.out.Names(), Names{"film"});
  EXPECT_EQ(pair.out.Read("film"), other);
}

// The same size and the same time, but not the same bytes: what a clock that
// was set back, or a program that hides its traces, makes of a file.
TEST(Resume, ASourceThatChangedInSecretIsFoundByItsDigest) {
  SessionPair pair(Journals());
  pair.Add("film", RandomText(6 * kMiB, 3));
  const std::string path = pair.in / "film";
  struct stat before;
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  pair.Start();
  ASSERT_TRUE(ReceivedAtLeast(pair, 3 * kMiB));
  const std::string other = RandomText(6 * kMiB, 4);
  pair.in.Write("film", other);
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  pair.Restart(/*killed=*/true);
  ASSERT_TRUE(pair.Run());
  EXPECT_GT(Had(pair, 1), 0u);
  if (pair.Outcome(1)) {
    EXPECT_EQ(pair.Outcome(1), ErrorCode::kIntegrity);
    EXPECT_EQ(pair.out.Names(), Names{});
    // The next run begins anew.
    pair.Restart(/*killed=*/false);
    ExpectDone(pair);
  }
  EXPECT_EQ(pair.out.Read("film"), other);
}

TEST(Resume, ADiskThatIsFullGoesOnWhenThereIsRoom) {
  const std::string content = RandomText(6 * kMiB, 5);
  SessionPair pair(Journals());
  pair.Add("film", content);
  pair.Start();
  ASSERT_TRUE(ReceivedAtLeast(pair, 2 * kMiB));
  pair.faults[1].write_error = ENOSPC;
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kCannotWrite);
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kCannotWrite);
  pair.faults[1].write_error = 0;
  pair.Restart(/*killed=*/false);
  ExpectDone(pair);
  EXPECT_GE(Had(pair, 1), 2 * kMiB);
  EXPECT_EQ(pair.out.Read("film"), content);
}

TEST(Resume, APartThatIsNotOursAnyMoreIsNotTrusted) {
  const std::string content = RandomText(6 * kMiB, 6);
  for (int how = 0; how < 4; ++how) {
    SCOPED_TRACE(how);
    SessionPair pair(Journals());
    pair.Add("film", content);
    pair.Start();
    ASSERT_TRUE(ReceivedAtLeast(pair, 3 * kMiB));
    pair.Restart(/*killed=*/true);  // So that it is nobody's at the moment.
    const Names names = pair.out.Names();
    ASSERT_EQ(names.size(), 1u);
    const std::string part = pair.out / names[0];
    switch (how) {
      case 0:  // Gone.
        std::filesystem::remove(part);
        break;
      case 1:  // Another file of that name.
        std::filesystem::rename(part, part + "x");
        std::filesystem::copy_file(part + "x", part);
        std::filesystem::remove(part + "x");
        break;
      case 2:  // A link.
        std::filesystem::rename(part, pair.in / "elsewhere");
        std::filesystem::create_symlink(pair.in / "elsewhere", part);
        break;
      case 3:  // Open to others.
        std::filesystem::permissions(part, std::filesystem::perms::group_write,
                                     std::filesystem::perm_options::add);
        break;
    }
    ExpectDone(pair);
    EXPECT_EQ(Had(pair, 1), 0u);
    EXPECT_EQ(pair.out.Read("film"), content);
  }
}

TEST(Resume, WhatIsInPlaceIsNeitherSentNorReadNorMadeTwice) {
  SessionPair pair(Journals());
  pair.out.Write("b", "something of the user's");
  pair.Add("a", RandomText(2 * kMiB, 7));
  pair.Add("b", RandomText(2 * kMiB, 8));
  pair.Add("c", RandomText(8 * kMiB, 9));
  pair.Start();
  const auto done = [&] {
    return std::count_if(pair.events(1).begin(), pair.events(1).end(),
                         [](const SessionEvent& event) {
                           return std::holds_alternative<FileDone>(event);
                         });
  };
  ASSERT_TRUE(ReceivedAtLeast(pair, 6 * kMiB));
  pair.link().cut = true;
  ASSERT_TRUE(pair.RunUntil([&] { return done() == 2; }));
  pair.link().cut = false;
  pair.Restart(/*killed=*/true);
  ExpectDone(pair);
  EXPECT_EQ(pair.out.Names(), (Names{"a", "b", "b (1)", "c"}));
  EXPECT_EQ(pair.out.Read("b"), "something of the user's");
  EXPECT_EQ(pair.out.Read("b (1)"), RandomText(2 * kMiB, 8));
  int there = 0;
  for (const SessionEvent& event : pair.events(1)) {
    const auto* done = std::get_if<FileDone>(&event);
    if (done != nullptr && done->was_there) ++there;
  }
  EXPECT_EQ(there, 2);
}

}  // namespace
}  // namespace p2pcp
