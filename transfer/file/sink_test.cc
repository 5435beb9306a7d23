#include "transfer/file/sink.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/file/digest.h"
#include "transfer/file/faulty_syscalls.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

using Kind = Sink::Event::Kind;

// On a disk that has to be waited for, and in memory, where nothing has.
class SinkTest : public testing::TestWithParam<bool> {
 protected:
  SinkTest()
      : target_(*OpenOutput(folder_.path())),
        disk_(&faults_, nullptr, nullptr, /*writes_now=*/true) {
    faults_.in_memory = GetParam();
  }

  void Add(const std::string& name, std::size_t size) {
    contents_.push_back(RandomText(size, contents_.size() + 1));
    space_ += contents_.back();
    names_.push_back(name);
  }
  // Adds all files, and says that there are no others.
  void Start() {
    sink_.emplace(&target_, ConflictPolicy::kRename, &disk_, &random_);
    for (std::size_t i = 0; i < names_.size(); ++i) AddToSink(i);
    sink_->SetFinal();
    Turn();
  }
  void AddToSink(std::size_t i) {
    Sink::File file;
    file.id = i;
    file.name = names_[i];
    file.size = contents_[i].size();
    ASSERT_EQ(sink_->Add(std::move(file)), i);
  }
  void Turn() {
    do {
      sink_->HandleDisk(now_);
    } while (disk_.ready());
  }
  // Bytes [begin, end) of what is sent.
  Sink::Take Write(std::size_t begin, std::size_t end) {
    return sink_->Write(
        begin, AsBytes(std::string_view(space_).substr(begin, end - begin)));
  }
  // The disk has a job that it does not get done.
  void StandStill() {
    disk_.Hold();
    sink_->NoteFolder(now_);
    now_ += Sink::kBatchTime;
    sink_->Advance(now_);
    EXPECT_FALSE(disk_.idle());
  }
  void ExpectAllDigests() {
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      Hasher hasher;
      hasher.Update(AsBytes(contents_[i]));
      ASSERT_TRUE(sink_->ExpectDigest(i, hasher.Finish()));
    }
    Turn();
  }
  std::optional<Kind> Next() {
    std::optional<Sink::Event> event = sink_->PollEvent();
    if (!event) return std::nullopt;
    return event->kind;
  }
  void ExpectAllDone() {
    Turn();
    std::set<std::uint64_t> done;
    while (const std::optional<Sink::Event> event = sink_->PollEvent()) {
      ASSERT_EQ(event->kind, Kind::kFileDone);
      EXPECT_TRUE(done.insert(event->id).second);
    }
    ASSERT_EQ(done.size(), contents_.size());
    EXPECT_TRUE(sink_->idle());
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      ASSERT_EQ(folder_.Read(names_[i]), contents_[i]) << i;
    }
    EXPECT_EQ(folder_.Names().size(), contents_.size());
    EXPECT_EQ(sink_->written_bytes(), space_.size());
  }

  TestFolder folder_;
  OutputTarget target_;
  FaultySyscalls faults_;
  InlineDisk disk_;
  SeededRandom random_{1};
  TimePoint now_{1s};
  std::vector<std::string> names_;
  std::vector<std::string> contents_;
  std::string space_;
  std::optional<Sink> sink_;
};

INSTANTIATE_TEST_SUITE_P(All, SinkTest, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& in) {
                           return in.param ? "InMemory" : "OnDisk";
                         });

// Else whoever drives it would ask again and again, as fast as it can.
TEST_P(SinkTest, NothingIsDueWhileTheDiskHasNoRoom) {
  for (int i = 0; i < 400; ++i) Add("empty " + std::to_string(i), 0);
  disk_.Hold();
  Start();
  sink_->NoteFolder(now_);
  ASSERT_EQ(disk_.room(), 0u);
  EXPECT_EQ(sink_->deadline(), std::nullopt);
  disk_.Release();
  Turn();
  EXPECT_EQ(sink_->deadline(), now_ + Sink::kBatchTime);
  ExpectAllDigests();
  ExpectAllDone();
}

