#include "transfer/file/source.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "transfer/file/delta_matcher.h"
#include "transfer/file/delta_signature.h"
#include "transfer/file/digest.h"
#include "transfer/file/faulty_syscalls.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/interval_set.h"
#include "transfer/file/journal.h"
#include "transfer/file/listed_file.h"
#include "transfer/file/source_keeper.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

class SourceTest : public testing::Test {
 protected:
  SourceTest()
      : journal_(*Journal::Open(state_.path(), {{}, {}, ""}, {})),
        keeper_(journal_.get()),
        disk_(&faults_, nullptr, &keeper_) {}

  void Add(const std::string& name, std::size_t size) {
    contents_.push_back(RandomText(size, contents_.size() + 1));
    space_ += contents_.back();
    paths_.push_back(folder_.Write(name, contents_.back()));
  }
  void Start() {
    source_.emplace(&disk_);
    for (std::size_t i = 0; i < paths_.size(); ++i) {
      source_->Add(i, ListFile(paths_[i]), Source::Mode::kSend);
    }
    source_->Advance();
    Turn();
  }
  void Turn() {
    while (disk_.ready()) source_->HandleDisk();
    while (const auto event = source_->PollEvent()) {
      switch (event->kind) {
        case Source::Event::Kind::kDigest:
          EXPECT_FALSE(digests_.contains(event->id)) << "told twice";
          digests_[event->id] = event->digest.ToString();
          break;
        case Source::Event::Kind::kFailed:
          EXPECT_FALSE(failed_.contains(event->id)) << "told twice";
          failed_[event->id] = *event->error;
          break;
        case Source::Event::Kind::kHole:
          holes_.push_back({event->begin, event->end});
          break;
        case Source::Event::Kind::kData:
          data_.push_back({event->begin, event->end});
          break;
        case Source::Event::Kind::kCopy:
          copies_.push_back({event->begin, event->end, true, event->from});
          break;
        case Source::Event::Kind::kSignatures:
          wanted_ = event->end;
          break;
        case Source::Event::Kind::kBlock:
          blocks_.push_back(event->digest.ToString());
          break;
      }
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
  TestFolder state_;
  FaultySyscalls faults_;
  std::unique_ptr<Journal> journal_;
  SourceKeeper keeper_;
  InlineDisk disk_;
  std::vector<std::string> paths_;
  std::vector<std::string> contents_;
  std::string space_;
  std::optional<Source> source_;
  std::map<std::uint64_t, std::string> digests_;
  std::map<std::uint64_t, Error> failed_;
  std::vector<Interval> holes_;
  std::vector<Interval> data_;
  std::vector<std::string> blocks_;
  std::vector<DeltaSegment> copies_;
  std::uint64_t wanted_ = 0;
};

// Its folder is looked for with the first two of its files only.
TEST_F(SourceTest, ReadsSmallFilesOfAFolderThatIsMovedMeanwhile) {
  std::filesystem::create_directory(folder_.path() + "/sub");
  std::filesystem::create_directory(folder_.path() + "/other");
  for (const char* name : {"sub/a", "sub/b", "sub/c", "other/d", "other/e"}) {
    Add(name, 1000);
  }
  int reads = 0;
  faults_.before_read = [&] {
    if (++reads != 2) return;
    std::filesystem::rename(folder_.path() + "/sub", folder_.path() + "/moved");
  };
  Start();
  ExpectReads(0, 5000);
  ExpectDigests({0, 1, 2, 3, 4});
}

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
  EXPECT_LE(reads, 5u);
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

TEST_F(SourceTest, AnErrorOfAReadAtOnceIsToldToo) {
  Add("file", 40 * Source::kChunkBytes);
  faults_.cached_until = 40 * Source::kChunkBytes;
  Start();
  ExpectReads(0, 20 * Source::kChunkBytes);
  folder_.Write("file", std::string(40 * Source::kChunkBytes, 'x'));
  std::uint64_t at = 20 * Source::kChunkBytes;
  while (!source_->Read(at, 1435).empty()) at += 1435;
  Turn();
  EXPECT_EQ(failed_[0].code, ErrorCode::kSourceUnreadable);
  EXPECT_TRUE(source_->failed(0));
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

TEST_F(SourceTest, WhatIsDroppedIsNotOpenedAgain) {
  Add("a", 500'000);
  Add("b", 500'000);
  Add("c", 500'000);
  Start();
  ExpectReads(0, 600'000);
  source_->Drop(0);
  std::filesystem::remove(paths_[0]);
  ExpectReads(600'000, space_.size());
  ExpectDigests({0, 1, 2});
  EXPECT_TRUE(failed_.empty());
  ExpectReads(500'100, 501'000);
}

TEST_F(SourceTest, FilesMayJoinAtAnyTime) {
  Add("a", 100'000);
  Start();
  ExpectReads(0, 100'000);
  ExpectDigests({0});
  for (int i = 0; i < 30; ++i) {
    const std::size_t at = space_.size();
    Add("f" + std::to_string(i), 5'000 * (i % 7) + 40'000);
    source_->Add(contents_.size() - 1, ListFile(paths_.back()),
                 Source::Mode::kSend);
    source_->Advance();
    ExpectReads(at, space_.size());
  }
  EXPECT_EQ(digests_.size(), contents_.size());
  ExpectReads(0, space_.size());
}

TEST_F(SourceTest, OnlyTheDigestMayBeWanted) {
  Add("a", 3'000'000);
  Start();
  const std::string path = folder_.Write("b", RandomText(5'000'000, 9));
  source_->Add(7, ListFile(path), Source::Mode::kDigest);
  source_->Advance();
  ExpectReads(0, space_.size());
  Turn();
  EXPECT_EQ(digests_[7],
            Hasher::Of(AsBytes(RandomText(5'000'000, 9))).ToString());
}

TEST_F(SourceTest, AnErrorConcernsOneFile) {
  Add("a", 20 << 20);
  Add("b", 1'000'000);
  Start();
  ExpectReads(0, 1000);
  faults_.read_error = 5;  // EIO
  faults_.read_error_from = 6 << 20;
  for (std::uint64_t at = 0; failed_.empty(); at += 100'000) {
    ASSERT_LT(at, std::uint64_t{20} << 20);
    source_->Read(at, 1435);
    Turn();
  }
  EXPECT_EQ(failed_[0].code, ErrorCode::kSourceUnreadable);
  EXPECT_EQ(failed_[0].os_errno, 5);
  EXPECT_TRUE(source_->Read(0, 1435).empty());
  source_->Drop(0);
  ExpectReads(20 << 20, space_.size());
  ExpectDigests({1});
}

TEST_F(SourceTest, AChangeIsSeenWhenReadingAgainToo) {
  Add("a", 24 << 20);
  Start();
  ExpectReads(0, space_.size());
  ExpectDigests({0});
  folder_.Write("a", std::string(24 << 20, 'x'));
  source_->Read(0, 1435);
  Turn();
  EXPECT_EQ(failed_[0].code, ErrorCode::kSourceUnreadable);
}

TEST_F(SourceTest, HolesAreToldAndDigestedButNotRead) {
  const std::string path = folder_.Write("sparse", RandomText(300'000, 1));
  std::filesystem::resize_file(path, 10 << 20);
  space_ = folder_.Read("sparse");
  contents_.push_back(space_);
  paths_.push_back(path);
  std::uint64_t read = 0;
  faults_.before_read = [&] { ++read; };
  Start();
  ASSERT_EQ(data_.size(), 1u);
  EXPECT_EQ(data_[0].begin, 0u);
  EXPECT_GE(data_[0].end, 300'000u);
  ExpectReads(0, 300'000);
  Turn();
  ExpectDigests({0});
  ASSERT_EQ(holes_.size(), 1u);
  EXPECT_EQ(holes_[0], (Interval{data_[0].end, 10 << 20}));
  EXPECT_LE(read, 4u);
}

TEST_F(SourceTest, RangesThatTheReceiverHasAreDigestedToo) {
  contents_.push_back(RandomText(3'000'000, 1));
  space_ = contents_[0];
  paths_.push_back(folder_.Write("a", space_));
  source_.emplace(&disk_);
  source_->Add(0, ListFile(paths_[0]), Source::Mode::kSend,
               {{0, 1'000'000}, {1'500'000, 2'900'000}});
  source_->Advance();
  Turn();
  ExpectReads(1'000'000, 1'500'000);
  ExpectReads(2'900'000, 3'000'000);
  ExpectDigests({0});
}

// Its digest is known from an earlier session, which has read further than the
// receiver has got: nothing is read but what is asked for.
TEST_F(SourceTest, WhatIsLackingOfAFileWhoseDigestIsKnownIsRead) {
  constexpr std::uint64_t kSize = Source::kKeptSize;
  constexpr std::uint64_t kHad = kSize - 1'000'000;
  Add("a", kSize);
  Start();
  ExpectReads(0, kSize);
  digests_.clear();
  source_.emplace(&disk_);
  source_->Add(0, ListFile(paths_[0]), Source::Mode::kSend, {{0, kHad}});
  source_->Advance();
  // Before the disk has told how far the digest is known.
  ExpectReads(kHad, kSize);
  ExpectDigests({0});
}

TEST_F(SourceTest, BlocksHaveTheirDigests) {
  Add("a", Source::kBlockBytes + 1000);
  Start();
  ExpectReads(0, space_.size());
  source_->DigestBlocks(0);
  Turn();
  ASSERT_EQ(blocks_.size(), 2u);
  const std::string_view text = space_;
  EXPECT_EQ(
      blocks_[0],
      Hasher::Of(AsBytes(text.substr(0, Source::kBlockBytes))).ToString());
  EXPECT_EQ(blocks_[1],
            Hasher::Of(AsBytes(text.substr(Source::kBlockBytes))).ToString());
}

// None of their blocks is in the second file.
const std::vector<BlockSignature> kOthers(512);
constexpr std::uint64_t kBase = 512 * kMinDeltaBlock;

// All bytes come out right, wherever chunks are shared with files that have no
// base, and whether or not the system's cache has them.
TEST_F(SourceTest, AFileWithABaseBetweenOthers) {
  for (const off_t cached : {0, 1 << 30}) {
    SCOPED_TRACE(cached);
    contents_.clear();
    paths_.clear();
    space_.clear();
    faults_.cached_until = cached;
    for (int i = 0; i < 3; ++i) {
      Add("a" + std::to_string(i), 300'000);
      Add("b" + std::to_string(i), 1'400'000);
    }
    source_.emplace(&disk_);
    for (std::size_t i = 0; i < paths_.size(); ++i) {
      const std::uint64_t piece =
          source_->Add(i, ListFile(paths_[i]), Source::Mode::kSend, {},
                       i % 2 == 1 ? kBase : 0);
      EXPECT_TRUE(source_->AddSignatures(piece, 0, kOthers));
    }
    source_->Advance();
    Turn();
    std::uint64_t begin = 0;
    for (const std::string& content : contents_) {
      ExpectReads(begin, begin + content.size());
      begin += content.size();
    }
    // And again, as what got lost is.
    ExpectReads(0, space_.size());
    EXPECT_EQ(digests_.size(), contents_.size());
    EXPECT_TRUE(copies_.empty());
    digests_.clear();
    source_.reset();
  }
}

TEST_F(SourceTest, AFileWithABaseThatChangesWhileItIsReadAhead) {
  Add("a", 300'000);
  Add("b", 3'000'000);
  faults_.cached_until = 1 << 30;
  source_.emplace(&disk_);
  source_->Add(0, ListFile(paths_[0]), Source::Mode::kSend);
  source_->Advance();
  Turn();
  ExpectReads(0, 300'000);
  const std::uint64_t piece =
      source_->Add(1, ListFile(paths_[1]), Source::Mode::kSend, {}, kBase);
  ASSERT_TRUE(source_->AddSignatures(piece, 0, kOthers));
  source_->Advance();
  folder_.Write("b", "changed");
  Turn();
  EXPECT_TRUE(failed_.contains(1));
}

}  // namespace
}  // namespace p2pcp::file
