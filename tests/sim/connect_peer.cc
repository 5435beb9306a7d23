#include "tests/sim/connect_peer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>
#include <variant>

#include "net/base/check.h"
#include "net/connect/hard_nat.h"
#include "net/ice/guess_stage.h"

namespace p2pcp::sim {
namespace {

// The sockets of a peer are told apart by family.
std::uint8_t SocketOf(const SocketAddress& address) {
  return address.ip.is_v6() ? 1 : 0;
}

}  // namespace

ConnectPeer::ConnectPeer(Simulator& simulator, Host& host, Options options)
    : simulator_(simulator),
      host_(host),
      options_(std::move(options)),
      random_(options_.random_seed),
      timer_(simulator.AddTimer([this] { HandleTimeout(); })) {
  const TimePoint now = simulator_.now();
  connector_ = std::make_unique<connect::Connector>(
      now, Wall(),
      connect::Connector::Config{.role = options_.role,
                                 .self = options_.self,
                                 .peer = options_.peer,
                                 .psk = options_.psk,
                                 .guess_ports = options_.guess_ports},
      random_);
  host_.Bind(options_.port,
             [this](const SocketAddress& from, const SocketAddress&,
                    MutableByteSpan bytes) {
               HandleDatagram(SocketOf(from), from, bytes);
             });
  next_port_ = static_cast<std::uint16_t>(options_.port + 1);
  for (Broker* broker : options_.brokers) {
    clients_.push_back(broker->Connect(
        {.on_subscribed =
             [this] {
               if (asleep_) return;
               connector_->HandleSubscribed(simulator_.now(), Wall());
               Turn();
             },
         .on_message =
             [this](std::string_view topic, ByteSpan payload) {
               if (asleep_) return;
               connector_->HandleMessage(simulator_.now(), Wall(), topic,
                                         payload);
               Turn();
             }}));
  }
  connector_->SetHostCandidates(now, HostCandidates());
  for (const SocketAddress& server : options_.stun_servers) {
    connector_->AddStunServer(now, server, SocketOf(server));
  }
  Turn();
}

std::vector<ice::Candidate> ConnectPeer::HostCandidates() const {
  std::vector<ice::Candidate> candidates;
  for (const IpAddress& ip : host_.addresses()) {
    const SocketAddress address{.ip = ip, .port = options_.port};
    candidates.push_back(
        {.type = ice::CandidateType::kHost,
         .address = address,
         .base = address,
         .priority = ice::ComputePriority(ice::CandidateType::kHost, 65535),
         .socket = SocketOf(address)});
  }
  return candidates;
}

void ConnectPeer::Rescan() {
  connector_->SetHostCandidates(simulator_.now(), HostCandidates());
  Turn();
}

void ConnectPeer::Sleep(Duration duration) {
  asleep_ = true;
  simulator_.SetTimer(timer_, simulator_.now() + duration);
}

ConnectPeer::~ConnectPeer() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    options_.brokers[i]->Disconnect(clients_[i]);
  }
  CloseExtra();
  for (const auto& [number, port] : adopted_) host_.Close(port);
  host_.Close(options_.port);
  simulator_.RemoveTimer(timer_);
}

void ConnectPeer::Say(std::string_view text) {
  P2PCP_CHECK(connected());
  if (asleep_ || !connector_->connected()) return;
  channel::Channel& channel = *connector_->channel();
  std::array<std::byte, channel::Channel::kMaxDatagramSize> out;
  const channel::Path path = channel.path();
  const std::size_t size =
      channel.SealPayload(simulator_.now(), AsBytes(text), {}, out);
  Send(PortOf(path.socket), path.remote, ByteSpan(out).first(size), 0);
  Turn();
}

UnixTime ConnectPeer::Wall() const {
  return options_.wall +
         std::chrono::floor<std::chrono::seconds>(simulator_.elapsed());
}

std::uint16_t ConnectPeer::PortOf(std::uint8_t socket) const {
  const auto adopted = adopted_.find(socket);
  return adopted != adopted_.end() ? adopted->second : options_.port;
}

void ConnectPeer::CloseExtra() {
  for (const std::uint16_t port : extra_ports_) {
    if (port != 0) host_.Close(port);
  }
  extra_ports_.clear();
}

void ConnectPeer::ManageSockets() {
  const connect::ExtraSockets wanted = connector_->wanted_sockets();
  if (wanted.generation == generation_) return;
  CloseExtra();
  generation_ = wanted.generation;
  if (wanted.count == 0 && !wanted.guessing) return;
  for (int i = 0; i < std::min(wanted.count, options_.max_extra_sockets); ++i) {
    extra_ports_.push_back(next_port_++);
    host_.Bind(extra_ports_.back(),
               [this, i](const SocketAddress& from, const SocketAddress&,
                         MutableByteSpan bytes) {
                 HandleExtraDatagram(i, from, bytes);
               });
  }
  most_extra_sockets_ = std::max(most_extra_sockets_, extra_ports_.size());
  connector_->HandleSocketsOpened(simulator_.now(), extra_ports_);
}

