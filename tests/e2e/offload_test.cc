// Whole transfers between two real sockets on loopback, with real channels,
// sessions and files, over a kernel that fails on cue: what its offloads do
// wrong in the middle of a transfer must cost no data.

#include <gtest/gtest.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cmd/pump.h"
#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/channel/channel.h"
#include "net/ice/candidate.h"
#include "net/udp/event_loop.h"
#include "net/udp/syscalls.h"
#include "net/udp/udp_socket.h"
#include "tests/sim/temp_folder.h"
#include "transfer/file/inline_disk.h"
#include "transfer/file/output_folder.h"
#include "transfer/file/source_tree.h"
#include "transfer/session/receiver.h"
#include "transfer/session/sender.h"

namespace p2pcp {
namespace {

constexpr std::uint64_t kFileSize = 24 << 20;
// For both ends, on a busy machine.
constexpr Duration kPatience = 60s;

bool IsSegmented(const msghdr& message) {
  msghdr copy = message;
  for (cmsghdr* control = CMSG_FIRSTHDR(&copy); control != nullptr;
       control = CMSG_NXTHDR(&copy, control)) {
    if (control->cmsg_level == IPPROTO_UDP &&
        control->cmsg_type == UDP_SEGMENT) {
      return true;
    }
  }
  return false;
}

// The real kernel, whose segmented sends go wrong after the first `good`.
class BadSegmentation final : public udp::Syscalls {
 public:
  enum class How { kRefuse, kDamage };
  BadSegmentation(How how, int good, int os_errno = 0)
      : how_(how), good_(good), os_errno_(os_errno) {}

  ssize_t SendMsg(int fd, const msghdr& message, int flags) override {
    if (!IsSegmented(message) || good_-- > 0) {
      return Syscalls::SendMsg(fd, message, flags);
    }
    ++bad;
    if (how_ == How::kRefuse) return -os_errno_;
    // Half of the train comes out wrong, as a checksum would find.
    Bytes bytes(message.msg_iov->iov_len);
    std::memcpy(bytes.data(), message.msg_iov->iov_base, bytes.size());
    std::uint16_t segment = 0;
    std::memcpy(&segment, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(segment));
    for (std::size_t at = 0; at < bytes.size(); at += 2 * segment) {
      bytes[at + std::min<std::size_t>(40, bytes.size() - at - 1)] ^=
          std::byte{1};
    }
    iovec vector{bytes.data(), bytes.size()};
    msghdr copy = message;
    copy.msg_iov = &vector;
    return Syscalls::SendMsg(fd, copy, flags);
  }

  int SendMmsg(int fd, mmsghdr* messages, unsigned count, int flags) override {
    const int sent = Syscalls::SendMmsg(fd, messages, count, flags);
    if (sent > 0) one_by_one += static_cast<std::uint64_t>(sent);
    return sent;
  }

  int bad = 0;
  std::uint64_t one_by_one = 0;  // Datagrams.

 private:
  How how_;
  int good_;
  int os_errno_;
};

// Linux 5.4: UDP_GRO is there, and not to be relied on; and one without any.
class OldKernel final : public udp::Syscalls {
 public:
  explicit OldKernel(bool offloads) : offloads_(offloads) {}
  int SetSockOpt(int fd, int level, int option, const void* value,
                 socklen_t size) override {
    if (!offloads_ && level == IPPROTO_UDP) return -ENOPROTOOPT;
    return Syscalls::SetSockOpt(fd, level, option, value, size);
  }
  std::string KernelRelease() override {
    return offloads_ ? "5.4.0-42-generic" : "4.9.0-8-amd64";
  }

 private:
  bool offloads_;
};

// One side: what cmd/link.cc is to the program, without broker and signals.
class Side {
 public:
  Side(udp::EventLoop& loop, udp::Syscalls* syscalls,
       const channel::Channel::Config& config, std::uint64_t seed)
      : loop_(loop),
        random_(seed),
        socket_(Open(syscalls)),
        channel_(loop.Now(), config, random_) {
    loop_.Watch(socket_.fd(), EPOLLIN, [this](std::uint32_t) { Receive(); });
  }
  ~Side() { loop_.Unwatch(socket_.fd()); }

  ice::Candidate candidate() const {
    ice::Candidate candidate;
    candidate.address = candidate.base = socket_.local_address();
    candidate.priority = ice::ComputePriority(candidate.type, 65535);
    return candidate;
  }
  void Meet(const ice::Candidate& other) {
    const ice::Candidate own = candidate();
    channel_.AddLocalCandidates(loop_.Now(), std::span(&own, 1));
    channel_.AddRemoteCandidates(loop_.Now(), std::span(&other, 1));
  }
  void SetSession(std::unique_ptr<Session> session) {
    session_ = std::move(session);
    pump_.emplace(&channel_, session_.get());
  }

