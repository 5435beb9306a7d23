// Transfers of files of which the receiver has an older version: only what
// differs travels, and whatever becomes of the older version meanwhile, what
// arrives is the new one.

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/file/delta_signature.h"
#include "transfer/session/session_pair.h"

namespace p2pcp {
namespace {

using file::RandomText;
using Names = std::vector<std::string>;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kBlock = file::kMinDeltaBlock;

SessionPair::Config Overwrite(std::uint64_t seed = 1) {
  SessionPair::Config config;
  config.seed = seed;
  config.conflict = file::ConflictPolicy::kOverwrite;
  config.journals = true;
  return config;
}

void ExpectDone(SessionPair& pair) {
  ASSERT_TRUE(pair.Run());
  ASSERT_EQ(pair.Outcome(0), std::nullopt)
      << pair.Find<Failed>(0)->error.message;
  ASSERT_EQ(pair.Outcome(1), std::nullopt)
      << pair.Find<Failed>(1)->error.message;
}

Savings SavingsOf(const SessionPair& pair, int side) {
  return pair.Find<Completed>(side)->savings;
}

// Bytes of files that travelled, each once.
std::uint64_t Sent(SessionPair& pair) {
  return pair.sender().stats().data_bytes_sent -
         pair.sender().stats().data_bytes_retransmitted;
}

// Overwrites in place: whoever has it open sees it.
void Scribble(const std::string& path, std::uint64_t at,
              const std::string& text) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(at));
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
}

TEST(Delta, OnlyWhatChangedTravels) {
  const std::string base = RandomText(8 * kMiB + 1000, 1);
  std::string next = base;
  for (const std::uint64_t at : {1u, 3u, 5u}) {
    next.replace(at * kMiB, 1000, RandomText(1000, at));
  }
  SessionPair pair(Overwrite());
  pair.out.Write("film", base);
  pair.Add("film", next);
  pair.Start();
  ExpectDone(pair);
  EXPECT_TRUE(pair.out.Read("film") == next);
  EXPECT_EQ(pair.out.Names(), Names{"film"});
  EXPECT_EQ(Sent(pair), 3 * kBlock);
  const Savings savings = SavingsOf(pair, 0);
  EXPECT_EQ(savings, SavingsOf(pair, 1));
  EXPECT_EQ(savings.copied_bytes, next.size() - 3 * kBlock);
  EXPECT_EQ(savings.signature_bytes,
            file::DeltaBlocks(base.size()) * file::kSignatureBytes);
  EXPECT_EQ(pair.Find<FileDone>(0)->digest, pair.Find<FileDone>(1)->digest);
}

TEST(Delta, WhatMovedIsFound) {
  const std::string base = RandomText(8 * kMiB, 1);
  for (const std::string& next :
       {RandomText(100'001, 2) + base, base.substr(100'001),
        base.substr(0, 5 * kMiB) + "!" + base.substr(5 * kMiB)}) {
    SessionPair pair(Overwrite());
    pair.out.Write("film", base);
    pair.Add("film", next);
    pair.Start();
    ExpectDone(pair);
    EXPECT_TRUE(pair.out.Read("film") == next);
    EXPECT_LE(Sent(pair), 120'000u);
  }
}

TEST(Delta, OnlyWhereTheOlderVersionIsReplacedAndItPays) {
  const std::string base = RandomText(2 * kMiB, 1);
  std::string next = base;
  next[kMiB] ^= 1;
  const auto saved = [&](SessionPair::Config config, const std::string& old,
                         const std::string& other) {
    SessionPair pair(config);
    pair.out.Write("film", old);
    pair.Add("film", other);
    pair.Start();
    ExpectDone(pair);
    EXPECT_TRUE(pair.out.Read(pair.out.Names().back()) == other);
    return SavingsOf(pair, 1).copied_bytes;
  };
  EXPECT_EQ(saved(Overwrite(), base, next), 2 * kMiB - kBlock);
  SessionPair::Config rename = Overwrite();
  rename.conflict = file::ConflictPolicy::kRename;
  EXPECT_EQ(saved(rename, base, next), 0u);
  SessionPair::Config whole = Overwrite();
  whole.delta = false;
  EXPECT_EQ(saved(whole, base, next), 0u);
  // Small ones.
  EXPECT_EQ(saved(Overwrite(), base.substr(0, kMiB - 1), next), 0u);
  EXPECT_EQ(saved(Overwrite(), base, next.substr(0, kMiB - 1)), 0u);
}

TEST(Delta, ManyFilesOnABadLineAndSlowDisks) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    SessionPair::Config config = Overwrite(seed);
    config.slow_disks = seed % 2 == 0;
    SessionPair pair(config);
    std::vector<std::string> contents;
    for (int i = 0; i < 8; ++i) {
      const std::string name = "f" + std::to_string(i);
      const std::string base =
          RandomText(kMiB + random.Below(3 * kMiB), seed * 100 + i);
      std::string next = base;
      for (std::uint64_t n = random.Below(6); n > 0; --n) {
        const std::size_t at = random.Below(next.size());
        const std::size_t size = random.Below(50'000);
        if (random.Below(2) == 0) {
          next.insert(at, RandomText(size, n));
        } else {
          next.erase(at, size);
        }
      }
      // Some are new, and some are the same.
      if (i % 4 != 3) pair.out.Write(name, base);
      if (i % 4 == 2) next = base;
      pair.Add(name, next);
      contents.push_back(next);
    }
    pair.Start();
    pair.link().loss = seed % 3 == 0 ? 0.02 : 0;
    pair.link().reorder = seed % 3 == 1;
    ExpectDone(pair);
    for (int i = 0; i < 8; ++i) {
      EXPECT_TRUE(pair.out.Read("f" + std::to_string(i)) == contents[i]) << i;
    }
    EXPECT_EQ(pair.out.Names().size(), 8u);
    EXPECT_EQ(SavingsOf(pair, 0), SavingsOf(pair, 1));
    // Of four files, which have at most five changes. Those that are the same
    // may have the same time too, and are not copied then.
    EXPECT_GT(SavingsOf(pair, 1).copied_bytes, 2 * kMiB);
  }
}

