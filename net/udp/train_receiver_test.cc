#include "net/udp/train_receiver.h"

#include <gtest/gtest.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/socket_address.h"
#include "net/udp/sockaddr.h"
#include "net/udp/syscalls.h"

namespace p2pcp::udp {
namespace {

const SocketAddress kFrom = *SocketAddress::Parse("198.51.100.7:4000");

struct Arrival {
  std::size_t size = 0;
  int gro_size = 0;
  std::optional<std::uint32_t> overflow = std::nullopt;
  int flags = 0;
  bool named = true;
};

// Delivers one element of `arrivals` a call: an error, or messages.
class ScriptedKernel final : public Syscalls {
 public:
  struct Call {
    int os_errno = 0;
    std::vector<Arrival> messages;
  };

  int RecvMmsg(int, mmsghdr* messages, unsigned count, int flags) override {
    EXPECT_NE(flags & MSG_DONTWAIT, 0);
    if (calls.empty()) return -EAGAIN;
    const Call call = calls.front();
    calls.pop_front();
    if (call.os_errno != 0) return -call.os_errno;
    EXPECT_LE(call.messages.size(), count);
    for (std::size_t i = 0; i < call.messages.size(); ++i) {
      Fill(call.messages[i], messages[i]);
    }
    return static_cast<int>(call.messages.size());
  }

  std::deque<Call> calls;

 private:
  static void Fill(const Arrival& arrival, mmsghdr& message) {
    msghdr& header = message.msg_hdr;
    EXPECT_LE(arrival.size, header.msg_iov->iov_len);
    std::memset(header.msg_iov->iov_base, 7, arrival.size);
    message.msg_len = static_cast<unsigned>(arrival.size);
    header.msg_flags = arrival.flags;
    if (arrival.named) {
      header.msg_namelen =
          ToSockaddr(kFrom, static_cast<Sockaddr*>(header.msg_name));
    }
    auto* control = static_cast<std::byte*>(header.msg_control);
    std::size_t used = 0;
    const auto append = [&](int level, int type, const void* value,
                            std::size_t size) {
      ASSERT_LE(used + CMSG_SPACE(size), header.msg_controllen);
      cmsghdr item{};
      item.cmsg_len = CMSG_LEN(size);
      item.cmsg_level = level;
      item.cmsg_type = type;
      std::memcpy(control + used, &item, sizeof(item));
      std::memcpy(control + used + CMSG_LEN(0), value, size);
      used += CMSG_SPACE(size);
    };
    if (arrival.overflow) {
      append(SOL_SOCKET, SO_RXQ_OVFL, &*arrival.overflow, 4);
    }
    if (arrival.gro_size != 0) {
      append(IPPROTO_UDP, UDP_GRO, &arrival.gro_size, 4);
    }
    header.msg_controllen = used;
  }
};

TEST(TrainReceiver, ReadsTheSegmentSizeOfASuperPacket) {
  ScriptedKernel kernel;
  kernel.calls.push_back(
      {0, {{.size = 1472 * 3 + 100, .gro_size = 1472}, {.size = 60}}});
  TrainReceiver receiver(&kernel, 3);
  const std::span<const ReceivedTrain> trains = receiver.Receive();
  ASSERT_EQ(trains.size(), 2u);
  EXPECT_EQ(trains[0].from, kFrom);
  EXPECT_EQ(trains[0].segment_size, 1472u);
  EXPECT_EQ(trains[0].bytes.size(), 1472u * 3 + 100);
  EXPECT_EQ(trains[1].segment_size, 60u);
  EXPECT_EQ(receiver.stats().datagrams, 5u);
  EXPECT_EQ(receiver.stats().trains, 2u);
  EXPECT_TRUE(receiver.Receive().empty());
}

// A segment size beyond the bytes, or none, is one datagram; never a size of 0
// that would let the caller's loop stand still.
TEST(TrainReceiver, SegmentSizeIsNeverZeroNorAboveTheBytes) {
  ScriptedKernel kernel;
  kernel.calls.push_back({0,
                          {{.size = 10, .gro_size = 1472},
                           {.size = 10, .gro_size = -1},
                           {.size = 10}}});
  TrainReceiver receiver(&kernel, 3);
  for (const ReceivedTrain& train : receiver.Receive()) {
    EXPECT_EQ(train.segment_size, 10u);
  }
  EXPECT_EQ(receiver.stats().datagrams, 3u);
}

TEST(TrainReceiver, DiscardsWhatIsEmptyTruncatedOrNameless) {
  ScriptedKernel kernel;
  kernel.calls.push_back({0,
                          {{.size = 0},
                           {.size = 5, .flags = MSG_TRUNC},
                           {.size = 5, .flags = MSG_CTRUNC},
                           {.size = 5, .named = false},
                           {.size = 9}}});
  TrainReceiver receiver(&kernel, 3);
  const std::span<const ReceivedTrain> trains = receiver.Receive();
  ASSERT_EQ(trains.size(), 1u);
  EXPECT_EQ(trains[0].bytes.size(), 9u);
  EXPECT_EQ(receiver.stats().discarded, 4u);
}

// Empty means that nothing waits, so a batch of nothing but garbage must not
// be handed out as empty while more waits behind it.
TEST(TrainReceiver, LooksFurtherWhenAWholeBatchWasDiscarded) {
  ScriptedKernel kernel;
  kernel.calls.push_back({0, {{.size = 0}, {.size = 0}}});
  kernel.calls.push_back({0, {{.size = 9}}});
  TrainReceiver receiver(&kernel, 3);
  EXPECT_EQ(receiver.Receive().size(), 1u);
}

TEST(TrainReceiver, CountsOverflowsAcrossTheWrapOfTheKernelsCounter) {
  ScriptedKernel kernel;
  TrainReceiver receiver(&kernel, 3);
  kernel.calls.push_back({0, {{.size = 9, .overflow = 5}}});
  receiver.Receive();
  EXPECT_EQ(receiver.stats().overflows, 5u);
  kernel.calls.push_back(
      {0,
       {{.size = 9, .overflow = 0xfffffff0}, {.size = 9, .overflow = 0x10}}});
  receiver.Receive();
  EXPECT_EQ(receiver.stats().overflows, 0x100000010u);
}

TEST(TrainReceiver, TakesOffPendingIcmpErrorsAndGoesOn) {
  ScriptedKernel kernel;
  kernel.calls.push_back({ECONNREFUSED, {}});
  kernel.calls.push_back({EHOSTUNREACH, {}});
  kernel.calls.push_back({EINTR, {}});
  kernel.calls.push_back({0, {{.size = 9}}});
  TrainReceiver receiver(&kernel, 3);
  EXPECT_EQ(receiver.Receive().size(), 1u);
  EXPECT_EQ(receiver.stats().icmp_errors, 2u);
}

TEST(TrainReceiver, AStormOfErrorsDoesNotKeepTheLoop) {
  ScriptedKernel kernel;
  for (int i = 0; i < 1000; ++i) kernel.calls.push_back({ECONNREFUSED, {}});
  TrainReceiver receiver(&kernel, 3);
  EXPECT_TRUE(receiver.Receive().empty());
  EXPECT_GT(kernel.calls.size(), 900u);

  kernel.calls.assign(5, {ENOMEM, {}});
  EXPECT_TRUE(receiver.Receive().empty());
  EXPECT_EQ(receiver.stats().errors, 1u);
}

}  // namespace
}  // namespace p2pcp::udp
