// The socket on the loopback of a real kernel.

#include "net/udp/udp_socket.h"

#include <gtest/gtest.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/result.h"
#include "net/base/socket_address.h"
#include "net/udp/admission.h"
#include "net/udp/syscalls.h"
#include "net/udp/train_receiver.h"
#include "net/udp/train_sender.h"

namespace p2pcp::udp {
namespace {

// Long enough for any machine; a datagram on loopback is there at once.
constexpr int kPatienceMilliseconds = 10'000;

UdpSocket MustOpen(const char* address,
                   const UdpSocket::Options& options = UdpSocket::Options()) {
  Result<UdpSocket> socket =
      UdpSocket::Open(*SocketAddress::Parse(address), options);
  EXPECT_TRUE(socket.ok()) << socket.error().message;
  return std::move(socket).value();
}

// Datagrams in the order of their arrival, until `count` are there.
std::vector<Bytes> ReceiveDatagrams(UdpSocket& socket, std::size_t count,
                                    std::size_t* trains = nullptr) {
  std::vector<Bytes> datagrams;
  while (datagrams.size() < count) {
    pollfd readable{socket.fd(), POLLIN, 0};
    if (poll(&readable, 1, kPatienceMilliseconds) != 1) break;
    for (const ReceivedTrain& train : socket.Receive()) {
      if (trains != nullptr) ++*trains;
      for (ByteSpan rest = train.bytes; !rest.empty();) {
        const std::size_t size = std::min(train.segment_size, rest.size());
        datagrams.push_back(ToBytes(rest.first(size)));
        rest = rest.subspan(size);
      }
    }
  }
  return datagrams;
}

Bytes RandomTrain(std::size_t size) {
  SeededRandom random(1);
  Bytes train(size);
  random.Fill(train);
  return train;
}

std::vector<Bytes> Split(ByteSpan train, std::size_t segment_size) {
  std::vector<Bytes> datagrams;
  while (!train.empty()) {
    const std::size_t size = std::min(segment_size, train.size());
    datagrams.push_back(ToBytes(train.first(size)));
    train = train.subspan(size);
  }
  return datagrams;
}

struct Mode {
  const char* address;
  bool gso;
  bool gro;
};

class UdpSocketModes : public testing::TestWithParam<Mode> {};

// 44 datagrams of 1472 bytes come out as they were sent, in every mix of old
// and new kernels.
TEST_P(UdpSocketModes, TrainsArriveWholeAndInOrder) {
  UdpSocket::Options send_options;
  send_options.gso = GetParam().gso;
  UdpSocket::Options receive_options;
  receive_options.gro = GetParam().gro;
  UdpSocket sender = MustOpen(GetParam().address, send_options);
  UdpSocket receiver = MustOpen(GetParam().address, receive_options);
  for (const std::size_t last : {1472u, 1u, 900u}) {
    const Bytes train = RandomTrain(43 * 1472 + last);
    const SendResult result =
        sender.Send(receiver.local_address(), train, 1472);
    EXPECT_EQ(result.status, SendStatus::kSent);
    EXPECT_EQ(result.segments, 44u);
    EXPECT_EQ(ReceiveDatagrams(receiver, 44), Split(train, 1472));
  }
  EXPECT_EQ(sender.gso_enabled(), GetParam().gso);
  EXPECT_EQ(receiver.gro_enabled(), GetParam().gro);
  EXPECT_EQ(sender.stats().sent.segmented_sends, GetParam().gso ? 3u : 0u);
  EXPECT_EQ(sender.stats().sent.datagrams, 132u);
  EXPECT_EQ(receiver.stats().received.datagrams, 132u);
}

INSTANTIATE_TEST_SUITE_P(
    Loopback, UdpSocketModes,
    testing::Values(Mode{"127.0.0.1:0", true, true},
                    Mode{"127.0.0.1:0", true, false},
                    Mode{"127.0.0.1:0", false, true},
                    Mode{"127.0.0.1:0", false, false},
                    Mode{"[::1]:0", true, true}, Mode{"[::1]:0", false, true},
                    Mode{"[::1]:0", true, false}),
    [](const testing::TestParamInfo<Mode>& info) {
      return std::string(info.param.address[0] == '[' ? "V6" : "V4") +
             (info.param.gso ? "Gso" : "") + (info.param.gro ? "Gro" : "");
    });

// Loopback hands a segmented send over as one super-packet: without GRO this
// would be 44 trains.
TEST(UdpSocket, AGsoTrainIsReceivedAsOneTrain) {
  UdpSocket sender = MustOpen("127.0.0.1:0");
  UdpSocket receiver = MustOpen("127.0.0.1:0");
  const Bytes train = RandomTrain(44 * 1472);
  sender.Send(receiver.local_address(), train, 1472);
  std::size_t trains = 0;
  EXPECT_EQ(ReceiveDatagrams(receiver, 44, &trains).size(), 44u);
  EXPECT_EQ(trains, 1u);
}

TEST(UdpSocket, ALongTrainIsSplitAndNothingOfItLost) {
  UdpSocket sender = MustOpen("127.0.0.1:0");
  UdpSocket receiver = MustOpen("127.0.0.1:0");
  const Bytes train = RandomTrain(300 * 1200 + 17);
  const SendResult result = sender.Send(receiver.local_address(), train, 1200);
  EXPECT_EQ(result.segments, 301u);
  EXPECT_EQ(ReceiveDatagrams(receiver, 301), Split(train, 1200));
}

// A kernel that refuses to segment, over the real one.
class WithoutSegmentation final : public Syscalls {
 public:
  ssize_t SendMsg(int fd, const msghdr& message, int flags) override {
    msghdr copy = message;
    for (cmsghdr* control = CMSG_FIRSTHDR(&copy); control != nullptr;
         control = CMSG_NXTHDR(&copy, control)) {
      if (control->cmsg_level == IPPROTO_UDP) return -EIO;
    }
    return Syscalls::SendMsg(fd, message, flags);
  }
};

TEST(UdpSocket, SurvivesAKernelThatRefusesToSegment) {
  WithoutSegmentation kernel;
  UdpSocket::Options options;
  options.syscalls = &kernel;
  UdpSocket sender = MustOpen("127.0.0.1:0", options);
  UdpSocket receiver = MustOpen("127.0.0.1:0");
  EXPECT_TRUE(sender.gso_enabled());
  const Bytes train = RandomTrain(44 * 1472);
  const SendResult result = sender.Send(receiver.local_address(), train, 1472);
  EXPECT_EQ(result.status, SendStatus::kSent);
  EXPECT_EQ(result.segments, 44u);
  EXPECT_FALSE(sender.gso_enabled());
  EXPECT_EQ(ReceiveDatagrams(receiver, 44), Split(train, 1472));
}

Bytes Datagram(std::initializer_list<int> begin, std::size_t size) {
  Bytes datagram(size, std::byte{7});
  std::transform(begin.begin(), begin.end(), datagram.begin(),
                 [](int value) { return static_cast<std::byte>(value); });
  return datagram;
}

TEST(UdpSocket, TakesWhatItsAdmissionNamesAndCountsTheRest) {
  UdpSocket sender = MustOpen("127.0.0.1:0");
  UdpSocket receiver = MustOpen("127.0.0.1:0");
  const auto send = [&](const Bytes& datagram) {
    EXPECT_EQ(
        sender.Send(receiver.local_address(), datagram, datagram.size()).status,
        SendStatus::kSent);
  };
  Admission admission;
  admission.first_byte_below = 4;
  admission.prefix = {std::byte{0xc0}, std::byte{1}, std::byte{2},
                      std::byte{3},    std::byte{4}, std::byte{5}};
  admission.mask.fill(std::byte{0xff});
  admission.mask[0] = std::byte{0xfe};
  ASSERT_TRUE(receiver.Admit(&admission));
  const std::vector<Bytes> taken = {
      Datagram({3}, 20),
      Datagram({0xc0, 1, 2, 3, 4, 5}, 28),
      Datagram({0xc1, 1, 2, 3, 4, 5}, 1500),
      // It could be a train.
      Datagram({0x77}, Admission::kMaxRefused + 1),
      Datagram({0xc0, 1, 2, 3, 4, 5}, 6),
  };
  const std::vector<Bytes> refused = {
      Datagram({4}, 20),
      Datagram({0xc2, 1, 2, 3, 4, 5}, 28),
      Datagram({0xc0, 1, 2, 3, 4, 6}, 28),
      Datagram({0xc0, 0, 2, 3, 4, 5}, 1500),
      Datagram({0xc0, 1, 2, 3, 4}, 5),
      Datagram({0x77}, Admission::kMaxRefused),
  };
  for (std::size_t i = 0; i < refused.size(); ++i) {
    send(refused[i]);
    if (i < taken.size()) send(taken[i]);
  }
  send(taken[0]);
  std::vector<Bytes> expected = taken;
  expected.push_back(taken[0]);
  EXPECT_EQ(ReceiveDatagrams(receiver, expected.size()), expected);
  EXPECT_EQ(receiver.stats().received.refused, refused.size());
  EXPECT_EQ(receiver.drops(), 0u);

  EXPECT_TRUE(receiver.Admit(nullptr));
  send(refused[0]);
  EXPECT_EQ(ReceiveDatagrams(receiver, 1), std::vector<Bytes>{refused[0]});
  EXPECT_EQ(receiver.stats().received.refused, refused.size());
}

// Kernel 4.19, unprivileged, with a small net.core.rmem_max: no UDP_GRO to
// rely on, no UDP_SEGMENT, no *BUFFORCE.
class OldKernel final : public Syscalls {
 public:
  int SetSockOpt(int fd, int level, int option, const void* value,
                 socklen_t size) override {
    if (level == IPPROTO_UDP) return -ENOPROTOOPT;
    if (level == SOL_SOCKET) {
      buffer_options.push_back(option);
      if (option == SO_RCVBUFFORCE || option == SO_SNDBUFFORCE) return -EPERM;
    }
    return Syscalls::SetSockOpt(fd, level, option, value, size);
  }
  std::string KernelRelease() override { return "4.19.0-20-amd64"; }