  void Turn() {
    const TimePoint now = loop_.Now();
    if (pump_) {
      pump_->HandleTimeout(now);
    } else {
      channel_.HandleTimeout(now);
    }
    while (const auto event = channel_.PollEvent()) {
      if (pump_) pump_->HandleChannelEvent(now, *event);
    }
    Send(now);
    if (!session_) return;
    while (disk_.ready()) session_->HandleDisk(now);
    while (const auto event = session_->PollEvent()) {
      over_ |= std::holds_alternative<Completed>(*event) ||
               std::holds_alternative<Failed>(*event);
      completed_ |= std::holds_alternative<Completed>(*event);
    }
    Send(now);
  }
  std::optional<TimePoint> PollTimeout() const {
    if (blocked_) return loop_.Now() + 1ms;
    return pump_ ? pump_->PollTimeout() : channel_.PollTimeout();
  }

  bool connected() const { return channel_.connected(); }
  bool over() const { return over_; }
  bool completed() const { return completed_; }
  udp::UdpSocket& socket() { return socket_; }
  channel::Channel& channel() { return channel_; }
  const Session& session() const { return *session_; }
  file::InlineDisk& disk() { return disk_; }

 private:
  static udp::UdpSocket Open(udp::Syscalls* syscalls) {
    udp::UdpSocket::Options options;
    options.syscalls = syscalls;
    auto socket =
        udp::UdpSocket::Open(*SocketAddress::Parse("127.0.0.1:0"), options);
    P2PCP_CHECK(socket.ok());
    return *std::move(socket);
  }

  void Receive() {
    const TimePoint now = loop_.Now();
    for (const udp::ReceivedTrain& train : socket_.Receive()) {
      if (pump_) {
        pump_->HandleTrain(now, 0, train.from, train.bytes, train.segment_size);
        continue;
      }
      for (std::size_t at = 0; at < train.bytes.size();
           at += train.segment_size) {
        channel_.HandleDatagram(
            now, 0, train.from,
            train.bytes.subspan(
                at, std::min(train.segment_size, train.bytes.size() - at)));
      }
    }
    if (session_) session_->SetSocketDrops(socket_.drops());
  }

  void Send(TimePoint now) {
    std::byte out[channel::Channel::kMaxDatagramSize];
    for (int i = 0; i < 64; ++i) {
      if (!pump_) {
        const auto probe = channel_.PollTransmit(now, out);
        if (!probe) return;
        socket_.Send(probe->to, ByteSpan(out).first(probe->size), probe->size);
        continue;
      }
      const auto train = blocked_ ? std::exchange(blocked_, std::nullopt)
                                  : pump_->PollTrain(now);
      if (!train) return;
      const udp::SendResult result =
          socket_.Send(train->to, train->bytes, train->segment_size,
                       train->hop_limit, train->one_by_one);
      if (result.status == udp::SendStatus::kWouldBlock) {
        blocked_ = train;
        blocked_->bytes =
            train->bytes.subspan(result.segments * train->segment_size);
        return;
      }
    }
  }

  udp::EventLoop& loop_;
  SeededRandom random_;
  udp::UdpSocket socket_;
  channel::Channel channel_;
  file::InlineDisk disk_;
  std::unique_ptr<Session> session_;
  std::optional<cmd::Pump> pump_;
  std::optional<cmd::Pump::Train> blocked_;
  bool over_ = false;
  bool completed_ = false;
};

class Offload : public testing::Test {
 protected:
  // Sends a file from a socket on one kernel to a socket on the other.
  void Transfer(udp::Syscalls* sender_kernel, udp::Syscalls* receiver_kernel) {
    SeededRandom random(7);
    const std::vector<std::string> paths = {
        in_.AddFile("file", kFileSize, random)};
    sources_.emplace(*file::SourceTree::Open(paths, {}));
    target_ = *file::OpenOutput(out_.path());
    loop_ = *udp::EventLoop::Create();

    channel::Channel::Config config;
    config.allow_loopback = true;
    config.keys.send.bytes.fill(std::byte{1});
    config.keys.receive.bytes.fill(std::byte{2});
    sender_.emplace(*loop_, sender_kernel, config, 1);
    config.role = ice::Role::kControlled;
    std::swap(config.keys.send, config.keys.receive);
    receiver_.emplace(*loop_, receiver_kernel, config, 2);
    sender_->Meet(receiver_->candidate());
    receiver_->Meet(sender_->candidate());

    const TimePoint deadline = loop_->Now() + kPatience;
    RunUntil(deadline, [&] {
      return sender_->connected() && receiver_->connected() &&
             sender_->channel().max_payload() > 1172;
    });
    ASSERT_TRUE(sender_->connected() && receiver_->connected());
    Receiver::Config receiver_config;
    receiver_config.max_payload = receiver_->channel().max_payload();
    receiver_config.initial_rtt = 1ms;
    receiver_->SetSession(std::make_unique<Receiver>(
        loop_->Now(), receiver_config, &*target_, &receiver_->disk(), &random));
    Sender::Config sender_config;
    sender_config.max_payload = sender_->channel().max_payload();
    sender_config.initial_rtt = 1ms;
    sender_->SetSession(std::make_unique<Sender>(loop_->Now(), sender_config,
                                                 &*sources_, &sender_->disk()));
    RunUntil(deadline, [&] { return sender_->over() && receiver_->over(); });
    EXPECT_TRUE(sender_->completed());
    EXPECT_TRUE(receiver_->completed());
    EXPECT_TRUE(sim::SameContent(in_.path() / "file", out_.path() / "file"));
  }

