#include "cmd/brokers/broker_watchdog.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <utility>

#include "net/udp/sockaddr.h"

namespace p2pcp::cmd {

BrokerWatchdog::BrokerWatchdog(udp::EventLoop* loop,
                               const SocketAddress& broker, Pace pace,
                               std::function<void()> on_hang)
    : loop_(loop), broker_(broker), pace_(pace), on_hang_(std::move(on_hang)) {}

void BrokerWatchdog::Start() {
  Stop();
  Call();
}

void BrokerWatchdog::Stop() {
  HangUp();
  if (timer_) loop_->CancelTimer(*timer_);
  timer_.reset();
  misses_ = 0;
}

void BrokerWatchdog::Call() {
  timer_ = loop_->SetTimer(loop_->Now() + pace_.call, [this] { HandleDue(); });
  udp::Sockaddr address;
  const socklen_t size = udp::ToSockaddr(broker_, &address);
  call_ = udp::FileDescriptor(socket(
      address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Out of descriptors, which is not the broker's fault.
  if (!call_.valid()) return;
  // What comes of it is told by the events: EPOLLOUT, or an error.
  connect(call_.get(), &address.any, size);
  loop_->Watch(call_.get(), EPOLLOUT,
               [this](std::uint32_t events) { HandleReady(events); });
}

void BrokerWatchdog::HandleReady(std::uint32_t events) {
  if ((events & EPOLLIN) != 0) {
    // It has hung up, or even said something.
    misses_ = 0;
    HangUp();
  } else if ((events & EPOLLOUT) != 0 && (events & EPOLLERR) == 0) {
    shutdown(call_.get(), SHUT_WR);
    loop_->Watch(call_.get(), EPOLLIN,
                 [this](std::uint32_t later) { HandleReady(later); });
  } else {
    // Refused or reset: it hangs unless it answers until the call is due. Not
    // watched any more, since the error would be told again and again.
    loop_->Unwatch(call_.get());
  }
}

void BrokerWatchdog::HandleDue() {
  if (call_.valid()) ++misses_;
  HangUp();
  if (misses_ < pace_.misses) return Call();
  Stop();
  on_hang_();
}

void BrokerWatchdog::HangUp() {
  if (!call_.valid()) return;
  loop_->Unwatch(call_.get());
  call_ = udp::FileDescriptor();
}

}  // namespace p2pcp::cmd