  std::vector<int> buffer_options;
};

TEST(UdpSocket, WorksOnAKernelWithoutOffloads) {
  OldKernel kernel;
  UdpSocket::Options options;
  options.syscalls = &kernel;
  UdpSocket sender = MustOpen("127.0.0.1:0", options);
  UdpSocket receiver = MustOpen("127.0.0.1:0", options);
  EXPECT_FALSE(sender.gso_enabled());
  EXPECT_FALSE(receiver.gro_enabled());
  EXPECT_GT(receiver.receive_buffer(), 0);
  EXPECT_LE(receiver.receive_buffer(), options.receive_buffer);
  const auto force = std::find(kernel.buffer_options.begin(),
                               kernel.buffer_options.end(), SO_RCVBUFFORCE);
  ASSERT_NE(force, kernel.buffer_options.end());
  EXPECT_EQ(*(force + 1), SO_RCVBUF);
  const Bytes train = RandomTrain(44 * 1472);
  EXPECT_EQ(sender.Send(receiver.local_address(), train, 1472).segments, 44u);
  EXPECT_EQ(ReceiveDatagrams(receiver, 44), Split(train, 1472));
}

// A closed port answers by ICMP; neither side of the socket may stumble.
TEST(UdpSocket, IgnoresThatAPortIsClosed) {
  const SocketAddress closed = MustOpen("127.0.0.1:0").local_address();
  UdpSocket sender = MustOpen("127.0.0.1:0");
  UdpSocket receiver = MustOpen("127.0.0.1:0");
  const Bytes datagram = RandomTrain(100);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(sender.Send(closed, datagram, 100).status, SendStatus::kSent);
    EXPECT_TRUE(sender.Receive().empty());
    EXPECT_EQ(sender.Send(receiver.local_address(), datagram, 100).status,
              SendStatus::kSent);
  }
  EXPECT_EQ(ReceiveDatagrams(receiver, 20).size(), 20u);
}

TEST(UdpSocket, CountsWhatItsOwnBufferLost) {
  UdpSocket::Options options;
  options.receive_buffer = 64 * 1024;
  options.gro = false;
  UdpSocket receiver = MustOpen("127.0.0.1:0", options);
  UdpSocket sender = MustOpen("127.0.0.1:0");
  const Bytes train = RandomTrain(44 * 1472);
  // The counter rides on the next datagram that gets in.
  std::uint64_t sent = 0;
  for (int i = 0; i < 1000 && receiver.drops() == 0; ++i) {
    for (int j = 0; j < 10; ++j) {
      sent += sender.Send(receiver.local_address(), train, 1472).segments;
    }
    while (!receiver.Receive().empty()) {
    }
  }
  EXPECT_GT(receiver.drops(), 0u);
  EXPECT_LE(receiver.stats().received.datagrams + receiver.drops(), sent);
}

TEST(UdpSocket, HopLimitReachesTheWire) {
  for (const bool v6 : {false, true}) {
    UdpSocket sender = MustOpen(v6 ? "[::1]:0" : "127.0.0.1:0");
    UdpSocket receiver = MustOpen(v6 ? "[::1]:0" : "127.0.0.1:0");
    const int on = 1;
    ASSERT_EQ(setsockopt(receiver.fd(), v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                         v6 ? IPV6_RECVHOPLIMIT : IP_RECVTTL, &on, sizeof(on)),
              0);
    const Bytes datagram = RandomTrain(40);
    for (const int hop_limit : {4, 0, 255}) {
      ASSERT_EQ(
          sender.Send(receiver.local_address(), datagram, 40, hop_limit).status,
          SendStatus::kSent);
      std::byte data[64];
      alignas(cmsghdr) std::byte control[256];
      iovec bytes{data, sizeof(data)};
      msghdr message{};
      message.msg_iov = &bytes;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      ASSERT_EQ(recvmsg(receiver.fd(), &message, 0), 40);
      int received = -1;
      for (cmsghdr* item = CMSG_FIRSTHDR(&message); item != nullptr;
           item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level == (v6 ? IPPROTO_IPV6 : IPPROTO_IP)) {
          std::memcpy(&received, CMSG_DATA(item), sizeof(received));
        }
      }
      if (hop_limit != 0) {
        EXPECT_EQ(received, hop_limit);
      } else {
        EXPECT_GE(received, 32);
        EXPECT_NE(received, 255);
      }
    }
  }
}

