#include "cmd/doctor/network_survey.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "cmd/brokers/start_mqtt.h"
#include "cmd/network/own_addresses.h"
#include "net/ice/port_model.h"
#include "net/stun/message.h"
#include "net/udp/default_router.h"
#include "net/udp/interfaces.h"
#include "net/udp/link_mtu.h"

namespace p2pcp::cmd {
namespace {

constexpr std::size_t kSamples = ice::kPortSamples;
// Tries of what gets no answer where it does not work.
constexpr int kTries = 3;
constexpr Duration kTryInterval = 300ms;
// UPnP takes this long where there is a router that speaks it.
constexpr Duration kRouterTime = 3s;
constexpr Duration kResolveTime = 4s;
// IP packets that are tried, with 28 bytes of headers.
constexpr std::array<std::size_t, 4> kPacketSizes = {1280, 1420, 1492, 1500};
constexpr std::size_t kHeaders = 28;
// Comprehension-optional, and assigned to nothing (RFC 8489 section 18.3): what
// a server skips.
constexpr std::uint16_t kPaddingAttribute = 0xfffe;
constexpr std::size_t kStunHeader = 20;

}  // namespace

NetworkSurvey::NetworkSurvey() = default;
NetworkSurvey::~NetworkSurvey() = default;

Result<std::unique_ptr<NetworkSurvey>> NetworkSurvey::Begin(
    const Options& options) {
  std::unique_ptr<NetworkSurvey> survey(new NetworkSurvey());
  if (Status status = survey->Start(options); !status.ok()) {
    return std::move(status).error();
  }
  return survey;
}

Status NetworkSurvey::Start(const Options& options) {
  Result<std::unique_ptr<udp::EventLoop>> loop = udp::EventLoop::Create();
  if (!loop.ok()) return std::move(loop).error();
  loop_ = *std::move(loop);
  started_ = loop_->Now();
  loop_->Watch(signals_.fd(), EPOLLIN, [](std::uint32_t) {});
  Result<Servers> servers = ChooseServers(options);
  if (!servers.ok()) return std::move(servers).error();

  LocalNetwork::Config config;
  config.port = options.port;
  config.ipv4 = !options.ipv6_only;
  config.ipv6 = !options.ipv4_only;
  Result<LocalNetwork> network = LocalNetwork::Open(config);
  if (!network.ok()) return std::move(network).error();
  network_ = *std::move(network);
  sockets_ = std::move(network_.sockets());
  main_sockets_ = sockets_.size();
  for (std::size_t i = 0; i < sockets_.size(); ++i) Watch(i);
  facts_.receive_buffer = sockets_.front().receive_buffer();
  facts_.receive_buffer_wanted = udp::UdpSocket::Options().receive_buffer;
  facts_.gso = sockets_.front().gso_enabled();
  facts_.gro = sockets_.front().gro_enabled();

  for (const udp::LocalAddress& local : udp::ListInterfaces()) {
    facts_.addresses.push_back(local.ip);
    facts_.ipv6_address =
        facts_.ipv6_address || (local.ip.is_v6() && !local.ip.IsPrivate());
  }
  for (const signaling::Broker& broker : servers->brokers) {
    facts_.brokers.push_back({broker.ToString(), std::nullopt, ""});
  }
  broker_failed_.resize(facts_.brokers.size());
  Result<std::unique_ptr<signaling::MqttClient>> mqtt =
      signaling::MqttClient::Start(
          started_, {"/proc/self/exe", {kMqttChildVerb}}, servers->brokers);
  if (!mqtt.ok()) return std::move(mqtt).error();
  mqtt_ = *std::move(mqtt);
  // A broker is told nothing but a name that was drawn just now.
  mqtt_->SetTopics({Hex(random_.Array<16>())});
  loop_->Watch(mqtt_->fd(), EPOLLIN, [this](std::uint32_t) { HandleMqtt(); });

  facts_.has_router = udp::DefaultRouter().has_value();
  for (std::size_t i = 0; i < main_sockets_; ++i) {
    if (sockets_[i].local_address().ip.is_v6()) continue;
    port_mapping_ = udp::PortMapping::Start(
        loop_.get(), sockets_[i].local_address().port,
        {"/proc/self/exe", {kUpnpChildVerb}}, random_, [] {});
  }
  Result<std::unique_ptr<udp::Resolver>> resolver =
      udp::Resolver::Create(loop_.get());
  if (!resolver.ok()) return std::move(resolver).error();
  resolver_ = *std::move(resolver);
  for (const StunServer& server : servers->stun_servers) Resolve(server);
  return {};
}

void NetworkSurvey::Resolve(const StunServer& server) {
  ++resolving_;
  const std::string name = server.host + ":" + std::to_string(server.port);
  resolver_->Resolve(
      server.host, server.port, started_ + kResolveTime,
      [this, name](const Result<std::vector<SocketAddress>>& addresses) {
        --resolving_;
        if (!addresses.ok()) {
          facts_.stun.push_back({name, std::nullopt, std::nullopt, {}});
          return;
        }
        std::vector<bool> asked(main_sockets_, false);
        for (const SocketAddress& address : *addresses) {
          for (std::size_t i = 0; i < main_sockets_; ++i) {
            if (asked[i] ||
                sockets_[i].local_address().ip.is_v6() != address.ip.is_v6()) {
              continue;
            }
            asked[i] = true;
            facts_.stun.push_back({name, address, std::nullopt, {}});
            Ask(Query::Purpose::kMapping, facts_.stun.size() - 1, i, address);
          }
        }
      });
}

void NetworkSurvey::Watch(std::size_t socket) {
  loop_->Watch(sockets_[socket].fd(), EPOLLIN,
               [this, socket](std::uint32_t) { HandleReceived(socket); });
}

void NetworkSurvey::HandleMqtt() {
  mqtt_->HandleReadable(loop_->Now());
  while (auto event = mqtt_->PollEvent()) {
    if (const auto* up =
            std::get_if<signaling::MqttClient::BrokerUp>(&*event)) {
      if (!facts_.brokers[up->broker].up) {
        facts_.brokers[up->broker].up = loop_->Now() - started_;
      }
    } else if (auto* down =
                   std::get_if<signaling::MqttClient::BrokerDown>(&*event)) {
      broker_failed_[down->broker] = true;
      facts_.brokers[down->broker].error = std::move(down->error.message);
    }
  }
}

void NetworkSurvey::HandleReceived(std::size_t socket) {
  for (const udp::ReceivedTrain& train : sockets_[socket].Receive()) {
    for (std::size_t at = 0; at < train.bytes.size();
         at += train.segment_size) {
      HandleAnswer(socket, train.from,
                   train.bytes.subspan(at, std::min(train.segment_size,
                                                    train.bytes.size() - at)));
    }
  }
}

void NetworkSurvey::HandleAnswer(std::size_t socket, const SocketAddress& from,
                                 ByteSpan datagram) {
  if (hairpin_target_ && std::ranges::equal(datagram, hairpin_token_)) {
    facts_.hairpin = true;
    return;
  }
  if (from == size_server_) {
    for (const SizeProbe& probe : size_probes_) {
      const auto answer = stun::Parse(datagram);
      if (answer && answer->transaction_id == probe.id) {
        facts_.path_mtu = std::max(facts_.path_mtu, probe.packet);
        return;
      }
    }
  }
  const TimePoint now = loop_->Now();
  if (filtering_ && socket == filtering_socket_ &&
      filtering_->HandleDatagram(now, from, datagram)) {
    return;
  }
  for (std::size_t i = 0; i < queries_.size(); ++i) {
    Query& query = queries_[i];
    if (query.fd_index != static_cast<int>(socket) ||
        !query.transaction.HandleDatagram(now, from, datagram)) {
      continue;
    }
    if (query.transaction.state() !=
        stun::BindingTransaction::State::kSucceeded) {
      return;
    }
    const SocketAddress mapped = query.transaction.mapped_address();
    if (query.purpose == Query::Purpose::kPorts) {
      sample_mapped_[query.stun] = mapped.port;
      return;
    }
    StunFact& fact = facts_.stun[query.stun];
    fact.mapped = mapped;
    fact.rtt = query.transaction.rtt();
    facts_.ipv6_works = facts_.ipv6_works || mapped.ip.is_v6();
    if (mapped.ip.is_v4()) {
      const auto other = query.transaction.other_address();
      AskFurther(from, mapped);  // Adds to queries_.
      if (other) AskFilter(from, *other);
    }
    return;
  }
}

void NetworkSurvey::Ask(Query::Purpose purpose, std::size_t number,
                        std::size_t socket, const SocketAddress& server) {
  queries_.push_back({purpose, number, static_cast<int>(socket),
                      stun::BindingTransaction(loop_->Now(), server, random_)});
}

void NetworkSurvey::AskFurther(const SocketAddress& server,
                               const SocketAddress& mapped) {
  if (std::exchange(asked_further_, true)) return;
  const SocketAddress any{IpAddress(), 0, 0};
  udp::UdpSocket::Options small;
  small.receive_buffer = small.send_buffer = 64 << 10;
  // No callback of the loop may still use the vector's old place.
  sockets_.reserve(sockets_.size() + kSamples + 2);
  for (std::size_t i = 0; i < kSamples + 2; ++i) {
    Result<udp::UdpSocket> socket = udp::UdpSocket::Open(any, small);
    if (!socket.ok()) return;
    sockets_.push_back(*std::move(socket));
    const std::size_t index = sockets_.size() - 1;
    Watch(index);
    if (i >= kSamples) continue;
    sample_ports_.push_back(sockets_[index].local_address().port);
    sample_mapped_.emplace_back();
    Ask(Query::Purpose::kPorts, i, index, server);
  }
  random_.Fill(hairpin_token_);
  hairpin_target_ = mapped;
  hairpin_again_ = loop_->Now();
  size_server_ = server;
  size_probes_again_ = loop_->Now();
  if (const auto mtu = udp::LinkMtu(server)) facts_.link_mtu = *mtu;
}

void NetworkSurvey::AskFilter(const SocketAddress& server,
                              const SocketAddress& other) {
  // Those of the mappings, the samples, this one, that of the hairpin.
  const std::size_t socket = main_sockets_ + kSamples;
  if (filtering_ || sockets_.size() <= socket ||
      !stun::FilteringDiscovery::IsUsable(server, other)) {
    return;
  }
  filtering_.emplace(loop_->Now(), server, other, random_);
  filtering_socket_ = socket;
}

void NetworkSurvey::SendSizeProbes(TimePoint now) {
  std::array<std::byte, 2048> buffer = {};
  for (const std::size_t packet : kPacketSizes) {
    stun::Message request;
    request.transaction_id =
        random_.Array<std::tuple_size_v<stun::TransactionId>>();
    const std::size_t size = packet - kHeaders;
    MutableByteSpan out(buffer);
    stun::Encode(request, out);
    // An attribute of our own to the end, and the message's length.
    ByteWriter length(out.subspan(2, 2));
    length.WriteU16(static_cast<std::uint16_t>(size - kStunHeader));
    ByteWriter attribute(out.subspan(kStunHeader, size - kStunHeader));
    attribute.WriteU16(kPaddingAttribute);
    attribute.WriteU16(static_cast<std::uint16_t>(size - kStunHeader - 4));
    size_probes_.push_back({packet, request.transaction_id});
    for (std::size_t i = 0; i < main_sockets_; ++i) {
      if (sockets_[i].local_address().ip.is_v6()) continue;
      sockets_[i].Send(size_server_, out.first(size), size);
    }
  }
  if (size_probes_.size() < kTries * kPacketSizes.size()) {
    size_probes_again_ = now + kTryInterval;
  } else {
    size_probes_again_.reset();
  }
}

void NetworkSurvey::Flush() {
  const TimePoint now = loop_->Now();
  std::array<std::byte, stun::kMaxRequestSize> out;
  for (Query& query : queries_) {
    query.transaction.HandleTimeout(now);
    if (const auto size = query.transaction.PollTransmit(now, out)) {
      sockets_[static_cast<std::size_t>(query.fd_index)].Send(
          query.transaction.server(), ByteSpan(out).first(*size), *size);
    }
  }
  if (filtering_) {
    filtering_->HandleTimeout(now);
    while (const auto size = filtering_->PollTransmit(now, out)) {
      sockets_[filtering_socket_].Send(filtering_->server(),
                                       ByteSpan(out).first(*size), *size);
    }
  }
  if (size_probes_again_ && now >= *size_probes_again_) SendSizeProbes(now);
  if (hairpin_again_ && now >= *hairpin_again_) {
    hairpin_again_.reset();
    if (!facts_.hairpin && hairpin_tries_++ < kTries) {
      sockets_.back().Send(*hairpin_target_, hairpin_token_,
                           hairpin_token_.size());
      hairpin_again_ = now + kTryInterval;
    } else if (!facts_.hairpin) {
      facts_.hairpin = false;
    }
  }
}

bool NetworkSurvey::Settled(TimePoint now) const {
  if (resolving_ > 0) return false;
  for (std::size_t i = 0; i < facts_.brokers.size(); ++i) {
    if (!facts_.brokers[i].up && !broker_failed_[i]) return false;
  }
  for (const Query& query : queries_) {
    if (query.transaction.PollTimeout()) return false;
  }
  if (filtering_ && filtering_->PollTimeout()) return false;
  if (hairpin_again_ || size_probes_again_) return false;
  return !port_mapping_ || now >= started_ + kRouterTime ||
         port_mapping_->protocols().size() > 1;
}

std::optional<ExitCode> NetworkSurvey::Run() {
  const TimePoint end = started_ + kTime;
  for (;;) {
    Flush();
    const TimePoint now = loop_->Now();
    if (now >= end || Settled(now)) break;
    if (const auto signal = signals_.Take()) return signal;
    TimePoint until = std::min(end, now + kTryInterval);
    for (const Query& query : queries_) {
      until = std::min(until, query.transaction.PollTimeout().value_or(until));
    }
    if (filtering_) {
      until = std::min(until, filtering_->PollTimeout().value_or(until));
    }
    loop_->RunOnce(until);
  }
  std::vector<ice::PortSample> samples;
  for (std::size_t i = 0; i < sample_mapped_.size(); ++i) {
    if (!sample_mapped_[i]) continue;
    samples.push_back(
        {.local = sample_ports_[i], .external = *sample_mapped_[i]});
    facts_.outside_ports.push_back(*sample_mapped_[i]);
  }
  ClassifyAnswers(facts_);
  facts_.nat.ports = ice::InferPortModel(samples);
  if (filtering_) facts_.nat.filtering = filtering_->result();
  if (port_mapping_) {
    facts_.router_mapped = port_mapping_->mapped();
    facts_.router_protocols = port_mapping_->protocols();
  }
  return std::nullopt;
}

}  // namespace p2pcp::cmd
