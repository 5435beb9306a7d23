#include "transfer/file/source.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "transfer/file/digest.h"
#include "transfer/file/faulty_syscalls.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/source_list.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

class SourceTest : public testing::Test {
 protected:
  SourceTest() : disk_(&faults_) {}

  void Add(const std::string& name, std::size_t size) {
    contents_.push_back(RandomText(size, contents_.size() + 1));
    space_ += contents_.back();
    paths_.push_back(folder_.Write(name, contents_.back()));
  }
  void Start(std::vector<std::size_t> unwanted = {}) {
    list_ = *ScanSources(paths_);
    source_.emplace(&list_, &disk_);
    std::vector<bool> flags(paths_.size());
    for (const std::size_t index : unwanted) flags[index] = true;
    source_->Start(std::move(flags));
    Turn();
  }
  void Turn() {
    while (disk_.ready()) source_->HandleDisk();
    while (const auto digest = source_->PollDigest()) {
      EXPECT_FALSE(digests_.contains(digest->index)) << "told twice";
      digests_[digest->index] = digest->digest.ToString();
    }
  }
  // Reads [begin, end) as a connection does, in whatever pieces come.
  void ExpectReads(std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t at = begin; at < end;) {
      ByteSpan bytes = source_->Read(at, static_cast<std::size_t>(end - at));
      for (int tries = 0; bytes.empty() && tries < 3; ++tries) {
        Turn();
        ASSERT_TRUE(source_->TakeReady());
        bytes = source_->Read(at, static_cast<std::size_t>(end - at));
      }
      ASSERT_FALSE(bytes.empty()) << at;
      ASSERT_EQ(AsText(bytes), std::string_view(space_).substr(
                                   static_cast<std::size_t>(at), bytes.size()))
          << at;
      at += bytes.size();
      Turn();
    }
  }
  void ExpectDigests(std::vector<std::size_t> wanted) {
    EXPECT_EQ(digests_.size(), wanted.size());
    for (const std::size_t index : wanted) {
      Hasher hasher;
      hasher.Update(AsBytes(contents_[index]));
      EXPECT_EQ(digests_[index], hasher.Finish().ToString()) << index;
    }
  }

  TestFolder folder_;
  FaultySyscalls faults_;
  InlineDisk disk_;
  std::vector<std::string> paths_;
  std::vector<std::string> contents_;
  std::string space_;
  SourceList list_;
  std::optional<Source> source_;
  std::map<std::size_t, std::string> digests_;
};

