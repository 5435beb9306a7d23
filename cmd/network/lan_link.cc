#include "cmd/network/lan_link.h"

#include <sys/epoll.h>

#include <cstdint>
#include <utility>

#include "net/signaling/lan_datagram.h"
#include "net/udp/interfaces.h"

namespace p2pcp::cmd {

std::unique_ptr<LanLink> LanLink::Open(const Options& options,
                                       udp::EventLoop* loop,
                                       connect::Connector* connector) {
  Result<udp::LanSocket> socket =
      udp::LanSocket::Open(!options.ipv6_only, !options.ipv4_only);
  if (!socket.ok()) return nullptr;
  std::unique_ptr<LanLink> link(
      new LanLink(*std::move(socket), loop, connector));
  link->Join();
  return link;
}

LanLink::LanLink(udp::LanSocket socket, udp::EventLoop* loop,
                 connect::Connector* connector)
    : socket_(std::move(socket)), loop_(loop), connector_(connector) {
  for (const int fd : socket_.fds()) {
    loop_->Watch(fd, EPOLLIN,
                 [this, fd](std::uint32_t) { HandleReadable(fd); });
  }
}

LanLink::~LanLink() {
  for (const int fd : socket_.fds()) loop_->Unwatch(fd);
}

void LanLink::Join() {
  const udp::InterfaceOptions all{.loopback = false, .link_local = true};
  if (socket_.Join(udp::ListInterfaces(all))) {
    connector_->HandleSubscribed(loop_->Now(), udp::WallTime());
  }
}

void LanLink::Publish(std::string_view topic, ByteSpan payload) {
  socket_.Send(signaling::EncodeLanDatagram(topic, payload));
}

void LanLink::HandleReadable(int fd) {
  // A network may be noisy: its turn must end.
  constexpr int kPerTurn = 32;
  for (int i = 0; i < kPerTurn; ++i) {
    const auto received = socket_.Receive(fd);
    if (!received) return;
    connector_->HandleLanDatagram(loop_->Now(), udp::WallTime(),
                                  received->interface, received->bytes);
  }
}

bool IsIsland() {
  // Any address of the Internet will do; nothing is sent.
  return !udp::RouteSource(*SocketAddress::Parse("198.51.100.1:1")) &&
         !udp::RouteSource(*SocketAddress::Parse("[2001:db8::1]:1"));
}

}  // namespace p2pcp::cmd
