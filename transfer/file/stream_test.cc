// StreamSource and StreamSink over a disk that carries jobs out when told to.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/disk.h"
#include "transfer/file/stream_sink.h"
#include "transfer/file/stream_source.h"

namespace p2pcp::file {
namespace {

// Has one stream: what is read comes from `in`, what is written goes to `out`.
class StreamDisk final : public Disk {
 public:
  std::size_t room() const override { return 1 - jobs_.size(); }
  void Submit(const Job& job) override { jobs_.push_back(job); }
  bool idle() const override { return jobs_.empty() && done_.empty(); }
  std::optional<Completion> TryNow(const Job&) override { return {}; }
  bool ready() const override { return !done_.empty(); }
  std::optional<Completion> Poll() override {
    if (done_.empty()) return std::nullopt;
    Completion done = done_.front();
    done_.pop_front();
    return done;
  }
  void Abandon() override {
    jobs_.clear();
    done_.clear();
    ++abandoned;
  }
  void UseStrongDigests(StrongHasherFactory) override {}

  // The job at hand; what is read is `most` bytes at most.
  bool Execute(std::size_t most = SIZE_MAX) {
    if (jobs_.empty()) return false;
    const Job job = jobs_.front();
    jobs_.pop_front();
    Completion done;
    done.kind = job.kind;
    done.size = job.buffer.size();
    if (error) {
      done.error = error;
    } else if (job.kind == Job::Kind::kReadStream) {
      done.size = std::min({job.buffer.size(), most, in.size() - at});
      std::memcpy(job.buffer.data(), in.data() + at, done.size);
      at += done.size;
      done.last = done.size == 0;
      if (done.last) done.digest = Hasher::Of(in);
    } else {
      out.insert(out.end(), job.buffer.begin(), job.buffer.end());
      done.last = job.last;
      if (done.last) done.digest = Hasher::Of(out);
    }
    done_.push_back(done);
    return true;
  }

  Bytes in;
  std::size_t at = 0;
  Bytes out;
  std::optional<Error> error;
  int abandoned = 0;

 private:
  std::deque<Job> jobs_;
  std::deque<Completion> done_;
};

Bytes Pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>((i * 2654435761u) >> 13);
  }
  return bytes;
}