TEST_P(SinkTest, CreditComesBackOnlyForWhatIsWritten) {
  Add("a", 1'000'000);
  Start();
  EXPECT_EQ(sink_->TakeReleased(), 0u);
  EXPECT_EQ(Write(0, 262'144), Sink::Take::kTaken);
  Turn();
  EXPECT_EQ(sink_->TakeReleased(), 262'144u);
  EXPECT_EQ(Write(262'144, 300'000), Sink::Take::kTaken);
  Turn();
  EXPECT_EQ(sink_->TakeReleased(), 0u);  // Still gathers.
  // Bytes that come twice are not taken, nor is what comes with them.
  EXPECT_EQ(Write(0, 200'000), Sink::Take::kOutside);
  EXPECT_EQ(Write(290'000, 524'288), Sink::Take::kOutside);
  EXPECT_EQ(Write(300'000, 524'288), Sink::Take::kTaken);
  Turn();
  EXPECT_EQ(sink_->TakeReleased(), 262'144u);
}

TEST_P(SinkTest, WritesAreWholeChunks) {
  Add("a", 2 << 20);
  Start();
  faults_.max_transfer = 0;
  for (std::size_t at = 0; at < space_.size(); at += 1435) {
    ASSERT_EQ(Write(at, std::min(at + 1435, space_.size())),
              Sink::Take::kTaken);
    // Nothing reaches the disk but full chunks.
    ASSERT_EQ(faults_.bytes_written % ChunkPool::kChunkBytes, 0u);
  }
  Turn();
  ExpectAllDigests();
  ExpectAllDone();
}

// What was written is read back by the job that wrote it, as soon as all
// before it has been: not later, when it has to come from memory again.
TEST_P(SinkTest, ReadsBackWhatIsContiguousAsItIsWritten) {
  constexpr std::size_t kChunk = ChunkPool::kChunkBytes;
  Add("a", 4 * kChunk);
  Start();
  std::size_t reads = 0;
  faults_.before_read = [&] { ++reads; };
  ASSERT_EQ(Write(0, kChunk), Sink::Take::kTaken);
  const std::size_t each = reads;
  EXPECT_GT(each, 0u);
  // Behind a gap, until that is filled.
  ASSERT_EQ(Write(2 * kChunk, 3 * kChunk), Sink::Take::kTaken);
  EXPECT_EQ(reads, each);
  ASSERT_EQ(Write(kChunk, 2 * kChunk), Sink::Take::kTaken);
  EXPECT_EQ(reads, 3 * each);
  ASSERT_EQ(Write(3 * kChunk, 4 * kChunk), Sink::Take::kTaken);
  EXPECT_EQ(reads, 4 * each);
  Turn();
  ExpectAllDigests();
  ExpectAllDone();
  EXPECT_EQ(reads, 4 * each) << "each byte once";
}

TEST_P(SinkTest, BytesOutsideOfTheSpaceAreNotTaken) {
  Add("a", 1000);
  Start();
  const std::string bytes(10, 'x');
  EXPECT_EQ(sink_->Write(991, AsBytes(bytes)), Sink::Take::kOutside);
  EXPECT_EQ(sink_->Write(1001, AsBytes(bytes)), Sink::Take::kOutside);
  EXPECT_EQ(sink_->Write(~std::uint64_t{0} - 5, AsBytes(bytes)),
            Sink::Take::kOutside);
  EXPECT_EQ(sink_->Write(990, AsBytes(bytes)), Sink::Take::kTaken);
}

// A window of packets in random order, with some that come much later, over a
// pool that is far smaller than the files.
TEST_P(SinkTest, TakesBytesInAnyOrder) {
  Add("big", 30 << 20);
  Add("empty", 0);
  for (int i = 0; i < 200; ++i) Add("small" + std::to_string(i), 37 * i);
  Add("odd", 3'333'333);
  Start();
  std::vector<std::pair<std::size_t, std::size_t>> packets;
  for (std::size_t at = 0; at < space_.size(); at += 1435) {
    packets.emplace_back(at, std::min(at + 1435, space_.size()));
  }
  for (std::size_t at = 0; at < packets.size(); ++at) {
    const std::size_t window = random_.Below(50) == 0 ? 8'000 : 30;
    const std::size_t other =
        std::min(packets.size() - 1, at + random_.Below(window));
    std::swap(packets[at], packets[other]);
  }
  std::uint64_t released = 0;
  std::uint64_t written = 0;
  std::size_t refused = 0;
  ExpectAllDigests();
  for (std::size_t i = 0; i < packets.size(); ++i) {
    const auto [begin, end] = packets[i];
    if (Write(begin, end) == Sink::Take::kNoRoom) {
      ++refused;
      packets.push_back(packets[i]);  // Comes again.
      ASSERT_LT(refused, 10'000u);
    } else {
      written += end - begin;
    }
    Turn();
    released += sink_->TakeReleased();
    ASSERT_LE(released, written);
  }
  EXPECT_EQ(released, space_.size());
  EXPECT_EQ(refused, 0u);
  ExpectAllDone();
}

// The disk stands still: no more is taken than the pool holds, and all of it
// arrives when the disk goes on.
TEST_P(SinkTest, RefusesWhatThePoolCannotHold) {
  Add("a", 20 << 20);
  Start();
  StandStill();
  std::size_t taken = 0;
  while (Write(taken, taken + 1024) == Sink::Take::kTaken) taken += 1024;
  EXPECT_GE(taken, Sink::kBudget);
  EXPECT_LE(taken, ChunkPool::kChunks * ChunkPool::kChunkBytes);
  disk_.Release();
  Turn();
  ExpectAllDigests();
  for (; taken < space_.size(); taken += 1024) {
    ASSERT_EQ(Write(taken, taken + 1024), Sink::Take::kTaken);
    Turn();
  }
  ExpectAllDone();
}

// Hundreds of files are in the window at once, but only some can be open.
// Whatever waits for later ones, the first one's bytes are taken.
TEST_P(SinkTest, LaterFilesNeverBlockTheFirst) {
  Add("first", 300'000);
  for (int i = 0; i < 340; ++i) Add("file" + std::to_string(i), 70'000);
  Start();
  // Without digests no file is finished, and no slot comes free.
  // Everything but the first chunk, until nothing more is taken.
  std::vector<std::size_t> refused;
  for (std::size_t at = 262'144; at < space_.size(); at += 1024) {
    const std::size_t end = std::min(at + 1024, space_.size());
    if (Write(at, end) != Sink::Take::kTaken) refused.push_back(at);
    Turn();
  }
  EXPECT_FALSE(refused.empty());
  ASSERT_EQ(Write(0, 262'144), Sink::Take::kTaken);
  Turn();
  ExpectAllDigests();
  for (const std::size_t at : refused) {
    ASSERT_EQ(Write(at, std::min(at + 1024, space_.size())),
              Sink::Take::kTaken);
    Turn();
  }
  ExpectAllDone();
  // The names were made durable together where they came together.
  EXPECT_LT(faults_.folder_syncs, 170u);
}

TEST_P(SinkTest, ScatteredBytesAreRefusedBeforeTheyFillTheMemory) {
  Add("a", 64 << 20);
  Start();
  std::vector<bool> taken(space_.size() / 1024);
  for (std::size_t i = 0; i < taken.size(); ++i) {
    taken[i] = Write(i * 1024, i * 1024 + 1) == Sink::Take::kTaken;
    Turn();
  }
  EXPECT_LT(std::count(taken.begin(), taken.end(), true), 10'000);
  // It goes on where the gaps are filled.
  for (std::size_t i = 0; i < taken.size(); ++i) {
    const std::size_t begin = i * 1024 + (taken[i] ? 1 : 0);
    // What waits in small parts may have to be written first.
    int tries = 0;
    while (Write(begin, (i + 1) * 1024) != Sink::Take::kTaken) {
      ASSERT_LT(++tries, 3);
      Turn();
    }
    Turn();
  }
  ExpectAllDigests();
  ExpectAllDone();
}

// Files join while others are on their way: also in the middle of a chunk whose
// bytes have all come.
TEST_P(SinkTest, FilesMayJoinAtAnyTime) {
  Add("a", 1000);
  Add("b", 200'000);
  Add("c", 10);
  Start();
  ASSERT_EQ(Write(0, space_.size()), Sink::Take::kTaken);
  Turn();
  const std::size_t at = space_.size();
  Add("d", 300'000);
  Add("e", 20);
  AddToSink(3);
  AddToSink(4);
  ASSERT_EQ(Write(at, at + 100'000), Sink::Take::kTaken);
  ASSERT_EQ(Write(at + 100'000, space_.size()), Sink::Take::kTaken);
  ExpectAllDigests();
  ExpectAllDone();
}

TEST_P(SinkTest, SmallFilesAreSyncedTogetherAndNamedAfterwards) {
  for (int i = 0; i < 500; ++i) Add("f" + std::to_string(i), 10 * i);
  Start();
  for (std::size_t at = 0; at < space_.size(); at += 1000) {
    ASSERT_EQ(Write(at, std::min(at + 1000, space_.size())),
              Sink::Take::kTaken);
  }
  Turn();
  // Written, but nothing has its name before its digest is known.
  for (const std::string& name : folder_.Names()) {
    EXPECT_TRUE(name.ends_with(".part")) << name;
  }
  ExpectAllDigests();
  ExpectAllDone();
  EXPECT_LE(faults_.all_syncs, 3u);
}

TEST_P(SinkTest, AFewSmallFilesAreSyncedAlone) {
  for (int i = 0; i < 5; ++i) Add("f" + std::to_string(i), 10 * i);
  Start();
  ASSERT_EQ(Write(0, space_.size()), Sink::Take::kTaken);
  ExpectAllDigests();
  ExpectAllDone();
  EXPECT_EQ(faults_.all_syncs, 0u);
  EXPECT_EQ(faults_.data_syncs, 5u);
  EXPECT_EQ(faults_.folder_syncs, 1u);
}

TEST_P(SinkTest, WithoutAnEndABatchWaitsForItsTime) {
  Add("a", 100);
  sink_.emplace(&target_, ConflictPolicy::kRename, &disk_, &random_);
  AddToSink(0);
  ASSERT_EQ(Write(0, 100), Sink::Take::kTaken);
  ExpectAllDigests();
  EXPECT_FALSE(folder_.Has("a"));
  ASSERT_TRUE(sink_->deadline().has_value());
  for (int i = 0; i < 2; ++i) {
    now_ = sink_->deadline().value_or(now_);
    Turn();
  }
  EXPECT_TRUE(folder_.Has("a"));
  ExpectAllDone();
}

TEST_P(SinkTest, HolesAreNeitherSentNorWritten) {
  contents_.push_back(RandomText(300'000, 1) + std::string(1 << 20, '\0') +
                      RandomText(100'000, 2) + std::string(3 << 20, '\0'));
  names_.push_back("sparse");
  space_ = contents_[0];
  sink_.emplace(&target_, ConflictPolicy::kRename, &disk_, &random_);
  Sink::File file;
  file.name = "sparse";
  file.size = space_.size();
  file.sparse = true;
  sink_->Add(std::move(file));
  sink_->SetFinal();
  Turn();
  const std::size_t hole = 300'000;
  const std::size_t data = hole + (1 << 20);
  EXPECT_TRUE(sink_->AddHole(0, hole, data));
  EXPECT_TRUE(sink_->AddHole(0, data + 100'000, space_.size()));
  // It can't be both.
  EXPECT_FALSE(sink_->AddHole(0, hole, data));
  EXPECT_EQ(Write(hole, hole + 10), Sink::Take::kOutside);
  ASSERT_EQ(Write(data, data + 100'000), Sink::Take::kTaken);
  ASSERT_EQ(Write(0, 262'144), Sink::Take::kTaken);
  ASSERT_EQ(Write(262'144, hole), Sink::Take::kTaken);
  ExpectAllDigests();
  EXPECT_EQ(faults_.bytes_written, 400'000u);
  ExpectAllDone();
}

// A file that its sender can't read is given up; the others go on.
TEST_P(SinkTest, WhatIsDroppedLeavesNothing) {
  Add("a", 1000);
  Add("big", 1'000'000);
  Add("small", 1000);
  Add("late", 400'000);
  Add("b", 1000);
  Start();
  ASSERT_EQ(Write(0, 1000), Sink::Take::kTaken);
  ASSERT_EQ(Write(1000, 200'000), Sink::Take::kTaken);
  ASSERT_EQ(Write(300'000, 400'000), Sink::Take::kTaken);
  ASSERT_EQ(Write(1'001'000, 1'001'500), Sink::Take::kTaken);
  Turn();
  for (const std::uint64_t piece : {1, 2, 3}) sink_->Drop(piece);
  EXPECT_FALSE(sink_->IsOpen(1));
  EXPECT_EQ(Write(200'000, 201'000), Sink::Take::kOutside);
  const std::size_t last = space_.size() - 1000;
  ASSERT_EQ(Write(last, space_.size()), Sink::Take::kTaken);
  for (const std::size_t i : {0, 4}) {
    ASSERT_TRUE(sink_->ExpectDigest(i, Hasher::Of(AsBytes(contents_[i]))));
  }
  Turn();
  EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(sink_->idle());
  // All of what came is credited.
  EXPECT_EQ(sink_->TakeReleased(), 1000u + 199'000u + 100'000u + 500u + 1000u);
}

TEST_P(SinkTest, ADigestMayComeFirstOrLast) {
  Add("a", 300'000);
  Start();
  Hasher hasher;
  hasher.Update(AsBytes(contents_[0]));
  EXPECT_TRUE(sink_->ExpectDigest(0, hasher.Finish()));
  EXPECT_TRUE(sink_->ExpectDigest(0, hasher.Finish()));
  EXPECT_FALSE(sink_->ExpectDigest(0, Digest{}));
  ASSERT_EQ(Write(0, 200'000), Sink::Take::kTaken);
  ASSERT_EQ(Write(200'000, 300'000), Sink::Take::kTaken);
  Turn();
  ExpectAllDone();
}

TEST_P(SinkTest, AbandoningDeletesWhatIsNotFinished) {
  Add("a", 300'000);
  Add("b", 300'000);
  Start();
  ExpectAllDigests();
  ASSERT_EQ(Write(0, 262'144), Sink::Take::kTaken);
  ASSERT_EQ(Write(262'144, 400'000), Sink::Take::kTaken);
  // b's buffer is written, but not full.
  Turn();
  EXPECT_EQ(folder_.Names().size(), 2u);
  sink_->Abandon();
  EXPECT_EQ(Next(), std::nullopt);
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{});
}

class SinkInMemoryTest : public SinkTest {};

INSTANTIATE_TEST_SUITE_P(All, SinkInMemoryTest, testing::Values(true));

TEST_P(SinkInMemoryTest, WritesAtOnce) {
  Add("a", 1'000'000);
  Start();
  EXPECT_EQ(Write(0, 200'000), Sink::Take::kTaken);
  EXPECT_EQ(faults_.bytes_written, 0u);
  EXPECT_EQ(Write(200'000, 300'000), Sink::Take::kTaken);
  EXPECT_EQ(faults_.bytes_written, 262'144u);
  EXPECT_TRUE(disk_.idle());
  EXPECT_EQ(sink_->TakeReleased(), 262'144u);
}

TEST_P(SinkInMemoryTest, WhatIsFullWaitsForAJobUnderWay) {
  Add("a", 1'000'000);
  Start();
  StandStill();
  const std::size_t room = disk_.room();
  for (std::size_t at = 0; at < 800'000; at += 100'000) {
    ASSERT_EQ(Write(at, at + 100'000), Sink::Take::kTaken);
    sink_->Advance(now_);
  }
  EXPECT_EQ(faults_.bytes_written, 0u);
  EXPECT_EQ(disk_.room(), room);
  disk_.Release();
  Turn();
  EXPECT_EQ(faults_.bytes_written, 786'432u);
  ASSERT_EQ(Write(800'000, 1'000'000), Sink::Take::kTaken);
  ExpectAllDigests();
  ExpectAllDone();
}

TEST_P(SinkInMemoryTest, AFullDiskIsTold) {
  Add("a", 1'000'000);
  Start();
  faults_.write_error = ENOSPC;
  faults_.write_error_after = 262'144;
  for (std::size_t at = 0; at < 600'000; at += 100'000) {
    Write(at, at + 100'000);
  }
  const std::optional<Sink::Event> event = sink_->PollEvent();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, Kind::kFailed);
  EXPECT_EQ(event->error->code, ErrorCode::kCannotWrite);
  EXPECT_EQ(Write(700'000, 800'000), Sink::Take::kNoRoom);
}

}  // namespace
}  // namespace p2pcp::file
