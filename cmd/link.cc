#include "cmd/link.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>

#include "cmd/network/advice.h"
#include "cmd/network/turn_server.h"
#include "cmd/text.h"
#include "net/channel/channel.h"
#include "net/udp/link_mtu.h"

namespace p2pcp::cmd {
namespace {

// No broker in this time: it is our network, or the brokers, not the peer.
constexpr Duration kBrokerTimeout = 15s;
// A wait of this length wants a word on what may be wrong.
constexpr Duration kAdviceAfter = 30s;
// Trains sent before the sockets are read again: 16 x 64 KiB are 1 ms at
// 8 Gbit/s.
constexpr int kTrainsPerTurn = 16;

}  // namespace

Link::Link(Config config, Console* console)
    : config_(std::move(config)),
      console_(console),
      stall_(config_.peer.name, console, config_.events),
      steps_(config_.peer.name, config_.again, console, config_.events) {}

Link::~Link() {
  if (!connector_ || !mqtt_) return;
  // A peer that is still probing finds out by itself that there is no path,
  // and why; our goodbye would only tell it that we are gone.
  if (error_ && error_->code == ErrorCode::kNoPath) return;
  connector_->Close(loop_->Now(), signaling::ByeReason::kGaveUp);
  PublishAll();
}

Result<std::unique_ptr<Link>> Link::Open(const Options& options,
                                         const Config& config,
                                         Console* console) {
  std::unique_ptr<Link> link(new Link(config, console));
  if (Status status = link->Start(options); !status.ok()) {
    return std::move(status).error();
  }
  return link;
}

Status Link::Start(const Options& options) {
  Result<std::unique_ptr<udp::EventLoop>> loop = udp::EventLoop::Create();
  if (!loop.ok()) return std::move(loop).error();
  loop_ = *std::move(loop);
  started_ = loop_->Now();
  timeout_ = options.timeout;
  expected_ = options.worker && options.worker->ready;
  loop_->Watch(signals_.fd(), EPOLLIN, [this](std::uint32_t) {
    if (const auto code = signals_.Take()) {
      if (!signal_) signal_ = code;
      ++signals_seen_;
    }
    state_wanted_ = signals_.StateWanted() || state_wanted_;
    resized_ = signals_.Resized() || resized_;
  });

  Result<Servers> servers = ChooseServers(options);
  if (!servers.ok()) return std::move(servers).error();
  brokers_ = BrokerReport(servers->brokers);
  for (const std::string& warning : servers->warnings) {
    console_->Line(warning);
  }

  LocalNetwork::Config network_config;
  network_config.port = options.port;
  network_config.ipv4 = !options.ipv6_only;
  network_config.ipv6 = !options.ipv4_only;
  Result<LocalNetwork> network = LocalNetwork::Open(network_config);
  if (!network.ok()) return std::move(network).error();
  network_ = *std::move(network);
  for (std::uint8_t i = 0; i < network_.sockets().size(); ++i) {
    WatchSocket(i);
    const int granted = network_.sockets()[i].receive_buffer();
    if (granted < udp::UdpSocket::Options().receive_buffer) {
      Step(
          fmt::format("the kernel grants a receive buffer of {} only; for "
                      "fast lines: sysctl net.core.rmem_max={}",
                      FormatSize(static_cast<std::uint64_t>(granted)),
                      udp::UdpSocket::Options().receive_buffer));
    }
  }

  Result<std::unique_ptr<signaling::MqttClient>> mqtt =
      StartMqtt(started_, options, std::move(servers->brokers));
  if (!mqtt.ok()) return std::move(mqtt).error();
  mqtt_ = *std::move(mqtt);
  loop_->Watch(mqtt_->fd(), EPOLLIN, [this](std::uint32_t) {
    mqtt_->HandleReadable(loop_->Now());
    HandleMqtt();
  });

  Result<std::unique_ptr<udp::Resolver>> resolver =
      udp::Resolver::Create(loop_.get());
  if (!resolver.ok()) return std::move(resolver).error();
  resolver_ = *std::move(resolver);

  connect::Connector::Config connector_config{
      config_.role,     config_.self,      config_.peer.key,
      config_.peer.psk, servers->loopback, config_.former};
  connector_config.guess_ports = !options.no_port_guess;
  if (options.worker) connector_config.ready = options.worker->ready;
  connector_ = std::make_unique<connect::Connector>(started_, udp::WallTime(),
                                                    connector_config, random_);
  outlet_ = std::make_unique<Outlet>(
      loop_.get(), &network_.sockets(),
      Outlet::Handler{
          [this](std::size_t size) { HandleTooBig(loop_->Now(), size); },
          [this](std::uint8_t index) { WatchSocket(index); }});
  extra_sockets_ = std::make_unique<ExtraSockets>(
      loop_.get(), &network_, connector_.get(),
      [this](std::uint8_t index) { WatchSocket(index); });
  own_addresses_ = std::make_unique<OwnAddresses>(
      loop_.get(), resolver_.get(), &random_, &network_, connector_.get(),
      OwnAddresses::Config{
          .stun_servers = std::move(servers->stun_servers),
          .loopback = servers->loopback,
          .on_moved = [this] { HandleMoved(); },
          .on_step = [this](const std::string& text) { Step(text); }});
  mqtt_->SetTopics(connector_->Topics());
  lan_ = LanLink::Open(options, loop_.get(), connector_.get());
  return OpenRelay(options);
}

Status Link::OpenRelay(const Options& options) {
  if (options.turn.empty()) return {};
  Result<TurnServer> server =
      ReadTurnServer(options.turn, options.turn_password_file);
  if (!server.ok()) return std::move(server).error();
  relay_ = std::make_unique<RelayLink>(
      loop_.get(), resolver_.get(), &random_, *std::move(server),
      RelayLink::Handler{
          [this](std::optional<SocketAddress> address) {
            connector_->SetRelayedCandidate(loop_->Now(), RelayLink::kSocket,
                                            address);
          },
          [this](const SocketAddress& from, MutableByteSpan bytes) {
            HandlePackets(loop_->Now(), RelayLink::kSocket, from, bytes,
                          bytes.size());
          },
          [this](const std::string& text) { Step(text); }});
  outlet_->SetRelay(relay_.get());
  return {};
}

void Link::Step(const std::string& text) {
  if (!console_->verbose()) return;
  const double seconds =
      std::chrono::duration<double>(loop_->Now() - started_).count();
  console_->Step(fmt::format("{:8.3f} s  {}", seconds, text));
}

void Link::HandleMqtt() {
  const TimePoint now = loop_->Now();
  while (auto event = mqtt_->PollEvent()) {
    if (const auto* up =
            std::get_if<signaling::MqttClient::BrokerUp>(&*event)) {
      brokers_.HandleUp();
      const std::string& url = brokers_.url(up->broker);
      steps_.HandleBroker(now, url);
      Step(fmt::format("broker {}: subscribed", Escape(url)));
      connector_->HandleSubscribed(now, udp::WallTime());
    } else if (auto* down =
                   std::get_if<signaling::MqttClient::BrokerDown>(&*event)) {
      if (broker_log_.Allow(now)) {
        Step(fmt::format("broker {}", Escape(down->error.message)));
        if (const std::uint64_t more = broker_log_.TakeSuppressed()) {
          Step(fmt::format("and {} more failures before it", more));
        }
      }
      brokers_.HandleDown(down->broker, std::move(down->error));
      if (const auto warning = brokers_.TakeWarning()) console_->Line(*warning);
    } else if (const auto* message =
                   std::get_if<signaling::MqttClient::Message>(&*event)) {
      connector_->HandleMessage(now, udp::WallTime(), message->topic,
                                message->payload);
    }
  }
}

void Link::HandleConnectorEvents(TimePoint now) {
  while (auto event = connector_->PollEvent(now)) {
    if (const auto* reflexive =
            std::get_if<connect::ReflexiveAddress>(&*event)) {
      Step(fmt::format("STUN server {} sees us as {}",
                       reflexive->server.ToString(),
                       reflexive->mapped.ToString()));
      // The NAT has forgotten us, and the brokers' connections with us.
      if (stall_.stalled()) RedialBrokers();
    } else if (std::holds_alternative<connect::PeerSeen>(*event)) {
      steps_.HandlePeer(now);
      Step(fmt::format("{} is there", config_.peer.name));
    } else if (std::holds_alternative<connect::PeerBusy>(*event)) {
      steps_.HandleBusy(now);
      console_->Line(
          fmt::format("{} is busy with another transfer; waiting for our turn",
                      config_.peer.name));
    } else if (const auto* done =
                   std::get_if<connect::HandshakeDone>(&*event)) {
      met_ = true;
      steps_.HandleHandshake(now);
      early_.clear();
      if (config_.on_handshake) config_.on_handshake(*done);
      Step(fmt::format("handshake done; {} candidates of {}'s",
                       done->remote_candidates, config_.peer.name));
    } else if (std::holds_alternative<connect::PeerGone>(*event)) {
      met_ = false;
      steps_.HandleGone(now);
      Step(fmt::format("{} began anew or left; waiting", config_.peer.name));
    } else if (std::holds_alternative<connect::PeerKnocks>(*event)) {
      knocked_ = now;
    } else if (auto* failed = std::get_if<connect::Failed>(&*event)) {
      if (session_ != nullptr &&
          failed->error.code == ErrorCode::kConnectionLost) {
        session_->HandleChannelLost(now);
      } else if (session_ == nullptr && !error_) {
        error_ = std::move(failed->error);
        if (error_->code == ErrorCode::kAuthenticationFailed) {
          error_->message +=
              HowToMendSecrets(config_.peer.name, config_.peer.psk.has_value());
        }
      }
    } else if (const auto* change =
                   std::get_if<connect::ChannelEvent>(&*event)) {
      if (pump_) pump_->HandleChannelEvent(now, change->event);
      if (change->event.type == channel::EventType::kSilent) {
        HandleSilence(now);
        continue;
      }
      if (change->event.type == channel::EventType::kAlive) {
        stall_.HandleAlive(now);
        Step(fmt::format("path: {} answers again", PathText()));
        continue;
      }
      config_.events->Path(PathText(), max_payload(), change->event.path.rtt);
      if (change->event.type != channel::EventType::kMaxPayloadChanged) {
        if (!connected_) Step(extra_sockets_->Report());
        connected_ = true;
        Step(fmt::format("path: {}, rtt {}", PathText(),
                         FormatLatency(change->event.path.rtt)));
        TellLinkMtu(now);
      } else {
        Step(fmt::format("path MTU: datagrams of {} bytes",
                         connector_->channel()->max_payload() +
                             channel::Channel::kOverhead));
      }
    }
  }
}

void Link::HandleSilence(TimePoint now) {
  // A broker that is not heard of within so many reports, which come every
  // 3 s, has to be dialled anew: TCP alone tries ever more seldom.
  constexpr int kReportsToRedial = 3;
  const Duration quiet = connector_->channel()->quiet(now);
  stall_.HandleSilence(now, quiet);
  Step(fmt::format("path: {} is silent for {}; punching again", PathText(),
                   FormatLatency(quiet)));
  own_addresses_->Rescan();
  if (stall_.reports() % kReportsToRedial == 0) RedialBrokers();
}

void Link::HandleMoved() {
  if (lan_) lan_->Join();
  if (relay_) relay_->Redial();
  RedialBrokers();
}

void Link::RedialBrokers() {
  PublishAll();
  mqtt_->Redial(loop_->Now());
}

void Link::PublishAll() {
  while (const auto publish = connector_->PollPublish()) {
    mqtt_->Publish(publish->topic, publish->payload);
    if (lan_) lan_->Publish(publish->topic, publish->payload);
  }
}

void Link::TellLinkMtu(TimePoint now) {
  channel::Channel* const channel = connector_->channel();
  if (const auto mtu = udp::LinkMtu(channel->path().remote)) {
    channel->SetLinkMtu(now, *mtu);
  }
}

void Link::HandleTooBig(TimePoint now, std::size_t datagram_size) {
  if (!connected_) return;
  TellLinkMtu(now);
  connector_->channel()->HandleTooBig(now, datagram_size);
}

void Link::SendTrains(TimePoint now) {
  std::array<std::byte, channel::Channel::kMaxDatagramSize> buffer;
  while (const auto request = connector_->PollTransmit(now, buffer)) {
    // A request that the socket does not take now is sent again by its timer.
    outlet_->SendOne(request->socket, request->to,
                     ByteSpan(buffer).first(request->size), /*hop_limit=*/0);
  }
  if (outlet_->blocked()) return;
  if (!pump_) {
    channel::Channel* channel = connector_->channel();
    while (channel != nullptr) {
      const auto probe = channel->PollTransmit(now, buffer);
      if (!probe) break;
      outlet_->SendOne(probe->socket, probe->to,
                       ByteSpan(buffer).first(probe->size), probe->hop_limit);
    }
    return;
  }
  for (int i = 0; i < kTrainsPerTurn; ++i) {
    const auto train = pump_->PollTrain(now);
    if (!train || !outlet_->SendTrain(*train)) return;
  }
  // There may be more: come back as soon as the sockets have been read.
  more_to_send_ = true;
}

void Link::Turn(TimePoint until) {
  std::optional<TimePoint> deadline = until;
  const auto consider = [&](std::optional<TimePoint> other) {
    if (other && *other < *deadline) deadline = other;
  };
  consider(mqtt_->PollTimeout());
  consider(extra_sockets_->PollTimeout());
  if (!outlet_->blocked()) {
    // What is due now stays due until it can be sent.
    consider(connector_->PollTimeout());
    if (pump_) consider(pump_->PollTimeout());
  }
  if (std::exchange(more_to_send_, false)) deadline = TimePoint{};
  loop_->RunOnce(deadline, pump_ ? pump_->PollRest() : TimePoint());

  const TimePoint now = loop_->Now();
  if (mqtt_->PollTimeout().value_or(TimePoint::max()) <= now) {
    mqtt_->HandleTimeout(now);
    HandleMqtt();
  }
  if (connector_->PollTimeout().value_or(TimePoint::max()) <= now) {
    connector_->HandleTimeout(now, udp::WallTime());
    mqtt_->SetTopics(connector_->Topics());
  }
  if (pump_) pump_->HandleTimeout(now);
  HandleConnectorEvents(now);
  stall_.HandleTick(now);
  extra_sockets_->Turn(now);
  SendTrains(now);
  PublishAll();
}

Error Link::NobodyCame() const {
  if (!brokers_.was_up()) return brokers_.Unreachable();
  return NeverAppeared(config_.peer.name, timeout_.value_or(Duration(0)),
                       config_.role == ice::Role::kControlling);
}

Result<std::optional<ExitCode>> Link::Connect() {
  if (!expected_ && !config_.again && !console_->live()) {
    console_->Line(fmt::format("waiting for {} ...", config_.peer.name));
  }
  if (!expected_) config_.events->Waiting(config_.peer.name);
  steps_.Begin(started_, timeout_);
  // Where all goes well there is nothing to be seen of it.
  TimePoint next_draw = started_ + kTick;
  while (!connected_) {
    if (signal_) return signal_;
    if (error_) return *error_;
    const TimePoint now = loop_->Now();
    if (std::exchange(resized_, false)) next_draw = std::min(next_draw, now);
    if (std::exchange(state_wanted_, false)) {
      console_->Error(steps_.State(now, connector_->channel() == nullptr
                                            ? ""
                                            : extra_sockets_->Report()));
    }
    if (now >= next_draw) {
      steps_.Draw(now);
      next_draw = now + kTick;
    }
    TimePoint until = next_draw;
    if (!met_) {
      const TimePoint never_up = started_ + kBrokerTimeout;
      // On a network that leads nowhere there is nobody to be reached but those
      // on it, and they may still come.
      if (!brokers_.was_up() && now >= never_up && !(lan_ && IsIsland())) {
        return NobodyCame();
      }
      if (timeout_) {
        if (now >= started_ + *timeout_) return NobodyCame();
        until = std::min(until, started_ + *timeout_);
      }
      if (!advised_ && !config_.again && now >= started_ + kAdviceAfter) {
        advised_ = true;
        console_->Line(fmt::format(
            "still waiting; is 'p2pcp {}' running there, and does it use the "
            "same broker? If it asks for a code there, it does not know this "
            "device (any more): stop both, and let them 'p2pcp pair'.",
            config_.role == ice::Role::kControlling ? "recv --from ..."
                                                    : "send ... --to ..."));
      }
    }
    Turn(until);
  }
  return std::optional<ExitCode>();
}

std::string Link::PathText() {
  const channel::Path path = connector_->channel()->path();
  return fmt::format("{} udp{} {}", path.relayed ? "relayed" : "direct",
                     path.remote.ip.is_v6() ? 6 : 4, path.remote.ToString());
}

}  // namespace p2pcp::cmd
