#include "transfer/file/stream_worker.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "transfer/file/digest.h"
#include "transfer/file/unique_fd.h"

namespace p2pcp::file {
namespace {

// Two ends of a pipe, or of something else that bytes go through.
struct Ends {
  explicit Ends(bool socket = false) {
    signal(SIGPIPE, SIG_IGN);
    int fds[2];
    EXPECT_EQ(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds), 0);
    out = UniqueFd(fds[0]);
    in = UniqueFd(fds[1]);
  }
  UniqueFd out;
  UniqueFd in;
};

Bytes Random(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(i * i >> 3);
  }
  return bytes;
}

TEST(StreamWorker, ReadsWhatThereIsToTheEnd) {
  Ends ends;
  StreamWorker worker;
  ASSERT_EQ(write(ends.in.get(), "hello", 5), 5);
  std::array<std::byte, 100> buffer;
  Result<std::size_t> size = worker.Read(ends.out.get(), buffer);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(*size, 5u);
  ASSERT_EQ(write(ends.in.get(), " you", 4), 4);
  ends.in.Close();
  EXPECT_EQ(*worker.Read(ends.out.get(), buffer), 4u);
  EXPECT_EQ(*worker.Read(ends.out.get(), buffer), 0u);
  EXPECT_EQ(worker.Finish(), Hasher::Of(AsBytes("hello you")));
}

TEST(StreamWorker, WritesToAReaderHoweverSlowAndLeavesTheFlagsAlone) {
  for (const bool socket : {false, true}) {
    Ends ends(socket);
    const int flags = fcntl(ends.in.get(), F_GETFL);
    const Bytes bytes = Random(3 << 20);
    Bytes read_back;
    std::thread reader([&] {
      std::array<std::byte, 70'000> buffer;
      for (ssize_t n;
           (n = read(ends.out.get(), buffer.data(), buffer.size())) > 0;) {
        read_back.insert(read_back.end(), buffer.begin(), buffer.begin() + n);
      }
    });
    StreamWorker worker;
    EXPECT_TRUE(worker.Write(ends.in.get(), bytes).ok());
    EXPECT_EQ(fcntl(ends.in.get(), F_GETFL), flags);
    ends.in.Close();
    // The descriptor that never blocks keeps the pipe open.
    const Digest digest = worker.Finish();
    worker = StreamWorker();
    reader.join();
    EXPECT_EQ(read_back, bytes);
    EXPECT_EQ(digest, Hasher::Of(bytes));
  }
}

TEST(StreamWorker, WritesToAFile) {
  std::string path = testing::TempDir() + "/stream.XXXXXX";
  UniqueFd file(mkstemp(path.data()));
  unlink(path.c_str());
  const Bytes bytes = Random(1 << 20);
  StreamWorker worker;
  EXPECT_TRUE(worker.Write(file.get(), bytes).ok());
  ASSERT_EQ(lseek(file.get(), 0, SEEK_SET), 0);
  Bytes buffer(2 << 20);
  StreamWorker reader;
  EXPECT_EQ(*reader.Read(file.get(), buffer), bytes.size());
  EXPECT_EQ(reader.Finish(), worker.Finish());
}

TEST(StreamWorker, SaysThatNobodyReadsAnyMore) {
  Ends ends;
  ends.out.Close();
  StreamWorker worker;
  const Status written = worker.Write(ends.in.get(), AsBytes("x"));
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, ErrorCode::kCannotWrite);
  EXPECT_EQ(written.error().os_errno, EPIPE);
  EXPECT_NE(written.error().message.find("closed"), std::string::npos);
}

TEST(StreamWorker, SaysWhatCanNotBeReadOrWritten) {
  StreamWorker worker;
  UniqueFd folder(open("/", O_RDONLY | O_DIRECTORY));
  std::array<std::byte, 10> buffer;
  EXPECT_EQ(worker.Read(folder.get(), buffer).error().code,
            ErrorCode::kSourceUnreadable);
  UniqueFd full(open("/dev/full", O_WRONLY));
  const Status written = worker.Write(full.get(), AsBytes("x"));
  EXPECT_EQ(written.error().code, ErrorCode::kCannotWrite);
  EXPECT_EQ(written.error().os_errno, ENOSPC);
}

TEST(StreamWorker, WhoWaitsCanBeTold) {
  Ends ends;
  StreamWorker worker;
  std::array<std::byte, 10> buffer;
  // Before it waits, or while it does.
  std::thread other([&] { worker.Interrupt(); });
  EXPECT_FALSE(worker.Read(ends.out.get(), buffer).ok());
  other.join();
  // Nobody reads what is too much for a pipe.
  EXPECT_FALSE(worker.Write(ends.in.get(), Random(4 << 20)).ok());
  worker.Resume();
  ASSERT_EQ(write(ends.in.get(), "x", 1), 1);
  EXPECT_TRUE(worker.Read(ends.out.get(), buffer).ok());
}

}  // namespace
}  // namespace p2pcp::file
