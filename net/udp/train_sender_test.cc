#include "net/udp/train_sender.h"

#include <gtest/gtest.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "net/udp/syscalls.h"
#include "net/udp/train_bounds.h"

namespace p2pcp::udp {
namespace {

const SocketAddress kTo = *SocketAddress::Parse("192.0.2.1:7");
const SocketAddress kTo6 = *SocketAddress::Parse("[2001:db8::1]:7");

// A kernel whose refusals are written down beforehand: each call takes the
// front of `script`; 0 (and an empty script) lets it succeed.
class ScriptedKernel final : public Syscalls {
 public:
  struct Call {
    std::size_t messages;      // 1 for sendmsg.
    std::size_t bytes;         // Of all messages.
    std::size_t gso_size = 0;  // 0: no UDP_SEGMENT.
    int hop_limit = 0;         // 0: none given.
    int level = 0;             // Of the hop limit.
  };

  ssize_t SendMsg(int, const msghdr& message, int flags) override {
    EXPECT_NE(flags & MSG_DONTWAIT, 0);
    calls.push_back(Describe(message, 1));
    const int refusal = Next();
    if (refusal != 0) return -refusal;
    const Call& call = calls.back();
    Deliver(message, call.gso_size);
    return static_cast<ssize_t>(call.bytes);
  }

  int SendMmsg(int, mmsghdr* messages, unsigned count, int) override {
    Call call = Describe(messages[0].msg_hdr, count);
    call.bytes = 0;
    for (unsigned i = 0; i < count; ++i) {
      call.bytes += messages[i].msg_hdr.msg_iov->iov_len;
    }
    calls.push_back(call);
    const int refusal = Next();
    if (refusal != 0) return -refusal;
    const unsigned taken = std::min<unsigned>(count, mmsg_limit);
    for (unsigned i = 0; i < taken; ++i) Deliver(messages[i].msg_hdr, 0);
    return static_cast<int>(taken);
  }

  // Datagrams as they would be on the wire.
  std::vector<Bytes> wire;
  std::vector<Call> calls;
  std::deque<int> script;
  unsigned mmsg_limit = 1000;  // Messages that one sendmmsg takes.

 private:
  int Next() {
    if (script.empty()) return 0;
    const int refusal = script.front();
    script.pop_front();
    return refusal;
  }

  static Call Describe(const msghdr& message, std::size_t messages) {
    Call call{messages, message.msg_iov->iov_len};
    msghdr copy = message;
    for (cmsghdr* control = CMSG_FIRSTHDR(&copy); control != nullptr;
         control = CMSG_NXTHDR(&copy, control)) {
      if (control->cmsg_type == UDP_SEGMENT &&
          control->cmsg_level == IPPROTO_UDP) {
        std::uint16_t size;
        EXPECT_EQ(control->cmsg_len, CMSG_LEN(sizeof(size)));
        std::memcpy(&size, CMSG_DATA(control), sizeof(size));
        call.gso_size = size;
      } else {
        EXPECT_EQ(control->cmsg_len, CMSG_LEN(sizeof(int)));
        std::memcpy(&call.hop_limit, CMSG_DATA(control), sizeof(int));
        call.level = control->cmsg_level;
      }
    }
    return call;
  }