  std::uint64_t packets_lost() const {
    const ConnectionStats& stats = sender_->session().stats();
    return stats.packets_lost - stats.packets_spuriously_lost;
  }
  // What neither the sender nor its kernel is to blame for.
  std::uint64_t overflows() { return receiver_->socket().drops(); }

  std::unique_ptr<udp::EventLoop> loop_;  // Which both sides use to the end.
  std::optional<Side> sender_;
  std::optional<Side> receiver_;

 private:
  template <typename Done>
  void RunUntil(TimePoint deadline, Done done) {
    while (!done() && loop_->Now() < deadline) {
      sender_->Turn();
      receiver_->Turn();
      std::optional<TimePoint> next = loop_->Now() + 10ms;
      for (const auto& time :
           {sender_->PollTimeout(), receiver_->PollTimeout()}) {
        if (time) next = std::min(*next, *time);
      }
      loop_->RunOnce(next);
    }
  }

  sim::TempFolder in_;
  sim::TempFolder out_;
  std::optional<file::SourceTree> sources_;
  std::optional<file::OutputTarget> target_;
};

// A device that loses its checksum offload, a route that moves to a tunnel:
// the very batch that was refused goes out one by one.
TEST_F(Offload, SegmentationThatFailsWithEioMidTransferCostsNoData) {
  BadSegmentation kernel(BadSegmentation::How::kRefuse, 100, EIO);
  Transfer(&kernel, &udp::SystemSyscalls());
  EXPECT_EQ(kernel.bad, 1);
  EXPECT_FALSE(sender_->socket().gso_enabled());
  EXPECT_EQ(sender_->socket().stats().sent.gso_refusals, 1u);
  EXPECT_LE(packets_lost(), overflows());
}

TEST_F(Offload, SegmentationThatFailsWithEinvalMidTransferCostsNoData) {
  BadSegmentation kernel(BadSegmentation::How::kRefuse, 100, EINVAL);
  Transfer(&kernel, &udp::SystemSyscalls());
  EXPECT_EQ(kernel.bad, 1);
  EXPECT_FALSE(sender_->socket().gso_enabled());
  EXPECT_LE(packets_lost(), overflows());
}

TEST_F(Offload, SegmentationThatFailsAtTheFirstSendCostsNoData) {
  BadSegmentation kernel(BadSegmentation::How::kRefuse, 0, EIO);
  Transfer(&kernel, &udp::SystemSyscalls());
  EXPECT_EQ(kernel.bad, 1);
  EXPECT_LE(packets_lost(), overflows());
}

// Kernels that damage trains without an error, and slow a transfer down a
// hundredfold.
TEST_F(Offload, SegmentationThatDamagesTrainsIsFoundOut) {
  BadSegmentation kernel(BadSegmentation::How::kDamage, 20);
  Transfer(&kernel, &udp::SystemSyscalls());
  EXPECT_GT(kernel.bad, 0);
  // Most of the file: nothing of it gets lost then, and it flies.
  EXPECT_GT(kernel.one_by_one, kFileSize / channel::Channel::kMaxDatagramSize);
  EXPECT_LT(packets_lost(), kernel.one_by_one);
}

TEST_F(Offload, AReceiverWhoseGroIsNotToBeReliedOnGetsEveryDatagram) {
  OldKernel kernel(/*offloads=*/true);
  Transfer(&udp::SystemSyscalls(), &kernel);
  EXPECT_FALSE(receiver_->socket().gro_enabled());
  EXPECT_LE(packets_lost(), overflows());
}

TEST_F(Offload, KernelsWithoutOffloadsDoToo) {
  OldKernel kernel(/*offloads=*/false);
  Transfer(&kernel, &kernel);
  EXPECT_FALSE(sender_->socket().gso_enabled());
  EXPECT_FALSE(receiver_->socket().gro_enabled());
  EXPECT_LE(packets_lost(), overflows());
}

}  // namespace
}  // namespace p2pcp