TEST_F(SourceTest, FilesAreOneSpaceAndDigestedOnTheWay) {
  Add("empty", 0);
  Add("a", 3'000'000);
  Add("b", 1);
  Add("c", 262'144);
  Add("end", 0);
  Start();
  for (std::uint64_t at = 0; at < space_.size(); at += 1435) {
    ExpectReads(at, std::min<std::uint64_t>(at + 1435, space_.size()));
  }
  ExpectDigests({0, 1, 2, 3, 4});
}

TEST_F(SourceTest, ReadsAheadButNotTheWholeFile) {
  Add("a", 20 << 20);
  Start();
  std::uint64_t reads = 0;
  faults_.before_read = [&] { ++reads; };
  // What was read ahead is there at once.
  ExpectReads(0, 1 << 20);
  EXPECT_EQ(reads, 4u);
  EXPECT_TRUE(digests_.empty());
}

TEST_F(SourceTest, WhatTheSystemHasInMemoryIsReadAtOnceAndNotAhead) {
  constexpr std::size_t kSize = 40 * Source::kChunkBytes + 17;
  Add("file", kSize);
  faults_.cached_until = kSize;
  Start();
  for (std::uint64_t at = 0; at < kSize; at += Source::kChunkBytes) {
    ExpectReads(at, std::min<std::uint64_t>(kSize, at + Source::kChunkBytes));
  }
  EXPECT_GT(faults_.cached_reads, 20);
  ExpectDigests({0});
  // Lost bytes come the same way, also of what has left the buffers.
  const std::uint64_t before = faults_.cached_reads;
  EXPECT_FALSE(source_->Read(25 * Source::kChunkBytes, 1435).empty());
  EXPECT_EQ(faults_.cached_reads, before + 1);
  ExpectReads(kSize - 1000, kSize);
}

TEST_F(SourceTest, WhereTheMemoryEndsTheDiskGoesOn) {
  constexpr std::size_t kSize = 60 * Source::kChunkBytes;
  Add("file", kSize);
  faults_.cached_until = 30 * Source::kChunkBytes + 4096;
  Start();
  ExpectReads(0, kSize);
  ExpectDigests({0});
  const std::uint64_t hits = faults_.cached_reads;
  EXPECT_GT(hits, 0);
  // It was not asked in vain for every chunk of the rest.
  EXPECT_LE(faults_.cached_misses, 2);
}

TEST_F(SourceTest, AnErrorOfAReadAtOnceIsFinalToo) {
  Add("file", 40 * Source::kChunkBytes);
  faults_.cached_until = 40 * Source::kChunkBytes;
  Start();
  ExpectReads(0, 20 * Source::kChunkBytes);
  folder_.Write("file", std::string(40 * Source::kChunkBytes, 'x'));
  std::uint64_t at = 20 * Source::kChunkBytes;
  while (!source_->Read(at, 1435).empty()) at += 1435;
  ASSERT_TRUE(source_->error());
  EXPECT_EQ(source_->error()->code, ErrorCode::kSourceUnreadable);
}

TEST_F(SourceTest, LostBytesAreReadAgain) {
  Add("a", 24 << 20);
  Add("b", 2 << 20);
  Start();
  ExpectReads(0, 20 << 20);
  ExpectReads(1'000'000, 1'100'000);
  ExpectReads(20 << 20, space_.size());
  SeededRandom random(1);
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t begin = random.Below(space_.size() - 1435);
    ExpectReads(begin, begin + 1435);
  }
  ExpectDigests({0, 1});
}

TEST_F(SourceTest, ManyFilesDoNotNeedManyDescriptors) {
  for (int i = 0; i < 600; ++i) Add("f" + std::to_string(i), 100 + i);
  Start();
  ExpectReads(0, space_.size());
  EXPECT_EQ(digests_.size(), 600u);
  SeededRandom random(2);
  for (int i = 0; i < 100; ++i) {
    const std::uint64_t begin = random.Below(space_.size() - 1435);
    ExpectReads(begin, begin + 1435);
  }
  EXPECT_EQ(digests_.size(), 600u);
}

TEST_F(SourceTest, WhatIsNotWantedIsNotOpened) {
  Add("a", 500'000);
  Add("b", 500'000);
  Add("c", 500'000);
  Add("d", 0);
  Start({0, 2, 3});
  std::filesystem::remove(paths_[0]);
  std::filesystem::remove(paths_[2]);
  ExpectReads(500'000, 1'000'000);
  ExpectDigests({1});
  EXPECT_FALSE(source_->error().has_value());
  ExpectReads(600'000, 601'000);
}

TEST_F(SourceTest, AnErrorIsFinal) {
  Add("a", 20 << 20);
  Start();
  ExpectReads(0, 1000);
  faults_.read_error = 5;  // EIO
  faults_.read_error_from = 6 << 20;
  for (std::uint64_t at = 0; at < space_.size() && !source_->error();
       at += 100'000) {
    source_->Read(at, 1435);
    Turn();
  }
  ASSERT_TRUE(source_->error().has_value());
  EXPECT_EQ(source_->error()->code, ErrorCode::kSourceUnreadable);
  EXPECT_EQ(source_->error()->os_errno, 5);
  EXPECT_TRUE(source_->Read(0, 1435).empty());
}

TEST_F(SourceTest, AChangeIsSeenWhenReadingAgainToo) {
  Add("a", 24 << 20);
  Start();
  ExpectReads(0, space_.size());
  ExpectDigests({0});
  folder_.Write("a", std::string(24 << 20, 'x'));
  source_->Read(0, 1435);
  Turn();
  ASSERT_TRUE(source_->error().has_value());
  EXPECT_EQ(source_->error()->code, ErrorCode::kSourceUnreadable);
}

}  // namespace
}  // namespace p2pcp::file