TEST(StreamSource, HoldsWhatIsNotReleasedAndReadsNoMoreThanItHolds) {
  StreamDisk disk;
  disk.in = Pattern(3 * StreamSource::kBuffer + 12345);
  StreamSource source(0, &disk);
  Bytes got;
  std::uint64_t most = 0;
  while (!source.digest()) {
    while (disk.Execute(100'000)) source.HandleDisk();
    // Full, or at its end.
    most = std::max(most, source.end() - got.size());
    const std::uint64_t half = got.size() + (source.end() - got.size() + 1) / 2;
    while (got.size() < half) {
      const ByteSpan bytes = source.Read(got.size(), 65'000);
      ASSERT_FALSE(bytes.empty());
      // The same again, as long as it is not released.
      ASSERT_EQ(source.Read(got.size(), 65'000).data(), bytes.data());
      got.insert(got.end(), bytes.begin(), bytes.end());
    }
    source.Release(got.size());
  }
  EXPECT_LE(most, StreamSource::kBuffer);
  EXPECT_GT(most, StreamSource::kBuffer - StreamSource::kReadBytes);
  while (got.size() < source.end()) {
    const ByteSpan bytes = source.Read(got.size(), 1 << 20);
    got.insert(got.end(), bytes.begin(), bytes.end());
  }
  EXPECT_EQ(got, disk.in);
  EXPECT_EQ(*source.digest(), Hasher::Of(disk.in));
  EXPECT_TRUE(source.Read(source.end(), 1).empty());
  EXPECT_FALSE(disk.Execute());
}

TEST(StreamSource, AnErrorIsFinal) {
  StreamDisk disk;
  disk.error = Error{ErrorCode::kSourceUnreadable, "no"};
  StreamSource source(0, &disk);
  disk.Execute();
  source.HandleDisk();
  ASSERT_TRUE(source.error());
  source.Release(0);
  EXPECT_FALSE(disk.Execute());
}

class StreamSinkTest : public testing::Test {
 protected:
  // In pieces of that size, by an order of their numbers.
  void Write(std::size_t piece) {
    ASSERT_TRUE(sink_.Write(piece * kPiece,
                            ByteSpan(bytes_).subspan(piece * kPiece, kPiece)));
  }
  void Run() {
    while (disk_.Execute()) sink_.HandleDisk();
  }

  static constexpr std::size_t kPiece = 30'000;
  const Bytes bytes_ = Pattern(2000 * kPiece);
  StreamDisk disk_;
  StreamSink sink_{1, &disk_};
};

TEST_F(StreamSinkTest, WritesInOrderWhateverTheOrderOfArrival) {
  for (std::size_t i = 0; i < 2000; i += 100) {
    for (std::size_t j = 0; j < 100; ++j) Write(i + (j * 37) % 100);
    Run();
    EXPECT_EQ(sink_.written(), (i + 100) * kPiece);
    EXPECT_EQ(sink_.TakeReleased(), 100 * kPiece);
  }
  EXPECT_FALSE(sink_.digest());
  EXPECT_TRUE(sink_.End(bytes_.size()));
  Run();
  EXPECT_EQ(disk_.out, bytes_);
  ASSERT_TRUE(sink_.digest());
  EXPECT_EQ(*sink_.digest(), Hasher::Of(bytes_));
}

TEST_F(StreamSinkTest, WaitsForWhatIsMissingAndHoldsNoMoreThanItsBuffer) {
  const std::size_t fits = StreamSink::kBuffer / kPiece;
  for (std::size_t i = 1; i < fits; ++i) Write(i);
  EXPECT_FALSE(sink_.Write(fits * kPiece, ByteSpan(bytes_).first(kPiece)));
  Run();
  EXPECT_EQ(sink_.TakeReleased(), 0u);
  EXPECT_TRUE(disk_.out.empty());
  Write(0);
  Run();
  EXPECT_EQ(sink_.TakeReleased(), fits * kPiece);
  // What was written does not come again, and numbers may be large.
  EXPECT_FALSE(sink_.Write(0, ByteSpan(bytes_).first(1)));
  EXPECT_FALSE(sink_.Write(std::uint64_t{1} << 47, ByteSpan(bytes_).first(1)));
  Write(fits);
}

TEST_F(StreamSinkTest, TheEndMayComeFirstOrLastButNotBeforeWhatCame) {
  EXPECT_TRUE(sink_.Write(10, ByteSpan(bytes_).subspan(10, 90)));
  EXPECT_FALSE(sink_.End(50));
  EXPECT_TRUE(sink_.End(100));
  EXPECT_FALSE(sink_.End(100));
  EXPECT_FALSE(sink_.Write(100, ByteSpan(bytes_).first(1)));
  Run();
  EXPECT_FALSE(sink_.digest());
  EXPECT_TRUE(sink_.Write(0, ByteSpan(bytes_).first(10)));
  Run();
  EXPECT_TRUE(sink_.digest());
  EXPECT_EQ(disk_.out.size(), 100u);
}

TEST_F(StreamSinkTest, NothingIsAStreamToo) {
  EXPECT_TRUE(sink_.End(0));
  Run();
  ASSERT_TRUE(sink_.digest());
  EXPECT_EQ(*sink_.digest(), Hasher::Of({}));
}

TEST_F(StreamSinkTest, AStreamThatIsClosedIsSaidAndWrittenToNoMore) {
  disk_.error = Error{ErrorCode::kCannotWrite, "closed"};
  Write(0);
  Run();
  ASSERT_TRUE(sink_.error());
  Write(1);
  EXPECT_FALSE(disk_.Execute());
}

}  // namespace
}  // namespace p2pcp::file
