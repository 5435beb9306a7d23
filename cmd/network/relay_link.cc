#include "cmd/network/relay_link.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "cmd/network/receive_coalescing.h"
#include "cmd/text.h"
#include "net/udp/sockaddr.h"

namespace p2pcp::cmd {
namespace {

constexpr Duration kResolveTime = 10s;
// A datagram, and what is read of a stream at once.
constexpr std::size_t kBufferSize = 64 * 1024;
// No message of TURN is longer: 65,535 bytes and a header.
constexpr std::size_t kMaxMessage = 65'535 + 64;
constexpr int kReadsPerTurn = 64;
static_assert(kReadsPerTurn > ReceiveCoalescing::kMaxGathered);

}  // namespace

RelayLink::RelayLink(udp::EventLoop* loop, udp::Resolver* resolver,
                     Random* random, TurnServer server, Handler handler)
    : loop_(loop),
      resolver_(resolver),
      random_(random),
      server_(std::move(server)),
      handler_(std::move(handler)),
      buffer_(kBufferSize) {
  resolving_ = resolver_->Resolve(
      server_.host, server_.port, loop_->Now() + kResolveTime,
      [this](Result<std::vector<SocketAddress>> addresses) {
        resolving_.reset();
        HandleResolved(std::move(addresses));
      });
}

RelayLink::~RelayLink() {
  if (resolving_) resolver_->Cancel(*resolving_);
  if (timer_) loop_->CancelTimer(*timer_);
  if (!fd_.valid()) return;
  if (client_) {
    client_->Release(loop_->Now());
    while (const auto size = client_->PollTransmit(loop_->Now(), buffer_)) {
      Transmit(ByteSpan(buffer_).first(*size));
    }
  }
  loop_->Unwatch(fd_.get());
}

void RelayLink::HandleResolved(Result<std::vector<SocketAddress>> addresses) {
  if (!addresses.ok()) {
    handler_.on_step(fmt::format("relay {}: {}", Escape(server_.host),
                                 Escape(addresses.error().message)));
    return;
  }
  // Relays give an address of the family that they are asked over; IPv4 is
  // what most peers can reach.
  address_ = addresses->front();
  for (const SocketAddress& address : *addresses) {
    if (address.ip.is_v4()) {
      address_ = address;
      break;
    }
  }
  Dial(server_.tls ? Transport::kTls : Transport::kUdp);
}

void RelayLink::Dial(Transport transport) {
  transport_ = transport;
  const bool udp = transport == Transport::kUdp;
  incoming_.clear();
  waiting_.clear();
  stream_up_ = false;
  tls_.reset();
  client_.reset();
  dialled_ = loop_->Now();
  fd_ = udp::FileDescriptor(socket(
      address_.ip.is_v6() ? AF_INET6 : AF_INET,
      (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  udp::Sockaddr sockaddr;
  const socklen_t size = udp::ToSockaddr(address_, &sockaddr);
  if (!fd_.valid() ||
      (connect(fd_.get(), &sockaddr.any, size) != 0 && errno != EINPROGRESS)) {
    fd_ = udp::FileDescriptor();
    handler_.on_step(
        fmt::format("relay {}: cannot be dialled", address_.ToString()));
    return;
  }
  if (udp) {
    client_.emplace(dialled_,
                    turn::TurnClient::Config{.user = server_.user,
                                             .password = server_.password},
                    *random_);
  } else {
    const int on = 1;
    setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  Watch();
  Turn();
}

void RelayLink::Watch() {
  watches_out_ =
      transport_ != Transport::kUdp && (!stream_up_ || !waiting_.empty());
  loop_->Watch(fd_.get(), watches_out_ ? EPOLLIN | EPOLLOUT : EPOLLIN,
               [this](std::uint32_t events) { HandleReady(events); });
}

void RelayLink::HandleReady(std::uint32_t events) {
  if (transport_ == Transport::kUdp) {
    for (int i = 0; i < kReadsPerTurn; ++i) {
      const ssize_t size =
          recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (size < 0 && errno == ECONNREFUSED) continue;
      if (size < 0) break;
      HandleMessage(
          MutableByteSpan(buffer_).first(static_cast<std::size_t>(size)));
    }
    return Turn();
  }
  if (!stream_up_) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return Hangup("no connection");
    if ((events & EPOLLOUT) == 0) return;
    stream_up_ = true;
    if (transport_ == Transport::kTls) {
      Result<std::unique_ptr<crypto::TlsClient>> tls =
          crypto::TlsClient::Create(server_.host, /*ca_file=*/"");
      if (!tls.ok()) return Hangup(tls.error().message);
      tls_ = *std::move(tls);
    } else {
      client_.emplace(loop_->Now(),
                      turn::TurnClient::Config{.user = server_.user,
                                               .password = server_.password,
                                               .stream = true},
                      *random_);
    }
  }
  HandleStream();
}

void RelayLink::HandleStream() {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t size =
        recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size == 0) return Hangup("it has closed the connection");
    if (size < 0) {
      if (errno == EAGAIN || errno == EINTR) break;
      return Hangup("the connection is lost");
    }
    const ByteSpan bytes =
        ByteSpan(buffer_).first(static_cast<std::size_t>(size));
    if (tls_) {
      if (const Status status = tls_->HandleBytes(bytes); !status.ok()) {
        return Hangup(status.error().message);
      }
      const Bytes plain = tls_->TakeReceived();
      incoming_.insert(incoming_.end(), plain.begin(), plain.end());
    } else {
      incoming_.insert(incoming_.end(), bytes.begin(), bytes.end());
    }
  }
  if (tls_ && tls_->ready() && !client_) {
    client_.emplace(
        loop_->Now(),
        turn::TurnClient::Config{
            .user = server_.user, .password = server_.password, .stream = true},
        *random_);
  }
  std::size_t at = 0;
  for (;;) {
    const auto size = turn::StreamMessageSize(ByteSpan(incoming_).subspan(at));
    if (!size) break;
    if (*size == 0 || *size > kMaxMessage) {
      return Hangup("it does not speak TURN");
    }
    if (incoming_.size() - at < *size) break;
    HandleMessage(MutableByteSpan(incoming_).subspan(at, *size));
    at += *size;
  }
  incoming_.erase(incoming_.begin(),
                  incoming_.begin() + static_cast<std::ptrdiff_t>(at));
  Turn();
}

void RelayLink::HandleMessage(MutableByteSpan message) {
  if (!client_) return;
  const auto received = client_->HandleMessage(loop_->Now(), message);
  if (!received) return;
  // The client gives a view of what we own, and the channel decrypts in place.
  const std::size_t at =
      static_cast<std::size_t>(received->bytes.data() - message.data());
  handler_.on_received(received->from,
                       message.subspan(at, received->bytes.size()));
}

void RelayLink::Transmit(ByteSpan message) {
  if (transport_ == Transport::kUdp) {
    send(fd_.get(), message.data(), message.size(),
         MSG_DONTWAIT | MSG_NOSIGNAL);
    return;
  }
  if (!stream_up_ || waiting_.size() + message.size() > kMaxWaiting) return;
  if (tls_) {
    if (!tls_->ready()) return;
    tls_->Write(message);
    const Bytes sealed = tls_->TakeOutgoing();
    waiting_.insert(waiting_.end(), sealed.begin(), sealed.end());
  } else {
    waiting_.insert(waiting_.end(), message.begin(), message.end());
  }
  FlushStream();
}

void RelayLink::FlushStream() {
  if (tls_) {
    const Bytes sealed = tls_->TakeOutgoing();
    waiting_.insert(waiting_.end(), sealed.begin(), sealed.end());
  }
  const ssize_t sent = send(fd_.get(), waiting_.data(), waiting_.size(),
                            MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent > 0) waiting_.erase(waiting_.begin(), waiting_.begin() + sent);
}

void RelayLink::Send(const SocketAddress& to, ByteSpan train,
                     std::size_t segment_size) {
  if (!client_ || !told_) return;
  // A relay stands on the Internet: private addresses are others' there.
  if (to.ip.IsPrivate() || to.ip.IsLinkLocal() || to.ip.IsLoopback()) return;
  for (std::size_t at = 0; at < train.size(); at += segment_size) {
    const ByteSpan datagram =
        train.subspan(at, std::min(segment_size, train.size() - at));
    const std::size_t size = client_->Wrap(loop_->Now(), to, datagram, buffer_);
    if (size > 0) Transmit(ByteSpan(buffer_).first(size));
  }
  if (!waiting_.empty() ||
      client_->PollTimeout().value_or(TimePoint::max()) <= loop_->Now()) {
    Turn();
  }
}

void RelayLink::Redial() {
  if (resolving_ || address_.port == 0) return;
  if (fd_.valid()) {
    loop_->Unwatch(fd_.get());
    fd_ = udp::FileDescriptor();
  }
  if (timer_) loop_->CancelTimer(*timer_);
  timer_.reset();
  if (told_) {
    told_.reset();
    handler_.on_address(std::nullopt);
  }
  Dial(server_.tls ? Transport::kTls : Transport::kUdp);
}

void RelayLink::Turn() {
  if (!fd_.valid()) return;
  const TimePoint now = loop_->Now();
  std::optional<TimePoint> next;
  if (client_) {
    client_->HandleTimeout(now);
    if (client_->failed()) return Hangup(client_->reason());
    while (const auto size = client_->PollTransmit(now, buffer_)) {
      Transmit(ByteSpan(buffer_).first(*size));
    }
    next = client_->PollTimeout();
    if (told_ != client_->relayed()) {
      told_ = client_->relayed();
      handler_.on_step(fmt::format(
          "relay {} by {}: {}", address_.ToString(),
          transport_ == Transport::kUdp   ? "UDP"
          : transport_ == Transport::kTcp ? "TCP"
                                          : "TLS",
          told_ ? "gives us " + told_->ToString() : "gives us nothing"));
      handler_.on_address(told_);
    }
    // Where UDP does not get out, or nothing of it back.
    if (transport_ == Transport::kUdp && !told_) {
      if (now >= dialled_ + kUdpTime) return Hangup("no answer by UDP");
      next = std::min(next.value_or(dialled_ + kUdpTime), dialled_ + kUdpTime);
    }
  }
  if (stream_up_) FlushStream();
  if (watches_out_ !=
      (transport_ != Transport::kUdp && (!stream_up_ || !waiting_.empty()))) {
    Watch();
  }
  if (next) SetTimer(*next, [this] { Turn(); });
}

void RelayLink::SetTimer(TimePoint when, std::function<void()> act) {
  if (timer_ && timer_->first == when) return;
  if (timer_) loop_->CancelTimer(*timer_);
  timer_ = loop_->SetTimer(when, [this, act = std::move(act)] {
    timer_.reset();
    act();
  });
}

void RelayLink::Hangup(const std::string& reason) {
  handler_.on_step(
      fmt::format("relay {}: {}", address_.ToString(), Escape(reason)));
  if (timer_) loop_->CancelTimer(*timer_);
  timer_.reset();
  loop_->Unwatch(fd_.get());
  fd_ = udp::FileDescriptor();
  if (told_) {
    told_.reset();
    handler_.on_address(std::nullopt);
  }
  const bool refused =
      client_ && client_->failed() && client_->reason() != "it does not answer";
  client_.reset();
  if (refused) return;
  if (transport_ == Transport::kUdp) return Dial(Transport::kTcp);
  SetTimer(loop_->Now() + kRetry,
           [this] { Dial(server_.tls ? Transport::kTls : Transport::kUdp); });
}

}  // namespace p2pcp::cmd
