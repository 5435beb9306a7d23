// A worker that does what its words say: the test binary is its own worker.

#include "cmd/crew/worker_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/result.h"
#include "net/base/time.h"
#include "net/udp/event_loop.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {
namespace {

constexpr char kVerb[] = "--worker";

class WorkerProcessTest : public testing::Test {
 protected:
  WorkerProcessTest() : loop_(*udp::EventLoop::Create()) {}

  void Start(const std::string& what) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    broker_ = udp::FileDescriptor(ends[0]);
    auto started = WorkerProcess::Start(
        loop_.get(), {kVerb, what}, udp::FileDescriptor(ends[1]),
        {[this](std::string_view line) { out_.emplace_back(line); },
         [this](std::string_view line) { err_.emplace_back(line); },
         [this](int status) {
           EXPECT_FALSE(status_);
           status_ = status;
         }});
    ASSERT_TRUE(started.ok());
    process_ = *std::move(started);
  }
  void Run() {
    while (!status_) loop_->RunOnce(std::nullopt);
  }

  std::unique_ptr<udp::EventLoop> loop_;
  udp::FileDescriptor broker_;
  std::vector<std::string> out_;
  std::vector<std::string> err_;
  std::optional<int> status_;
  std::unique_ptr<WorkerProcess> process_;
};

TEST_F(WorkerProcessTest, TellsWhatItPrintsAndHowItEnds) {
  Start("print");
  Run();
  EXPECT_EQ(out_, (std::vector<std::string>{"one", "", "three, unfinished"}));
  EXPECT_EQ(err_, std::vector<std::string>{"p2pcp: an error"});
  ASSERT_TRUE(WIFEXITED(*status_));
  EXPECT_EQ(WEXITSTATUS(*status_), 12);
  EXPECT_TRUE(process_->ended());
}

TEST_F(WorkerProcessTest, HasNothingOpenButItsOwn) {
  Start("descriptors");
  Run();
  // Its line to the brokers is a socket that keeps boundaries, stdin is empty.
  EXPECT_EQ(WEXITSTATUS(*status_), 0);
}

TEST_F(WorkerProcessTest, MuchIsReadWhileItRuns) {
  Start("much");
  Run();
  ASSERT_EQ(out_.size(), 1u);
  EXPECT_EQ(out_.front().size(), 4u << 20);
}

TEST_F(WorkerProcessTest, TakesSignalsInAGroupOfItsOwn) {
  Start("wait");
  while (out_.empty()) loop_->RunOnce(std::nullopt);
  EXPECT_NE(out_.front(), std::to_string(getpgrp()));
  process_->Signal(SIGTERM);
  Run();
  ASSERT_TRUE(WIFSIGNALED(*status_));
  EXPECT_EQ(WTERMSIG(*status_), SIGTERM);
}

TEST_F(WorkerProcessTest, IsEndedWithItsOwner) {
  Start("wait");
  while (out_.empty()) loop_->RunOnce(std::nullopt);
  process_.reset();
  // Its end of the line to the brokers is closed.
  char byte = 0;
  EXPECT_EQ(recv(broker_.get(), &byte, 1, 0), 0);
}

int Work(const std::string& what) {
  if (what == "print") {
    std::fputs("one\n\nthree, unfinished", stdout);
    std::fputs("p2pcp: an error\n", stderr);
    return 12;
  }
  if (what == "descriptors") {
    int type = 0;
    socklen_t size = sizeof(type);
    char byte = 0;
    if (getsockopt(3, SOL_SOCKET, SO_TYPE, &type, &size) != 0 ||
        type != SOCK_SEQPACKET || read(STDIN_FILENO, &byte, 1) != 0) {
      return 1;
    }
    for (int fd = 4; fd < 64; ++fd) {
      if (close(fd) == 0) return 2;
    }
    return 0;
  }
  if (what == "much") {
    std::fputs(std::string(4 << 20, 'x').c_str(), stdout);
    return 0;
  }
  std::printf("%d\n", static_cast<int>(getpgrp()));
  std::fflush(stdout);
  for (;;) pause();
}

}  // namespace
}  // namespace p2pcp::cmd

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--worker") {
    return p2pcp::cmd::Work(argv[2]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