  void Deliver(const msghdr& message, std::size_t gso_size) {
    const auto* bytes =
        static_cast<const std::byte*>(message.msg_iov->iov_base);
    std::size_t left = message.msg_iov->iov_len;
    if (gso_size == 0) gso_size = left;
    while (left > 0) {
      const std::size_t size = std::min(left, gso_size);
      wire.emplace_back(bytes, bytes + size);
      bytes += size;
      left -= size;
    }
  }
};

// `count` datagrams of `size` bytes that each carry their number, the last one
// `last` bytes long.
Bytes Train(std::size_t count, std::size_t size, std::size_t last) {
  Bytes train;
  for (std::size_t i = 0; i < count; ++i) {
    train.resize(train.size() + (i + 1 == count ? last : size),
                 static_cast<std::byte>(i));
  }
  return train;
}

Bytes Concatenate(const std::vector<Bytes>& datagrams) {
  Bytes all;
  for (const Bytes& datagram : datagrams) {
    all.insert(all.end(), datagram.begin(), datagram.end());
  }
  return all;
}

TEST(TrainSender, SendsATrainInOneCall) {
  ScriptedKernel kernel;
  TrainSender sender(&kernel, 3, /*gso=*/true);
  const Bytes train = Train(44, 1472, 1472);
  const SendResult result = sender.Send(kTo, train, 1472, 0);
  EXPECT_EQ(result.status, SendStatus::kSent);
  EXPECT_EQ(result.segments, 44u);
  ASSERT_EQ(kernel.calls.size(), 1u);
  EXPECT_EQ(kernel.calls[0].gso_size, 1472u);
  EXPECT_EQ(kernel.calls[0].hop_limit, 0);
  EXPECT_EQ(kernel.wire.size(), 44u);
  EXPECT_EQ(Concatenate(kernel.wire), train);
}

TEST(TrainSender, ASingleDatagramCarriesNoSegmentSize) {
  ScriptedKernel kernel;
  TrainSender sender(&kernel, 3, /*gso=*/true);
  EXPECT_EQ(sender.Send(kTo, Train(1, 100, 100), 100, 0).segments, 1u);
  // A datagram shorter than its segment size is single too.
  EXPECT_EQ(sender.Send(kTo, Train(1, 100, 60), 100, 0).segments, 1u);
  ASSERT_EQ(kernel.calls.size(), 2u);
  EXPECT_EQ(kernel.calls[0].gso_size, 0u);
  EXPECT_EQ(kernel.calls[1].gso_size, 0u);
}

// At most 64 segments and 65507 bytes a send; the last train may hold one.
TEST(TrainSender, SplitsWhatOneSendCannotHold) {
  for (const std::size_t size : {1u, 100u, 1200u, 1472u, 9000u, 40000u}) {
    for (const std::size_t count : {2u, 7u, 44u, 45u, 64u, 65u, 129u, 200u}) {
      ScriptedKernel kernel;
      TrainSender sender(&kernel, 3, /*gso=*/true);
      const Bytes train = Train(count, size, (size + 1) / 2);
      const SendResult result = sender.Send(kTo, train, size, 0);
      EXPECT_EQ(result.status, SendStatus::kSent);
      EXPECT_EQ(result.segments, count);
      EXPECT_EQ(kernel.wire.size(), count);
      EXPECT_EQ(Concatenate(kernel.wire), train);
      for (const ScriptedKernel::Call& call : kernel.calls) {
        EXPECT_LE(call.bytes, kMaxTrainBytes);
        if (call.gso_size == 0) {
          EXPECT_LE(call.bytes, size);
        } else {
          EXPECT_LE(call.bytes, call.gso_size * kMaxTrainSegments);
        }
      }
    }
  }
}

// quinn#2399, quic-go#3911, msquic#3867: segmentation is advertised and then
// refused on the first send.
TEST(TrainSender, ResendsTheRefusedBatchAtOnceAndStopsSegmenting) {
  for (const int refusal : {EIO, EINVAL}) {
    ScriptedKernel kernel;
    kernel.script = {refusal};
    TrainSender sender(&kernel, 3, /*gso=*/true);
    const Bytes train = Train(44, 1472, 700);
    const SendResult result = sender.Send(kTo, train, 1472, 0);
    EXPECT_EQ(result.status, SendStatus::kSent);
    EXPECT_EQ(result.segments, 44u);
    EXPECT_EQ(kernel.wire.size(), 44u);
    EXPECT_EQ(Concatenate(kernel.wire), train);
    EXPECT_FALSE(sender.gso_enabled());
    EXPECT_EQ(sender.stats().gso_refusals, 1u);

    sender.Send(kTo, train, 1472, 0);
    EXPECT_EQ(kernel.wire.size(), 88u);
    EXPECT_EQ(kernel.calls.back().gso_size, 0u);
    EXPECT_EQ(kernel.calls.back().messages, 44u);
  }
}

// The middle batch of a long train is refused: nothing is lost, sent twice or
// out of order.
TEST(TrainSender, KeepsOrderWhenALaterBatchIsRefused) {
  ScriptedKernel kernel;
  kernel.script = {0, EIO};
  TrainSender sender(&kernel, 3, /*gso=*/true);
  const Bytes train = Train(130, 1200, 1);
  const SendResult result = sender.Send(kTo, train, 1200, 0);
  EXPECT_EQ(result.status, SendStatus::kSent);
  EXPECT_EQ(result.segments, 130u);
  EXPECT_EQ(kernel.wire.size(), 130u);
  EXPECT_EQ(Concatenate(kernel.wire), train);
}

TEST(TrainSender, GoesOnWhereSendmmsgStopped) {
  ScriptedKernel kernel;
  kernel.mmsg_limit = 5;
  TrainSender sender(&kernel, 3, /*gso=*/false);
  const Bytes train = Train(44, 1472, 1);
  const SendResult result = sender.Send(kTo, train, 1472, 0);
  EXPECT_EQ(result.status, SendStatus::kSent);
  EXPECT_EQ(result.segments, 44u);
  EXPECT_EQ(Concatenate(kernel.wire), train);
}

TEST(TrainSender, TellsHowMuchLeftBeforeItWouldBlock) {
  for (const int full : {EAGAIN, ENOBUFS}) {
    ScriptedKernel kernel;
    kernel.mmsg_limit = 10;
    kernel.script = {0, full};
    TrainSender sender(&kernel, 3, /*gso=*/false);
    const Bytes train = Train(44, 1472, 99);
    const SendResult result = sender.Send(kTo, train, 1472, 0);
    EXPECT_EQ(result.status, SendStatus::kWouldBlock);
    EXPECT_EQ(result.segments, 10u);
    const SendResult rest = sender.Send(
        kTo, ByteSpan(train).subspan(result.segments * 1472), 1472, 0);
    EXPECT_EQ(rest.status, SendStatus::kSent);
    EXPECT_EQ(rest.segments, 34u);
    EXPECT_EQ(Concatenate(kernel.wire), train);
    EXPECT_EQ(sender.stats().would_block, 1u);
  }
}

TEST(TrainSender, BlockingDoesNotEndSegmentation) {
  ScriptedKernel kernel;
  kernel.script = {EAGAIN, EIO, EAGAIN};
  TrainSender sender(&kernel, 3, /*gso=*/true);
  const Bytes train = Train(4, 1000, 1000);
  EXPECT_EQ(sender.Send(kTo, train, 1000, 0).status, SendStatus::kWouldBlock);
  EXPECT_TRUE(sender.gso_enabled());
  // Refused, but not one single datagram went out either: not proven.
  const SendResult result = sender.Send(kTo, train, 1000, 0);
  EXPECT_EQ(result.status, SendStatus::kWouldBlock);
  EXPECT_EQ(result.segments, 0u);
  EXPECT_TRUE(sender.gso_enabled());
  EXPECT_TRUE(kernel.wire.empty());
}

// Segments above the MTU make sendmsg say EINVAL on kernels that have this
// under EMSGSIZE only for single datagrams.
TEST(TrainSender, TooBigIsNotTakenForARefusalOfSegmentation) {
  ScriptedKernel kernel;
  kernel.script = {EINVAL, EMSGSIZE};
  TrainSender sender(&kernel, 3, /*gso=*/true);
  const SendResult result = sender.Send(kTo, Train(4, 9000, 9000), 9000, 0);
  EXPECT_EQ(result.status, SendStatus::kTooBig);
  EXPECT_EQ(result.segments, 0u);
  EXPECT_TRUE(sender.gso_enabled());

  kernel.script = {EMSGSIZE};
  EXPECT_EQ(sender.Send(kTo, Train(4, 9000, 9000), 9000, 0).status,
            SendStatus::kTooBig);
  EXPECT_TRUE(sender.gso_enabled());
}

// An ICMP error belongs to a datagram sent before; the send that hears of it
// has sent nothing and is done again.
TEST(TrainSender, SendsAgainAfterAPendingIcmpError) {
  for (const bool gso : {false, true}) {
    ScriptedKernel kernel;
    kernel.script = {ECONNREFUSED, EHOSTUNREACH};
    TrainSender sender(&kernel, 3, gso);
    const Bytes train = Train(8, 1000, 10);
    EXPECT_EQ(sender.Send(kTo, train, 1000, 0).status, SendStatus::kSent);
    EXPECT_EQ(Concatenate(kernel.wire), train);
    EXPECT_EQ(sender.stats().icmp_errors, 2u);
    EXPECT_EQ(sender.stats().errors, 0u);
    EXPECT_EQ(sender.gso_enabled(), gso);
  }
}

TEST(TrainSender, GivesUpOnAnErrorThatStays) {
  ScriptedKernel kernel;
  kernel.script.assign(20, ENETUNREACH);
  TrainSender sender(&kernel, 3, /*gso=*/true);
  const SendResult result = sender.Send(kTo, Train(8, 1000, 10), 1000, 0);
  EXPECT_EQ(result.status, SendStatus::kError);
  EXPECT_EQ(result.os_errno, ENETUNREACH);
  EXPECT_EQ(result.segments, 0u);
  EXPECT_LE(kernel.calls.size(), 5u);

  kernel.script = {EPERM};
  EXPECT_EQ(sender.Send(kTo, Train(1, 5, 5), 5, 0).os_errno, EPERM);
}

TEST(TrainSender, AnInterruptedCallIsMadeAgain) {
  ScriptedKernel kernel;
  kernel.script = {EINTR, EINTR, EINTR, EINTR, EINTR};
  TrainSender sender(&kernel, 3, /*gso=*/true);
  EXPECT_EQ(sender.Send(kTo, Train(2, 10, 10), 10, 0).status,
            SendStatus::kSent);
}

TEST(TrainSender, HopLimitRidesOnEveryDatagramOfTheSendAlone) {
  for (const SocketAddress& to : {kTo, kTo6}) {
    const int level = to.ip.is_v6() ? IPPROTO_IPV6 : IPPROTO_IP;
    ScriptedKernel kernel;
    TrainSender sender(&kernel, 3, /*gso=*/true);
    sender.Send(to, Train(1, 40, 40), 40, 4);
    EXPECT_EQ(kernel.calls.back().hop_limit, 4);
    EXPECT_EQ(kernel.calls.back().level, level);
    sender.Send(to, Train(3, 40, 40), 40, 255);
    EXPECT_EQ(kernel.calls.back().hop_limit, 255);
    EXPECT_EQ(kernel.calls.back().gso_size, 40u);
    sender.Send(to, Train(1, 40, 40), 40, 0);
    EXPECT_EQ(kernel.calls.back().hop_limit, 0);
  }
}

}  // namespace
}  // namespace p2pcp::udp
