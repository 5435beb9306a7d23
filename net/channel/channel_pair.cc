#include "net/channel/channel_pair.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::channel {

ChannelPair::ChannelPair(const Options& options) : random_(options.seed) {
  crypto::SessionKeys keys;
  random_.Fill(keys.send.bytes);
  random_.Fill(keys.receive.bytes);
  random_.Fill(keys.handshake_hash);
  Channel::Config config{.role = ice::Role::kControlling,
                         .keys = keys,
                         .suite = crypto::Suite::kChaCha20Poly1305};
  a_ = std::make_unique<End>(config, random_);
  config.role = ice::Role::kControlled;
  std::swap(config.keys.send, config.keys.receive);
  config.limits = options.limits_b;
  b_ = std::make_unique<End>(config, random_);
  AddInterface(*a_, "10.1.0.2:5000", "203.0.113.10", options.nat_a);
  if (options.second_at_a) {
    AddInterface(*a_, "10.3.0.2:5001", "203.0.113.99", options.nat_a);
  }
  AddInterface(*b_, "10.2.0.2:6000", "192.0.2.10", options.nat_b);
}

void ChannelPair::AddInterface(End& end, std::string_view local,
                               std::string_view outside,
                               std::optional<ice::NatKind> kind) {
  const SocketAddress address = *SocketAddress::Parse(local);
  const auto socket = static_cast<std::uint8_t>(end.sockets.size());
  end.sockets.push_back(address);
  end.nats.push_back(kind ? std::make_unique<ice::VirtualNat>(
                                *kind, *IpAddress::Parse(outside))
                          : nullptr);
  ice::VirtualNat* nat = end.nats.back().get();
  network_.AddHost(
      address.ip, nat,
      [this, &end, socket](TimePoint now, const ice::VirtualDatagram& d) {
        Receive(now, end, socket, d);
      });
  const auto add = [&](ice::CandidateType type, const SocketAddress& at) {
    end.candidates.push_back(
        {.type = type,
         .address = at,
         .base = address,
         .priority = ice::ComputePriority(
             type, static_cast<std::uint16_t>(100 - socket)),
         .socket = socket});
  };
  add(ice::CandidateType::kHost, address);
  if (nat) {
    add(ice::CandidateType::kServerReflexive,
        nat->Outbound(address, *SocketAddress::Parse("198.51.100.1:3478")));
  }
}

void ChannelPair::Start() {
  for (End* end : {a_.get(), b_.get()}) {
    end->channel.AddLocalCandidates(now_, end->candidates);
  }
  a_->channel.AddRemoteCandidates(now_, b_->candidates);
  b_->channel.AddRemoteCandidates(now_, a_->candidates);
}

bool ChannelPair::Connect() {
  Start();
  RunFor(2s);
  return a_->channel.connected() && b_->channel.connected();
}

void ChannelPair::RunUntil(TimePoint end) {
  for (int step = 0; step < 100'000; ++step) {
    for (End* e : {a_.get(), b_.get()}) {
      e->channel.HandleTimeout(now_);
      Flush(*e);
      const auto due = e->channel.PollTimeout();
      // Or the loop that drives it would spin.
      P2PCP_CHECK(!due || *due > now_);
    }
    if (now_ >= end) return;
    TimePoint next = end;
    for (const auto& time :
         {a_->channel.PollTimeout(), b_->channel.PollTimeout(),
          network_.NextArrival()}) {
      if (time) next = std::min(next, *time);
    }
    now_ = std::max(now_, next);
    network_.Deliver(now_);
  }
  P2PCP_CHECK(!"comes to rest");
}

void ChannelPair::Receive(TimePoint now, End& end, std::size_t socket,
                          const ice::VirtualDatagram& datagram) {
  Bytes bytes = datagram.bytes;
  const auto payload = end.channel.HandleDatagram(
      now, static_cast<std::uint8_t>(socket), datagram.from, bytes);
  if (payload) {
    std::string text(AsText(payload->bytes));
    end.payloads.push_back(text.substr(0, text.find('\0')));
  }
  Flush(end);
}

void ChannelPair::Flush(End& end) {
  Bytes out(Channel::kMaxDatagramSize);
  while (true) {
    const PacketNumber number = end.channel.next_packet_number();
    const auto transmit = end.channel.PollTransmit(now_, out);
    if (!transmit) break;
    end.sent_numbers.push_back(number);
    network_.Send(now_,
                  {.from = end.sockets[transmit->socket],
                   .to = transmit->to,
                   .bytes = ToBytes(ByteSpan(out).first(transmit->size))});
  }
  while (const auto event = end.channel.PollEvent()) {
    end.events.emplace_back(now_, *event);
  }
}

ice::VirtualDatagram ChannelPair::MakeDatagram(End& end,
                                               std::string_view text) {
  Bytes out(text.size() + Channel::kOverhead);
  const Path path = end.channel.path();
  end.sent_numbers.push_back(end.channel.next_packet_number());
  P2PCP_CHECK(end.channel.SealPayload(now_, AsBytes(text), {}, out) ==
              out.size());
  return {.from = end.sockets[path.socket],
          .to = path.remote,
          .bytes = std::move(out)};
}

bool ChannelPair::SendText(End& end, std::string_view text,
                           std::size_t pad_to) {
  if (!end.channel.connected()) return false;
  std::string padded(text);
  padded.resize(std::max(padded.size(), pad_to));
  network_.Send(now_, MakeDatagram(end, padded));
  return true;
}

}  // namespace p2pcp::channel