// Where size and time are the same the two are compared first.
TEST(Delta, ASecretChangeIsFoundAndAloneTravels) {
  const std::string base = RandomText(3 * kMiB, 1);
  std::string next = base;
  next.replace(2 * kMiB, 5, "other");
  SessionPair pair(Overwrite());
  pair.Add("film", next);
  const std::string old = pair.out.Write("film", base);
  struct stat info;
  ASSERT_EQ(stat((pair.in / "film").c_str(), &info), 0);
  const struct timespec times[2] = {info.st_atim, info.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, old.c_str(), times, 0), 0);
  pair.Start();
  ExpectDone(pair);
  EXPECT_TRUE(pair.out.Read("film") == next);
  EXPECT_EQ(Sent(pair), kBlock);
}

TEST(Delta, HolesAreNeitherSentNorCopied) {
  const std::string head = RandomText(2 * kMiB, 1);
  const std::string tail = RandomText(2 * kMiB, 2);
  const std::string base = head + std::string(4 * kMiB, '\0') + tail;
  SessionPair pair(Overwrite());
  pair.out.Write("disk", base);
  const std::string path = pair.in / "disk";
  std::ofstream(path, std::ios::binary) << "x" + head;
  std::filesystem::resize_file(path, 9 * kMiB);
  Scribble(path, 9 * kMiB - tail.size(), tail);
  pair.paths.push_back(path);
  pair.Start();
  ExpectDone(pair);
  EXPECT_TRUE(pair.out.Read("disk") == pair.in.Read("disk"));
  EXPECT_LE(Sent(pair), 10 * kBlock);
  struct stat info;
  ASSERT_EQ(stat((pair.out / "disk").c_str(), &info), 0);
  EXPECT_LT(info.st_blocks * 512, static_cast<std::int64_t>(5 * kMiB));
}

TEST(Delta, AnOlderVersionThatChangesMeanwhileIsRepaired) {
  const std::string base = RandomText(9 * kMiB, 1);
  const std::string next = "x" + base;
  for (int how = 0; how < 4; ++how) {
    SCOPED_TRACE(how);
    SessionPair::Config config = Overwrite();
    config.slow_disks = true;
    SessionPair pair(config);
    const std::string old = pair.out.Write("film", base);
    pair.Add("film", next);
    pair.Start();
    ASSERT_TRUE(pair.RunUntil(
        [&] { return pair.receiver().progress().bytes_done > 0; }));
    switch (how) {
      case 0:  // Written to.
        Scribble(old, 5 * kMiB, RandomText(2 * kMiB, 3));
        break;
      case 1:  // Cut off.
        std::filesystem::resize_file(old, kMiB);
        break;
      case 2:  // Replaced: what was opened goes on.
        pair.out.Write("other", "other");
        std::filesystem::rename(pair.out / "other", old);
        break;
      case 3:  // Not to be read any more.
        std::filesystem::remove(old);
        break;
    }
    ExpectDone(pair);
    EXPECT_TRUE(pair.out.Read("film") == next);
    EXPECT_EQ(pair.out.Names(), Names{"film"});
    if (how >= 2) {
      EXPECT_LE(Sent(pair), 2 * kBlock);
    }
  }
}

