#include "cmd/network/outlet.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "net/base/result.h"
#include "net/base/time.h"
#include "net/udp/syscalls.h"

namespace p2pcp::cmd {
namespace {

constexpr std::size_t kSegment = 100;

// Takes what it is given, unless its script has an error for the call.
class ScriptedKernel final : public udp::Syscalls {
 public:
  ssize_t SendMsg(int, const msghdr& message, int) override {
    const int error = Next();
    if (error != 0) return -error;
    const std::size_t size = message.msg_iov->iov_len;
    sent.push_back(size);
    return static_cast<ssize_t>(size);
  }
  // One at a time, so that a train can break off anywhere.
  int SendMmsg(int, mmsghdr* messages, unsigned, int) override {
    const int error = Next();
    if (error != 0) return -error;
    messages[0].msg_len =
        static_cast<unsigned>(messages[0].msg_hdr.msg_iov->iov_len);
    sent.push_back(messages[0].msg_len);
    return 1;
  }

  std::deque<int> script;         // An errno, or 0.
  std::vector<std::size_t> sent;  // Sizes of datagrams.

 private:
  int Next() {
    if (script.empty()) return 0;
    return std::exchange(script, {script.begin() + 1, script.end()}).front();
  }
};

class OutletTest : public ::testing::Test {
 protected:
  OutletTest() : loop_(*udp::EventLoop::Create()) {
    udp::UdpSocket::Options options;
    options.gso = false;
    options.syscalls = &kernel_;
    sockets_.push_back(
        *udp::UdpSocket::Open(*SocketAddress::Parse("127.0.0.1:0"), options));
  }

  Pump::Train Train(std::size_t size) const {
    Pump::Train train;
    train.to = *SocketAddress::Parse("127.0.0.1:9");
    train.bytes = ByteSpan(bytes_).first(size);
    train.segment_size = kSegment;
    return train;
  }

  ScriptedKernel kernel_;
  const Bytes bytes_ = Bytes(10 * kSegment);
  std::unique_ptr<udp::EventLoop> loop_;
  std::vector<udp::UdpSocket> sockets_;
  std::vector<std::size_t> too_big_;
  int watched_ = 0;  // Calls of on_watch.
  Outlet outlet_{
      loop_.get(),
      &sockets_,
      {.on_too_big = [this](std::size_t size) { too_big_.push_back(size); },
       .on_watch = [this](std::uint8_t) { ++watched_; }}};
};

TEST_F(OutletTest, GoesOnWhereTheSocketHasStopped) {
  kernel_.script = {0, EAGAIN};
  EXPECT_FALSE(outlet_.SendTrain(Train(250)));
  EXPECT_TRUE(outlet_.blocked());
  EXPECT_TRUE(outlet_.waits_for(0));
  EXPECT_FALSE(outlet_.waits_for(1));
  EXPECT_EQ(watched_, 1);
  outlet_.HandleWritable();
  EXPECT_FALSE(outlet_.blocked());
  EXPECT_EQ(watched_, 2);
  EXPECT_EQ(kernel_.sent, (std::vector<std::size_t>{100, 100, 50}));
}

// EPOLLOUT would hold at once, and the loop spin.
TEST_F(OutletTest, TriesADeviceWhoseQueueIsFullAgainByItself) {
  kernel_.script = {ENOBUFS};
  EXPECT_FALSE(outlet_.SendTrain(Train(100)));
  EXPECT_EQ(watched_, 0);
  const TimePoint limit = loop_->Now() + 10s;
  while (outlet_.blocked() && loop_->Now() < limit) loop_->RunOnce(limit);
  EXPECT_EQ(kernel_.sent, (std::vector<std::size_t>{100}));
}

TEST_F(OutletTest, TellsWhatIsTooBigAndKeepsNothingOfIt) {
  kernel_.script = {EMSGSIZE, EMSGSIZE};
  EXPECT_TRUE(outlet_.SendTrain(Train(200)));
  outlet_.SendOne(0, Train(0).to, ByteSpan(bytes_).first(42), /*hop_limit=*/0);
  EXPECT_EQ(too_big_, (std::vector<std::size_t>{kSegment, 42}));
  EXPECT_FALSE(outlet_.blocked());
  EXPECT_TRUE(kernel_.sent.empty());
}

TEST_F(OutletTest, KeepsNoSingleDatagram) {
  kernel_.script = {EAGAIN};
  outlet_.SendOne(0, Train(0).to, ByteSpan(bytes_).first(42), /*hop_limit=*/0);
  EXPECT_FALSE(outlet_.blocked());
  EXPECT_TRUE(kernel_.sent.empty());
}

TEST_F(OutletTest, DropsWhatIsForARelayThatIsNotThere) {
  Pump::Train train = Train(200);
  train.socket = RelayLink::kSocket;
  EXPECT_TRUE(outlet_.SendTrain(train));
  outlet_.SendOne(RelayLink::kSocket, train.to, train.bytes, /*hop_limit=*/0);
  EXPECT_TRUE(kernel_.sent.empty());
}

TEST_F(OutletTest, ForgetsWhatIsDropped) {
  kernel_.script = {EAGAIN};
  EXPECT_FALSE(outlet_.SendTrain(Train(100)));
  outlet_.Drop();
  outlet_.HandleWritable();
  EXPECT_TRUE(kernel_.sent.empty());
}

}  // namespace
}  // namespace p2pcp::cmd
