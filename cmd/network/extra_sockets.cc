#include "cmd/network/extra_sockets.h"

#include <sys/epoll.h>

#include <array>

#include "net/channel/channel.h"
#include "net/ice/guess_stage.h"

namespace p2pcp::cmd {
namespace {

// Whoever has the lock needs it for a few seconds.
constexpr Duration kLockRetry = 100ms;

}  // namespace

void ExtraSockets::Turn(TimePoint now) {
  const connect::ExtraSockets& wanted = connector_->wanted_sockets();
  if (wanted.generation != generation_) {
    Close();
    generation_ = wanted.generation;
    if (wanted.count > 0 || wanted.guessing) Open(now);
  } else if (retry_at_ && now >= *retry_at_) {
    Open(now);
  }
  std::array<std::byte, channel::Channel::kMaxDatagramSize> buffer;
  while (const auto transmit = connector_->PollExtraTransmit(now, buffer)) {
    const ByteSpan datagram = ByteSpan(buffer).first(transmit->size);
    if (transmit->extra != ice::GuessStage::kMainSocket) {
      pool_.Send(transmit->extra, transmit->to, datagram, transmit->hop_limit);
      continue;
    }
    const auto main = transmit->data_socket
                          ? transmit->data_socket
                          : network_->SocketFor(transmit->to.ip);
    if (!main || *main >= network_->sockets().size()) continue;
    network_->sockets()[*main].Send(transmit->to, datagram, datagram.size(),
                                    transmit->hop_limit);
  }
}

std::string ExtraSockets::Report() const {
  return std::to_string(connector_->channel()->stats().probes_sent) +
         " probes so far, " + std::to_string(connector_->guesses()) +
         " of them to or from guessed ports";
}

void ExtraSockets::Open(TimePoint now) {
  const connect::ExtraSockets wanted = connector_->wanted_sockets();
  retry_at_.reset();
  if (wanted.guessing && !lock_) {
    lock_ = GuessLock::Try();
    if (!lock_) {
      retry_at_ = now + kLockRetry;
      return;
    }
  }
  pool_ = udp::SocketPool::Open(wanted.count);
  for (int i = 0; i < pool_.size(); ++i) {
    loop_->Watch(pool_.fd(i), EPOLLIN,
                 [this, i](std::uint32_t) { Receive(i); });
  }
  connector_->HandleSocketsOpened(now, pool_.local_ports());
}

void ExtraSockets::Close() {
  for (int i = 0; i < pool_.size(); ++i) {
    if (pool_.fd(i) >= 0) loop_->Unwatch(pool_.fd(i));
  }
  pool_ = udp::SocketPool();
  lock_.reset();
  retry_at_.reset();
}

void ExtraSockets::Receive(int index) {
  std::array<std::byte, 2048> buffer;
  const auto number = static_cast<std::uint8_t>(network_->sockets().size());
  while (pool_.fd(index) >= 0) {
    const auto received = pool_.Receive(index, buffer);
    if (!received) return;
    if (!connector_->HandleExtraDatagram(
            loop_->Now(), index, number, received->from,
            MutableByteSpan(buffer).first(received->size))) {
      continue;
    }
    loop_->Unwatch(pool_.fd(index));
    if (network_->Adopt(pool_.Release(index))) on_adopted_(number);
    // The others have served. What is wanted next Turn() opens.
    Close();
    return;
  }
}

}  // namespace p2pcp::cmd
