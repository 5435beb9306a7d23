// What comes to a link's sockets, and who it is for.

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>

#include "cmd/link.h"
#include "cmd/network/receive_coalescing.h"
#include "net/channel/channel.h"
#include "net/channel/packet_header.h"
#include "net/stun/message.h"
#include "net/udp/admission.h"

namespace p2pcp::cmd {
namespace {

// Datagrams read from a socket before anything is sent, where they do not come
// as trains, of which one reading has more: what an ACK is due for.
constexpr std::size_t kDatagramsPerTurn = 88;
static_assert(kDatagramsPerTurn > ReceiveCoalescing::kMaxGathered);
// Payloads kept for a session that is about to be made: what a peer that
// finished connecting first can have sent in that time.
constexpr std::size_t kMaxEarly = 64;

}  // namespace

void Link::WatchSocket(std::uint8_t index) {
  loop_->Watch(
      network_.sockets()[index].fd(),
      outlet_ && outlet_->waits_for(index) ? EPOLLIN | EPOLLOUT : EPOLLIN,
      [this, index](std::uint32_t events) {
        if ((events & EPOLLOUT) != 0) outlet_->HandleWritable();
        if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
          HandleReceived(index);
        }
      });
}

void Link::HandleReceived(std::uint8_t index) {
  const TimePoint now = loop_->Now();
  if (session_ != nullptr) {
    std::uint64_t drops = 0;
    for (const udp::UdpSocket& socket : network_.sockets()) {
      drops += socket.stats().received.overflows;
    }
    session_->SetSocketDrops(drops);
  }
  std::size_t datagrams = 0;
  bool more = true;
  while (more && datagrams < kDatagramsPerTurn) {
    const auto trains = network_.sockets()[index].Receive();
    more = trains.size() == udp::TrainReceiver::kBuffers;
    for (const udp::ReceivedTrain& train : trains) {
      datagrams += HandleTrain(now, index, train);
    }
  }
}

std::size_t Link::HandleTrain(TimePoint now, std::uint8_t index,
                              const udp::ReceivedTrain& train) {
  std::size_t datagrams = 0;
  std::size_t packets_begin = 0;
  const auto hand_on_until = [&](std::size_t end) {
    if (packets_begin == end) return;
    HandlePackets(now, index, train.from,
                  train.bytes.subspan(packets_begin, end - packets_begin),
                  train.segment_size);
  };
  for (std::size_t at = 0; at < train.bytes.size(); at += train.segment_size) {
    const MutableByteSpan datagram = train.bytes.subspan(
        at, std::min(train.segment_size, train.bytes.size() - at));
    ++datagrams;
    if (!stun::IsStunMessage(datagram)) continue;
    hand_on_until(at);
    packets_begin = at + datagram.size();
    connector_->HandleStun(now, index, train.from, datagram);
  }
  hand_on_until(train.bytes.size());
  return datagrams;
}

void Link::HandlePackets(TimePoint now, std::uint8_t socket,
                         const SocketAddress& from, MutableByteSpan train,
                         std::size_t segment_size) {
  if (pump_) {
    pump_->HandleTrain(now, socket, from, train, segment_size);
    return;
  }
  channel::Channel* const channel = connector_->channel();
  if (channel == nullptr) return;
  do {
    const MutableByteSpan datagram =
        train.first(std::min(segment_size, train.size()));
    train = train.subspan(datagram.size());
    const auto payload = channel->HandleDatagram(now, socket, from, datagram);
    if (payload && early_.size() < kMaxEarly) {
      early_.push_back({payload->number, ToBytes(payload->bytes)});
    }
  } while (!train.empty());
}

void Link::WatchFlood(TimePoint now) {
  const channel::Channel& channel = *connector_->channel();
  std::uint64_t garbage = channel.stats().received.foreign();
  for (const udp::UdpSocket& socket : network_.sockets()) {
    garbage += socket.stats().received.refused;
  }
  const bool before = flood_guard_.flooded();
  if (flood_guard_.Update(now, garbage) == before) return;
  udp::Admission admission;
  admission.first_byte_below = stun::kFirstByteBelow;
  admission.prefix = channel::PacketPrefix(channel.receive_id());
  admission.mask.fill(std::byte{0xff});
  admission.mask[0] = std::byte{0xfe};  // Payload or probe.
  bool refused = true;
  for (udp::UdpSocket& socket : network_.sockets()) {
    refused = socket.Admit(before ? nullptr : &admission) && refused;
  }
  if (before) {
    Step("the flood is over");
  } else {
    Step(fmt::format("flooded with datagrams that are not the peer's{}",
                     refused ? ": the kernel drops them from now on" : ""));
  }
}

}  // namespace p2pcp::cmd
