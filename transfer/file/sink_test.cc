#include "transfer/file/sink.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "transfer/file/digest.h"
#include "transfer/file/faulty_syscalls.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/manifest.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

using Kind = Sink::Event::Kind;

class SinkTest : public testing::Test {
 protected:
  SinkTest() : target_(*OpenOutput(folder_.path())), disk_(&faults_) {}

  void Add(const std::string& name, std::size_t size) {
    contents_.push_back(RandomText(size, contents_.size() + 1));
    space_ += contents_.back();
    ASSERT_TRUE(manifest_.Add({name, size, {}, false}).ok());
  }
  // Inspects and starts.
  void Start() {
    sink_.emplace(&target_, ConflictPolicy::kRename, &manifest_, &disk_,
                  &random_);
    sink_->Inspect();
    Turn();
    ASSERT_EQ(Next(), Kind::kInspected);
    sink_->Start();
    Turn();
  }
  void Turn() {
    while (disk_.ready()) sink_->HandleDisk();
  }
  // Bytes [begin, end) of what is sent.
  Sink::Take Write(std::size_t begin, std::size_t end) {
    return sink_->Write(
        begin, AsBytes(std::string_view(space_).substr(begin, end - begin)));
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
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      ASSERT_EQ(Next(), Kind::kFileDone) << i;
    }
    EXPECT_EQ(Next(), std::nullopt);
    for (std::size_t i = 0; i < contents_.size(); ++i) {
      ASSERT_EQ(folder_.Read(manifest_[i].name), contents_[i]) << i;
    }
    EXPECT_EQ(folder_.Names().size(), contents_.size());
    EXPECT_EQ(sink_->written_bytes(), space_.size());
  }

  TestFolder folder_;
  OutputTarget target_;
  FaultySyscalls faults_;
  InlineDisk disk_;
  SeededRandom random_{1};
  Manifest manifest_;
  std::vector<std::string> contents_;
  std::string space_;
  std::optional<Sink> sink_;
};

TEST_F(SinkTest, CreditComesBackOnlyForWhatIsWritten) {
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

TEST_F(SinkTest, WritesAreWholeChunks) {
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
TEST_F(SinkTest, ReadsBackWhatIsContiguousAsItIsWritten) {
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

TEST_F(SinkTest, BytesOutsideOfTheManifestAreNotTaken) {
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
TEST_F(SinkTest, TakesBytesInAnyOrder) {
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
TEST_F(SinkTest, RefusesWhatThePoolCannotHold) {
  Add("a", 20 << 20);
  Start();
  disk_.Hold();
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
TEST_F(SinkTest, LaterFilesNeverBlockTheFirst) {
  Add("first", 300'000);
  for (int i = 0; i < 340; ++i) Add("file" + std::to_string(i), 60'000);
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

TEST_F(SinkTest, ScatteredBytesAreRefusedBeforeTheyFillTheMemory) {
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

TEST_F(SinkTest, BytesOfFilesThatAreKeptBackAreNotTaken) {
  Add("a", 1000);
  Add("b", 1000);
  Add("c", 1000);
  folder_.Write("b", "old");
  sink_.emplace(&target_, ConflictPolicy::kSkip, &manifest_, &disk_, &random_);
  sink_->Inspect();
  Turn();
  ASSERT_EQ(Next(), Kind::kFileFailed);
  ASSERT_EQ(Next(), Kind::kInspected);
  EXPECT_FALSE(sink_->IsWanted(1));
  EXPECT_EQ(sink_->wanted_bytes(), 2000u);
  sink_->Start();
  EXPECT_EQ(Write(999, 1001), Sink::Take::kOutside);
  EXPECT_EQ(Write(1500, 1501), Sink::Take::kOutside);
  EXPECT_EQ(Write(1999, 2500), Sink::Take::kOutside);
  EXPECT_EQ(Write(0, 1000), Sink::Take::kTaken);
  EXPECT_EQ(Write(2000, 3000), Sink::Take::kTaken);
}

TEST_F(SinkTest, ADigestMayComeFirstOrLast) {
  Add("a", 300'000);
  Start();
  Hasher hasher;
  hasher.Update(AsBytes(contents_[0]));
  EXPECT_FALSE(sink_->ExpectDigest(1, hasher.Finish()));
  EXPECT_TRUE(sink_->ExpectDigest(0, hasher.Finish()));
  EXPECT_TRUE(sink_->ExpectDigest(0, hasher.Finish()));
  EXPECT_FALSE(sink_->ExpectDigest(0, Digest{}));
  ASSERT_EQ(Write(0, 200'000), Sink::Take::kTaken);
  ASSERT_EQ(Write(200'000, 300'000), Sink::Take::kTaken);
  Turn();
  ExpectAllDone();
}

TEST_F(SinkTest, AbandoningDeletesWhatIsNotFinished) {
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

}  // namespace
}  // namespace p2pcp::file
