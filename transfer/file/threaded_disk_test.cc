#include "transfer/file/threaded_disk.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <future>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "transfer/file/digest.h"
#include "transfer/file/journal.h"
#include "transfer/file/journal_state.h"
#include "transfer/file/listed_file.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/syscalls.h"
#include "transfer/file/test_folder.h"

namespace p2pcp::file {
namespace {

class ThreadedDiskTest : public testing::Test {
 protected:
  ThreadedDiskTest()
      : output_folder_(*OutputFolder::Open(folder_.path())),
        disk_(*ThreadedDisk::Start()) {
    output_.root = &output_folder_;
    output_.part_prefix = &prefix_;
    output_.name = "name";
  }

  void Submit(Job::Kind kind, MutableByteSpan buffer = {},
              std::uint64_t offset = 0) {
    Job job;
    job.kind = kind;
    job.tag = ++tag_;
    job.offset = offset;
    job.buffer = buffer;
    job.output = &output_;
    job.last = true;
    disk_->Submit(job);
  }
  bool Readable(int timeout_ms) {
    struct pollfd entry = {disk_->fd(), POLLIN, 0};
    return poll(&entry, 1, timeout_ms) == 1;
  }
  Completion Wait() {
    EXPECT_TRUE(Readable(20'000));
    std::optional<Completion> done = disk_->Poll();
    EXPECT_TRUE(done.has_value());
    return done.value_or(Completion{});
  }

  TestFolder folder_;
  OutputFolder output_folder_;
  const std::string prefix_ = ".p2pcp-x";
  Output output_;
  std::unique_ptr<ThreadedDisk> disk_;
  std::uint64_t tag_ = 0;
};

TEST_F(ThreadedDiskTest, CarriesJobsOutInOrder) {
  std::string text = RandomText(1 << 20, 1);
  const MutableByteSpan bytes =
      std::as_writable_bytes(std::span(text.data(), text.size()));
  EXPECT_FALSE(Readable(0));
  Submit(Job::Kind::kCreate);
  for (std::size_t at = 0; at < text.size(); at += 262'144) {
    Submit(Job::Kind::kWrite, bytes.subspan(at, 262'144), at);
  }
  Job hash;
  hash.kind = Job::Kind::kHash;
  hash.tag = ++tag_;
  hash.size = text.size();
  hash.last = true;
  disk_->Submit(hash);
  Submit(Job::Kind::kCommit);
  Submit(Job::Kind::kSync);
  for (std::uint64_t tag = 1; tag <= 8; ++tag) {
    const Completion done = Wait();
    EXPECT_EQ(done.tag, tag);
    EXPECT_FALSE(done.error.has_value());
    if (done.kind == Job::Kind::kHash) {
      Hasher hasher;
      hasher.Update(AsBytes(text));
      EXPECT_EQ(done.digest, hasher.Finish());
    }
  }
  EXPECT_FALSE(Readable(0));
  EXPECT_FALSE(disk_->Poll().has_value());
  EXPECT_EQ(output_.final_name, "name");
  EXPECT_EQ(folder_.Read("name"), text);
}

TEST_F(ThreadedDiskTest, AWriteThatAlsoReadsBack) {
  std::string text = RandomText(300'000, 2);
  const MutableByteSpan bytes =
      std::as_writable_bytes(std::span(text.data(), text.size()));
  Submit(Job::Kind::kCreate);
  Submit(Job::Kind::kWrite, bytes.subspan(100'000), 100'000);
  Job job;
  job.kind = Job::Kind::kWrite;
  job.buffer = bytes.first(100'000);
  job.digest = true;
  job.size = text.size();
  job.last = true;
  disk_->Submit(job);
  Wait();
  Wait();
  const Completion done = Wait();
  EXPECT_FALSE(done.error.has_value());
  EXPECT_EQ(done.size, 100'000u) << "what was written";
  Hasher hasher;
  hasher.Update(AsBytes(text));
  EXPECT_EQ(done.digest, hasher.Finish());
}

TEST_F(ThreadedDiskTest, ReadsAtOnceWhatIsInMemoryWhenNothingIsUnderWay) {
  const std::string text = RandomText(300'000, 2);
  const auto file = ListFile(folder_.Write("in", text));
  Job open;
  open.kind = Job::Kind::kOpenSource;
  open.source = file.get();
  Bytes buffer(text.size());
  Job read;
  read.kind = Job::Kind::kReadSource;
  read.buffer = buffer;
  read.digest = read.last = true;
  EXPECT_FALSE(disk_->TryNow(read)) << "nothing is open";
  disk_->Submit(open);
  EXPECT_FALSE(disk_->TryNow(read)) << "a job is under way";
  Wait();
  const std::optional<Completion> done = disk_->TryNow(read);
  // It was written just now.
  ASSERT_TRUE(done);
  EXPECT_FALSE(done->error);
  EXPECT_EQ(AsText(buffer), text);
  Hasher hasher;
  hasher.Update(AsBytes(text));
  EXPECT_EQ(done->digest, hasher.Finish());
  EXPECT_FALSE(disk_->ready());
}

// A file in memory, and a journal.
class ThreadedDiskInMemoryTest : public ThreadedDiskTest {
 protected:
  // The disk uses what is here.
  ~ThreadedDiskInMemoryTest() override { disk_.reset(); }

  // A disk with so many processors creates a file that will hold these bytes.
  MutableByteSpan Create(unsigned processors, std::string& text) {
    disk_ =
        *ThreadedDisk::Start(journal_.get(), nullptr, &syscalls_, processors);
    output_.size = text.size();
    Submit(Job::Kind::kCreate);
    return std::as_writable_bytes(std::span(text.data(), text.size()));
  }

  class InMemory final : public Syscalls {
    bool IsInMemory(int) override { return true; }
  };
  InMemory syscalls_;
  const TestFolder state_;
  const std::unique_ptr<Journal> journal_ =
      *Journal::Open(state_.path(), {{}, {}, folder_.path()}, {std::byte{1}});
};

TEST_F(ThreadedDiskInMemoryTest, WritesAtOnceWhereProcessorsAreFew) {
  std::string text = RandomText(3'000'000, 3);
  const MutableByteSpan bytes = Create(/*processors=*/2, text);
  Job write;
  write.kind = Job::Kind::kWrite;
  write.buffer = bytes.first(200'000);
  write.digest = true;
  write.size = 200'000;
  EXPECT_FALSE(disk_->TryNow(write)) << "a job is under way";
  EXPECT_TRUE(Wait().now);
  // In order, and then the last piece before the one in the middle.
  for (const std::size_t at : {0u, 200'000u, 400'000u, 600'000u, 800'000u,
                               1'000'000u, 2'000'000u, 1'200'000u}) {
    const bool last = at == 2'000'000;
    write.offset = write.digest_offset = at;
    write.buffer = bytes.subspan(at, last ? 1'000'000 : 200'000);
    if (at == 1'200'000) write.buffer = bytes.subspan(at, 800'000);
    write.digest = !last;
    write.size = at == 1'200'000 ? 1'800'000 : write.buffer.size();
    write.last = at == 1'200'000;
    const std::optional<Completion> done = disk_->TryNow(write);
    ASSERT_TRUE(done);
    EXPECT_FALSE(done->error);
    EXPECT_EQ(done->size, write.buffer.size());
    EXPECT_FALSE(disk_->ready());
    if (!write.last) continue;
    Hasher hasher;
    hasher.Update(AsBytes(text));
    EXPECT_EQ(done->digest, hasher.Finish());
  }
  // As where the transfer is interrupted: what was written is known.
  disk_.reset();
  ASSERT_EQ(journal_->state().parts().size(), 1u);
  const JournalState::Part& part = journal_->state().parts().begin()->second;
  EXPECT_EQ(part.written.bytes(), text.size());
  EXPECT_TRUE(part.hash);
  ASSERT_EQ(folder_.Names().size(), 1u);
  EXPECT_EQ(folder_.Read(folder_.Names().front()), text);
}

TEST_F(ThreadedDiskInMemoryTest, ManyPiecesAreInTheJournalBeforeTheEnd) {
  std::string text = RandomText(1'000'000, 4);
  const MutableByteSpan bytes = Create(/*processors=*/1, text);
  EXPECT_TRUE(Wait().now);
  // None follows the one before it, so each is a note of its own; where too
  // many wait, it is a job.
  std::size_t jobs = 0;
  for (std::size_t at = text.size(); at > 0; at -= 1'000) {
    Job write;
    write.kind = Job::Kind::kWrite;
    write.offset = at - 1'000;
    write.buffer = bytes.subspan(at - 1'000, 1'000);
    if (disk_->TryNow(write)) continue;
    disk_->Submit(write);
    EXPECT_FALSE(Wait().error);
    ++jobs;
  }
  EXPECT_LT(jobs, 1'000u);
  Submit(Job::Kind::kCommit);
  EXPECT_FALSE(Wait().error);
  Submit(Job::Kind::kSync);
  EXPECT_FALSE(Wait().error);
  disk_.reset();
  EXPECT_EQ(folder_.Read("name"), text);
  EXPECT_TRUE(journal_->state().parts().empty()) << "it is in place";
}

TEST_F(ThreadedDiskInMemoryTest, WhereThereAreMoreProcessorsThreadsWrite) {
  std::string text = "x";
  Job write;
  write.kind = Job::Kind::kWrite;
  write.buffer = Create(/*processors=*/3, text);
  EXPECT_FALSE(Wait().now);
  EXPECT_FALSE(disk_->TryNow(write));
}

// Both threads work at once: neither waits for the other one.
TEST_F(ThreadedDiskTest, AFileGetsItsNameWhileAnotherJobIsCarriedOut) {
  class SyncsOnceAFileHasItsName final : public Syscalls {
   public:
    int Fdatasync(int) override {
      named_.get_future().wait();
      return 0;
    }
    int NameUnnamed(int fd, int dirfd, const char* name) override {
      const int result = Syscalls::NameUnnamed(fd, dirfd, name);
      if (std::string(name) == "name") named_.set_value();
      return result;
    }

   private:
    std::promise<void> named_;
  };
  SyncsOnceAFileHasItsName syscalls;
  disk_ = *ThreadedDisk::Start(nullptr, nullptr, &syscalls);
  output_.fresh = true;
  Submit(Job::Kind::kStore);
  EXPECT_FALSE(Wait().error);
  ASSERT_NE(output_.unnamed, nullptr);
  Submit(Job::Kind::kSync);
  Submit(Job::Kind::kPlace);
  // The sync goes on once there is a name, so either may complete first.
  std::multiset<Job::Kind> kinds;
  for (int i = 0; i < 2; ++i) {
    const Completion done = Wait();
    kinds.insert(done.kind);
    EXPECT_FALSE(done.error);
  }
  EXPECT_EQ(kinds,
            (std::multiset<Job::Kind>{Job::Kind::kSync, Job::Kind::kPlace}));
  EXPECT_EQ(output_.unnamed, nullptr);
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"name"});
}

// What both threads share while a tree is received.
TEST_F(ThreadedDiskTest, FilesAreStoredAndSyncedWhileOthersGetTheirNames) {
  constexpr std::size_t kFiles = 100;
  std::string content = "content";
  std::vector<Output> outputs;
  for (std::size_t i = 0; i < 2 * kFiles; ++i) {
    outputs.push_back(output_);
    outputs[i].fresh = true;
    outputs[i].part_number = i;
    outputs[i].name = std::to_string(i);
  }
  const auto submit = [&](Job::Kind kind, std::size_t i) {
    Job job;
    job.kind = kind;
    job.output = &outputs[i];
    if (kind == Job::Kind::kStore) {
      job.buffer = std::as_writable_bytes(std::span(content));
    }
    disk_->Submit(job);
  };
  const auto wait = [&](std::size_t jobs) {
    for (; jobs > 0; --jobs) EXPECT_FALSE(Wait().error);
  };
  for (std::size_t i = 0; i < kFiles; ++i) submit(Job::Kind::kStore, i);
  wait(kFiles);
  for (std::size_t i = 0; i < kFiles; ++i) {
    submit(Job::Kind::kPlace, i);
    submit(Job::Kind::kStore, kFiles + i);
    if (i % 10 == 0) submit(Job::Kind::kSync, i);
  }
  wait(2 * kFiles + kFiles / 10);
  for (std::size_t i = 0; i < kFiles; ++i)
    submit(Job::Kind::kPlace, kFiles + i);
  wait(kFiles);
  EXPECT_EQ(folder_.Names().size(), 2 * kFiles);
  for (const Output& output : outputs) {
    EXPECT_EQ(folder_.Read(output.name), content);
  }
}

TEST_F(ThreadedDiskTest, ErrorsComeBackWithTheirJob) {
  std::string text = "x";
  Submit(Job::Kind::kWrite,
         std::as_writable_bytes(std::span(text.data(), text.size())));
  const Completion done = Wait();
  ASSERT_TRUE(done.error.has_value());
  EXPECT_EQ(done.error->code, ErrorCode::kCannotWrite);
}

TEST_F(ThreadedDiskTest, RoomIsBoundedAndComesBackWithPolling) {
  const std::size_t room = disk_->room();
  for (std::size_t i = 0; i < room; ++i) Submit(Job::Kind::kInspectFolder);
  EXPECT_EQ(disk_->room(), 0u);
  Wait();
  EXPECT_EQ(disk_->room(), 1u);
}

TEST_F(ThreadedDiskTest, AbandoningDropsJobsAndDeletesWhatIsNotFinished) {
  std::string text = RandomText(1 << 20, 1);
  const MutableByteSpan bytes =
      std::as_writable_bytes(std::span(text.data(), text.size()));
  Submit(Job::Kind::kCreate);
  Wait();
  EXPECT_EQ(folder_.Names().size(), 1u);
  for (int i = 0; i < 100; ++i) Submit(Job::Kind::kWrite, bytes);
  disk_->Abandon();
  // From here on the buffer is nobody else's.
  text.assign(text.size(), 'x');
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{});
  EXPECT_FALSE(Readable(0));
  EXPECT_FALSE(disk_->Poll().has_value());
  // And it works on.
  output_.name = "other";
  Submit(Job::Kind::kCreate);
  Submit(Job::Kind::kCommit);
  Wait();
  EXPECT_FALSE(Wait().error.has_value());
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{"other"});
}

TEST_F(ThreadedDiskTest, GoingAwayDeletesWhatIsNotFinished) {
  Submit(Job::Kind::kCreate);
  Wait();
  disk_.reset();
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{});
}

TEST_F(ThreadedDiskTest, CommitsWithTheCallsThatItIsGiven) {
  class BrokenDevice final : public Syscalls {
    int Fdatasync(int) override {
      errno = EIO;
      return -1;
    }
  };
  BrokenDevice syscalls;
  disk_ = *ThreadedDisk::Start(nullptr, nullptr, &syscalls);
  Submit(Job::Kind::kCreate);
  Submit(Job::Kind::kCommit);
  Wait();
  EXPECT_TRUE(Wait().error.has_value());
  EXPECT_EQ(folder_.Names(), std::vector<std::string>{});
}

TEST(SyscallsTest, WithoutSyncNoneIsAskedOfTheSystem) {
  Syscalls& syscalls = Syscalls::WithoutSync();
  EXPECT_EQ(syscalls.Fdatasync(-1), 0);
  EXPECT_EQ(syscalls.Fsync(-1), 0);
  EXPECT_EQ(syscalls.Syncfs(-1), 0);
  EXPECT_EQ(syscalls.StartWriteback(-1), 0);
  EXPECT_EQ(Syscalls::Real().Fdatasync(-1), -1);
}

}  // namespace
}  // namespace p2pcp::file
