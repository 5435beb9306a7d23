#include "cmd/brokers/broker_watchdog.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <map>
#include <memory>
#include <utility>

#include "net/udp/sockaddr.h"

namespace p2pcp::cmd {
namespace {

constexpr Duration kCall = 100ms;
constexpr int kMisses = 3;
// Nothing here takes this long unless it hangs.
constexpr Duration kPatience = 20s;

class BrokerWatchdogTest : public ::testing::Test {
 protected:
  BrokerWatchdogTest()
      : loop_(*udp::EventLoop::Create()),
        listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    udp::Sockaddr address;
    socklen_t size =
        udp::ToSockaddr(*SocketAddress::Parse("127.0.0.1:0"), &address);
    EXPECT_EQ(bind(listener_.get(), &address.any, size), 0);
    EXPECT_EQ(getsockname(listener_.get(), &address.any, &size), 0);
    watchdog_ = std::make_unique<BrokerWatchdog>(
        loop_.get(), *udp::FromSockaddr(address),
        BrokerWatchdog::Pace{kCall, kMisses}, [this] { ++hangs_; });
  }
  ~BrokerWatchdogTest() override { loop_->Unwatch(listener_.get()); }

  void Listen() { ASSERT_EQ(listen(listener_.get(), 8), 0); }

  // A broker that lives: it ends calls that the other side has ended.
  void Answer() {
    loop_->Watch(listener_.get(), EPOLLIN, [this](std::uint32_t) {
      udp::FileDescriptor call(
          accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const int fd = call.get();
      calls_.emplace(fd, std::move(call));
      loop_->Watch(fd, EPOLLIN, [this, fd](std::uint32_t) {
        char byte;
        EXPECT_EQ(recv(fd, &byte, 1, 0), 0);
        loop_->Unwatch(fd);
        calls_.erase(fd);
        ++answers_;
      });
    });
  }

  // Until a hang was told, the broker has answered so often, or for so long.
  void RunUntil(int answers, Duration most = kPatience) {
    const TimePoint limit = loop_->Now() + most;
    while (hangs_ == 0 && answers_ < answers && loop_->Now() < limit) {
      loop_->RunOnce(limit);
    }
  }

  std::unique_ptr<udp::EventLoop> loop_;
  const udp::FileDescriptor listener_;
  std::map<int, udp::FileDescriptor> calls_;
  std::unique_ptr<BrokerWatchdog> watchdog_;
  int hangs_ = 0;
  int answers_ = 0;
};

TEST_F(BrokerWatchdogTest, IsContentWithABrokerThatHangsUp) {
  Listen();
  Answer();
  watchdog_->Start();
  RunUntil(2 * kMisses);
  EXPECT_EQ(answers_, 2 * kMisses);
  EXPECT_EQ(hangs_, 0);
}

// The kernel takes the calls of a process that is stopped.
TEST_F(BrokerWatchdogTest, NoticesABrokerThatOnlyTakesCalls) {
  Listen();
  const TimePoint began = loop_->Now();
  watchdog_->Start();
  RunUntil(1);
  EXPECT_EQ(hangs_, 1);
  EXPECT_GE(loop_->Now() - began, kMisses * kCall);
  // Told once; whoever starts the broker again starts the watchdog as well.
  RunUntil(1, 3 * kMisses * kCall);
  EXPECT_EQ(hangs_, 1);
}

TEST_F(BrokerWatchdogTest, NoticesABrokerThatTakesNone) {
  watchdog_->Start();
  RunUntil(1);
  EXPECT_EQ(hangs_, 1);
}

TEST_F(BrokerWatchdogTest, ForgetsWhatWasUnansweredOnceItIsAnswered) {
  Listen();
  watchdog_->Start();
  for (int round = 0; round < kMisses; ++round) {
    // One call that comes to nothing; over the rounds they are kMisses.
    loop_->Unwatch(listener_.get());
    const TimePoint limit = loop_->Now() + kCall * 3 / 2;
    while (hangs_ == 0 && loop_->Now() < limit) loop_->RunOnce(limit);
    Answer();
    RunUntil(answers_ + kMisses + 2);
  }
  EXPECT_EQ(hangs_, 0);
}

TEST_F(BrokerWatchdogTest, IsQuietOnceStopped) {
  watchdog_->Start();
  watchdog_->Stop();
  RunUntil(1, 3 * kMisses * kCall);
  EXPECT_EQ(hangs_, 0);
}

}  // namespace
}  // namespace p2pcp::cmd