void ConnectPeer::HandleExtraDatagram(int extra, const SocketAddress& from,
                                      MutableByteSpan datagram) {
  const auto number = static_cast<std::uint8_t>(2 + adopted_.size());
  if (connector_->HandleExtraDatagram(simulator_.now(), extra, number, from,
                                      datagram)) {
    std::uint16_t& port = extra_ports_[static_cast<std::size_t>(extra)];
    host_.Close(port);
    host_.Bind(port,
               [this, number](const SocketAddress& source, const SocketAddress&,
                              MutableByteSpan bytes) {
                 HandleDatagram(number, source, bytes);
               });
    adopted_[number] = std::exchange(port, 0);
    CloseExtra();
  }
  Turn();
}

void ConnectPeer::HandleDatagram(std::uint8_t socket, const SocketAddress& from,
                                 MutableByteSpan datagram) {
  if (asleep_) return;
  const TimePoint now = simulator_.now();
  if (!connector_->HandleStun(now, socket, from, datagram) &&
      connector_->channel() != nullptr) {
    const auto payload =
        connector_->channel()->HandleDatagram(now, socket, from, datagram);
    if (payload) {
      heard_.emplace_back(AsText(payload->bytes));
      heard_at_.push_back(now);
    }
  }
  Turn();
}

void ConnectPeer::HandleTimeout() {
  asleep_ = false;
  const TimePoint now = simulator_.now();
  connector_->HandleTimeout(now, Wall());
  if (connected()) connector_->channel()->HandleTimeout(now);
  Turn();
}

void ConnectPeer::Turn() {
  const TimePoint now = simulator_.now();
  HandleEvents();
  if (std::vector<std::string> topics = connector_->Topics();
      topics != topics_) {
    topics_ = std::move(topics);
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      options_.brokers[i]->Subscribe(clients_[i], topics_);
    }
  }
  ManageSockets();
  std::array<std::byte, channel::Channel::kMaxDatagramSize> out;
  while (const auto transmit = connector_->PollTransmit(now, out)) {
    Send(PortOf(transmit->socket), transmit->to,
         ByteSpan(out).first(transmit->size), 0);
  }
  while (const auto transmit = connector_->PollExtraTransmit(now, out)) {
    const bool main = transmit->extra == ice::GuessStage::kMainSocket;
    if (connector_->wanted_sockets().guessing) ++guesses_;
    Send(main ? PortOf(transmit->data_socket.value_or(0))
              : extra_ports_[static_cast<std::size_t>(transmit->extra)],
         transmit->to, ByteSpan(out).first(transmit->size),
         transmit->hop_limit);
  }
  channel::Channel* const channel = connector_->channel();
  if (channel != nullptr) {
    while (const auto transmit = channel->PollTransmit(now, out)) {
      Send(PortOf(transmit->socket), transmit->to,
           ByteSpan(out).first(transmit->size), transmit->hop_limit);
    }
  }
  // Openers leave before the answer that tells of them.
  while (auto publish = connector_->PollPublish()) {
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      options_.brokers[i]->Publish(clients_[i], publish->topic,
                                   publish->payload);
    }
  }
  HandleEvents();
  std::optional<TimePoint> deadline = connector_->PollTimeout();
  if (connected() && channel != nullptr) {
    const std::optional<TimePoint> other = channel->PollTimeout();
    if (other) deadline = std::min(deadline.value_or(*other), *other);
  }
  simulator_.SetTimer(timer_, deadline);
}

void ConnectPeer::HandleEvents() {
  const TimePoint now = simulator_.now();
  while (auto event = connector_->PollEvent(now)) {
    if (std::holds_alternative<connect::PeerSeen>(*event)) {
      peer_seen_ = true;
    } else if (std::holds_alternative<connect::HandshakeDone>(*event)) {
      ++handshakes_;
    } else if (const auto* change =
                   std::get_if<connect::ChannelEvent>(&*event)) {
      if (change->event.type == channel::EventType::kConnected) {
        connected_at_ = now;
      }
    } else if (auto* failed = std::get_if<connect::Failed>(&*event)) {
      error_ = std::move(failed->error);
    }
  }
}

void ConnectPeer::Send(std::uint16_t from, const SocketAddress& to,
                       ByteSpan datagram, int hop_limit) {
  destinations_.insert(to);
  ++datagrams_sent_;
  host_.Send(from, to, datagram, hop_limit == 0 ? kDefaultHopLimit : hop_limit);
}

}  // namespace p2pcp::sim