// Between the look at its name and the opening.
TEST(Delta, AnOlderVersionThatIsGoneIsNoHarm) {
  const std::string base = RandomText(2 * kMiB, 1);
  for (int how = 0; how < 3; ++how) {
    SCOPED_TRACE(how);
    SessionPair::Config config = Overwrite();
    config.slow_disks = true;
    config.slow_side = 1;
    SessionPair pair(config);
    const std::string old = pair.out.Write("film", base);
    pair.Add("film", base + "more");
    pair.Start();
    ASSERT_TRUE(
        pair.RunUntil([&] { return pair.Find<Started>(1) != nullptr; }));
    if (how == 0) {
      std::filesystem::remove(old);
    } else if (how == 1) {
      pair.out.Write("film", base + "something else");
    } else {
      pair.faults[1].read_error = EIO;
      pair.faults[1].read_error_from = kMiB;
      ASSERT_TRUE(pair.RunUntil(
          [&] { return pair.receiver().progress().bytes_done >= kMiB; }));
      pair.faults[1].read_error = 0;
    }
    ExpectDone(pair);
    EXPECT_TRUE(pair.out.Read("film") == base + "more");
  }
}

TEST(Delta, GoesOnAfterEachOfManyKills) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    const std::string base = RandomText(12 * kMiB, seed);
    std::string next = base;
    for (std::uint64_t at = 0; at < 12; ++at) {
      next.replace(at * kMiB + random.Below(kMiB / 2), 100'000,
                   RandomText(100'000 + random.Below(2), at));
    }
    SessionPair::Config config = Overwrite(seed);
    config.slow_disks = seed % 2 == 0;
    SessionPair pair(config);
    pair.out.Write("film", base);
    pair.Add("film", next);
    pair.Start();
    pair.link().loss = seed > 2 ? 0.02 : 0;
    std::uint64_t sent = 0;
    int kills = 0;
    for (; kills < 8; ++kills) {
      if (pair.RunUntil([&] { return pair.Over(0) && pair.Over(1); },
                        Duration(random.Below(150'000'000)))) {
        break;
      }
      sent += Sent(pair);
      pair.Restart(/*killed=*/true);
    }
    EXPECT_GT(kills, 1);
    ExpectDone(pair);
    sent += Sent(pair);
    EXPECT_TRUE(pair.out.Read("film") == next);
    EXPECT_EQ(pair.out.Names(), Names{"film"});
    EXPECT_LE(sent, 12 * 120'000u + static_cast<std::uint64_t>(kills) * kMiB);
  }
}

TEST(Delta, ASourceThatFailsMeanwhileLeavesTheOlderVersion) {
  const std::string base = RandomText(9 * kMiB, 1);
  SessionPair::Config config = Overwrite();
  config.slow_disks = true;
  config.slow_side = 0;
  config.disk_turn = 20ms;
  SessionPair pair(config);
  pair.out.Write("film", base);
  pair.out.Write("second", base);
  pair.Add("film", "x" + base);
  pair.Add("second", base + "x");
  pair.Start();
  ASSERT_TRUE(pair.RunUntil(
      [&] { return pair.receiver().progress().bytes_done > kMiB; }));
  pair.in.Write("film", "changed");
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(0), ErrorCode::kSourceUnreadable);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kSourceUnreadable);
  EXPECT_TRUE(pair.out.Read("film") == base);
  EXPECT_TRUE(pair.out.Read("second") == base + "x");
}

// Blocks in another order: copies and nothing else, more of them than may be
// told at once.
TEST(Delta, MoreCopiesThanMayBeToldAtOnce) {
  const std::uint64_t blocks = file::kMaxDeltaCopies + 2000;
  const std::string base = RandomText(blocks * kBlock, 1);
  std::string next;
  next.reserve(base.size());
  for (std::uint64_t i = 0; i < blocks; ++i) {
    next.append(base, (i ^ 1) * kBlock, kBlock);
  }
  SessionPair::Config config = Overwrite();
  config.slow_disks = true;
  config.slow_side = 1;
  SessionPair pair(config);
  pair.out.Write("film", base);
  pair.Add("film", next);
  pair.Start();
  ExpectDone(pair);
  EXPECT_TRUE(pair.out.Read("film") == next);
  EXPECT_EQ(Sent(pair), 0u);
}

}  // namespace
}  // namespace p2pcp