int IntOption(const UdpSocket& socket, int level, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(socket.fd(), level, option, &value, &size), 0);
  return value;
}

TEST(UdpSocket, SetsDontFragmentAndKeepsTheFamiliesApart) {
  const UdpSocket v4 = MustOpen("0.0.0.0:0");
  EXPECT_EQ(IntOption(v4, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
  // Both families on one port: only possible where IPv6 takes IPv6 alone.
  const SocketAddress same{*IpAddress::Parse("::"), v4.local_address().port};
  Result<UdpSocket> v6 = UdpSocket::Open(same);
  ASSERT_TRUE(v6.ok()) << v6.error().message;
  EXPECT_EQ(IntOption(*v6, IPPROTO_IPV6, IPV6_MTU_DISCOVER),
            IPV6_PMTUDISC_PROBE);
  EXPECT_EQ(IntOption(*v6, IPPROTO_IPV6, IPV6_V6ONLY), 1);
  EXPECT_NE(v4.local_address().port, 0);
  EXPECT_GT(v4.receive_buffer(), 0);
  EXPECT_GT(v4.send_buffer(), 0);
}

TEST(UdpSocket, ReportsAPortThatIsTaken) {
  const UdpSocket first = MustOpen("127.0.0.1:0");
  const Result<UdpSocket> second = UdpSocket::Open(first.local_address());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().os_errno, EADDRINUSE);
}

TEST(UdpSocket, AnAddressOfTheOtherFamilyIsAnErrorAndNoMore) {
  UdpSocket v4 = MustOpen("127.0.0.1:0");
  const Bytes datagram = RandomTrain(10);
  EXPECT_EQ(v4.Send(*SocketAddress::Parse("[::1]:9"), datagram, 10).status,
            SendStatus::kError);
  UdpSocket v6 = MustOpen("[::1]:0");
  EXPECT_EQ(v6.Send(*SocketAddress::Parse("127.0.0.1:9"), datagram, 10).status,
            SendStatus::kError);
}

TEST(UdpSocket, TellsWhatIsTooBigForTheDevice) {
  UdpSocket sender = MustOpen("127.0.0.1:0");
  UdpSocket receiver = MustOpen("127.0.0.1:0");
  const Bytes datagram = RandomTrain(65508);
  EXPECT_EQ(
      sender.Send(receiver.local_address(), datagram, datagram.size()).status,
      SendStatus::kTooBig);
  EXPECT_TRUE(sender.gso_enabled());
}

TEST(UdpSocket, MovesWithoutLosingWhatWaits) {
  UdpSocket sender = MustOpen("127.0.0.1:0");
  UdpSocket first = MustOpen("127.0.0.1:0");
  const Bytes datagram = RandomTrain(100);
  sender.Send(first.local_address(), datagram, 100);
  UdpSocket second = std::move(first);
  EXPECT_EQ(ReceiveDatagrams(second, 1), Split(datagram, 100));
}

// msquic#546, wireguard-go c92064f: super-packets lose their segment size.
TEST(KernelHasUsableGro, FromFiveTwelveOn) {
  EXPECT_FALSE(KernelHasUsableGro("4.19.0-20-amd64"));
  EXPECT_FALSE(KernelHasUsableGro("5.4.0"));
  EXPECT_FALSE(KernelHasUsableGro("5.11.22-generic"));
  EXPECT_TRUE(KernelHasUsableGro("5.12.0"));
  EXPECT_TRUE(KernelHasUsableGro("5.15.0-91-generic"));
  EXPECT_TRUE(KernelHasUsableGro("6.1.0-18-amd64"));
  EXPECT_TRUE(KernelHasUsableGro("10.0"));
  EXPECT_FALSE(KernelHasUsableGro(""));
  EXPECT_FALSE(KernelHasUsableGro("6"));
  EXPECT_FALSE(KernelHasUsableGro("x.y"));
}

}  // namespace
}  // namespace p2pcp::udp
