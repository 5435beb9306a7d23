#include "net/udp/socket_pool.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>

#include <array>
#include <set>
#include <utility>

#include "net/base/bytes.h"
#include "net/udp/udp_socket.h"

namespace p2pcp::udp {
namespace {

SocketAddress Loopback(std::uint16_t port) {
  return {.ip = IpAddress::V4({127, 0, 0, 1}), .port = port};
}

void Wait(int fd) {
  pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
  ASSERT_EQ(poll(&waiting, 1, 5000), 1);
}

TEST(SocketPool, OpensManySocketsOnPortsOfTheirOwn) {
  const SocketPool pool = SocketPool::Open(256);
  ASSERT_EQ(pool.size(), 256);
  const auto ports = pool.local_ports();
  EXPECT_EQ(std::set(ports.begin(), ports.end()).size(), 256u);
}

TEST(SocketPool, LeavesTheRestOfTheProcessItsDescriptors) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = 160;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  const int granted = SocketPool::Open(256).size();
  tight.rlim_cur = 8;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  EXPECT_EQ(SocketPool::Open(256).size(), 0);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GT(granted, 20);
  EXPECT_LE(granted, 160 - SocketPool::kReserve);
}

TEST(SocketPool, SendsAndReceives) {
  SocketPool pool = SocketPool::Open(2);
  ASSERT_EQ(pool.size(), 2);
  pool.Send(0, Loopback(pool.local_port(1)), AsBytes("hello"), 7);
  Wait(pool.fd(1));
  std::array<std::byte, 100> buffer;
  const auto received = pool.Receive(1, buffer);
  ASSERT_TRUE(received.has_value());
  EXPECT_EQ(received->from, Loopback(pool.local_port(0)));
  EXPECT_EQ(AsText(ByteSpan(buffer).first(received->size)), "hello");
  EXPECT_FALSE(pool.Receive(1, buffer).has_value());
}

// A mapping in a NAT belongs to the port, so it has to stay.
TEST(SocketPool, AReleasedSocketBecomesADataSocketOnTheSamePort) {
  SocketPool pool = SocketPool::Open(2);
  const std::uint16_t port = pool.local_port(0);
  Result<UdpSocket> adopted =
      UdpSocket::Adopt(pool.Release(0), UdpSocket::Options());
  ASSERT_TRUE(adopted.ok());
  EXPECT_EQ(pool.fd(0), -1);
  EXPECT_EQ(adopted->local_address().port, port);
  const UdpSocket fresh =
      *UdpSocket::Open({.ip = IpAddress::V4({127, 0, 0, 1}), .port = 0});
  EXPECT_EQ(adopted->gso_enabled(), fresh.gso_enabled());
  EXPECT_EQ(adopted->gro_enabled(), fresh.gro_enabled());
  EXPECT_EQ(adopted->receive_buffer(), fresh.receive_buffer());
  pool.Send(1, Loopback(port), AsBytes("hello"), 0);
  Wait(adopted->fd());
  ASSERT_EQ(adopted->Receive().size(), 1u);
}

}  // namespace
}  // namespace p2pcp::udp
