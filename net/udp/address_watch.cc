#include "net/udp/address_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

namespace p2pcp::udp {

Result<std::unique_ptr<AddressWatch>> AddressWatch::Create(
    EventLoop* loop, std::function<void()> on_change) {
  FileDescriptor descriptor(socket(
      AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!descriptor.valid()) {
    return ErrnoError(ErrorCode::kOther, "opening a netlink socket", errno);
  }
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                      RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
  if (bind(descriptor.get(), reinterpret_cast<const sockaddr*>(&address),
           sizeof(address)) != 0) {
    return ErrnoError(ErrorCode::kOther, "binding a netlink socket", errno);
  }
  return std::unique_ptr<AddressWatch>(
      new AddressWatch(loop, std::move(descriptor), std::move(on_change)));
}

AddressWatch::AddressWatch(EventLoop* loop, FileDescriptor socket,
                           std::function<void()> on_change)
    : loop_(loop),
      socket_(std::move(socket)),
      on_change_(std::move(on_change)) {
  loop_->Watch(socket_.get(), EPOLLIN,
               [this](std::uint32_t) { HandleReadable(); });
}

AddressWatch::~AddressWatch() {
  if (timer_) loop_->CancelTimer(*timer_);
  loop_->Unwatch(socket_.get());
}

void AddressWatch::HandleReadable() {
  // What the messages say is read from the system itself; ENOBUFS, of which the
  // kernel speaks where it had to drop some, is one message more.
  std::array<std::byte, 8192> ignored;
  for (;;) {
    const ssize_t size =
        recv(socket_.get(), ignored.data(), ignored.size(), MSG_DONTWAIT);
    if (size < 0 && errno != ENOBUFS && errno != EINTR) break;
  }
  if (timer_) return;
  timer_ = loop_->SetTimer(loop_->Now() + kSettleTime, [this] {
    timer_.reset();
    on_change_();
  });
}

}  // namespace p2pcp::udp
