#include "cmd/network/outlet.h"

#include <cerrno>
#include <utility>

#include "net/base/time.h"

namespace p2pcp::cmd {
namespace {

// A full device queue drains in about this time at 100 Mbit/s.
constexpr Duration kDeviceRetry = 1ms;

}  // namespace

Outlet::Outlet(udp::EventLoop* loop, std::vector<udp::UdpSocket>* sockets,
               Handler handler)
    : loop_(loop), sockets_(sockets), handler_(std::move(handler)) {}

void Outlet::SendOne(std::uint8_t socket, const SocketAddress& to,
                     ByteSpan datagram, int hop_limit) {
  if (socket == RelayLink::kSocket) {
    if (relay_ != nullptr) relay_->Send(to, datagram, datagram.size());
    return;
  }
  const udp::SendResult sent =
      (*sockets_)[socket].Send(to, datagram, datagram.size(), hop_limit);
  if (sent.status == udp::SendStatus::kTooBig) {
    handler_.on_too_big(datagram.size());
  }
}

bool Outlet::SendTrain(const Pump::Train& train) {
  if (train.socket == RelayLink::kSocket) {
    if (relay_ != nullptr) {
      relay_->Send(train.to, train.bytes, train.segment_size);
    }
    return true;
  }
  const udp::SendResult sent =
      (*sockets_)[train.socket].Send(train.to, train.bytes, train.segment_size,
                                     train.hop_limit, train.one_by_one);
  if (sent.status == udp::SendStatus::kTooBig) {
    handler_.on_too_big(train.segment_size);
  }
  if (sent.status != udp::SendStatus::kWouldBlock) return true;
  blocked_ = train;
  blocked_->bytes = train.bytes.subspan(sent.segments * train.segment_size);
  if (sent.os_errno == ENOBUFS) {
    // The device's queue is full, which EPOLLOUT does not show.
    loop_->SetTimer(loop_->Now() + kDeviceRetry, [this] { HandleWritable(); });
  } else {
    handler_.on_watch(train.socket);
  }
  return false;
}

void Outlet::HandleWritable() {
  if (!blocked_) return;
  const Pump::Train train = *std::exchange(blocked_, std::nullopt);
  if (SendTrain(train)) handler_.on_watch(train.socket);
}

}  // namespace p2pcp::cmd
