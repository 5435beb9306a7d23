#include "net/connect/connector.h"

#include <algorithm>
#include <utility>

#include "net/connect/no_path.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/port_model.h"
#include "net/signaling/lan_datagram.h"
#include "net/stun/behaviour.h"

namespace p2pcp::connect {
namespace {

// A host with many addresses (containers, virtual machines) must not crowd out
// what STUN servers see, which is all that a peer elsewhere can use, and which
// comes later.
constexpr std::size_t kMaxHostCandidates = ice::kMaxCandidates - 6;

// Where the peer was heard so lately, that it looks for us is old news.
constexpr Duration kStillHeard = 200ms;
// It tells so at 0, 1, 3 and 7 s; a round of checks takes longer.
constexpr Duration kPeerSeeksInterval = 2s;

// Both sides try at their own time: within that of the shorter NAT time-outs
// (30 s), so that one's check finds the hole of the other's.
constexpr Duration kUpgradeInterval = 12s;

// A meeting takes four, from each side.
constexpr int kMaxLanMessages = 10;

signaling::Rendezvous::Config RendezvousConfig(
    const Connector::Config& config) {
  signaling::Rendezvous::Config result{
      .role = config.role == ice::Role::kControlling
                  ? signaling::Role::kOfferer
                  : signaling::Role::kAnswerer,
      .self = config.self,
      .peer = config.peer,
      .psk = config.psk,
      .suites = {},
      .versions = {},
      .ready = config.ready};
  // Best first. AES in software is slow, and leaks through its caches.
  if (crypto::HasAesHardware()) {
    result.suites.push_back(crypto::Suite::kAes256Gcm);
  }
  result.suites.push_back(crypto::Suite::kChaCha20Poly1305);
  return result;
}

}  // namespace

Connector::Connector(TimePoint now, UnixTime wall, const Config& config,
                     Random& random)
    : config_(config),
      random_(random),
      rendezvous_(now, wall, RendezvousConfig(config), config.former, random),
      gatherer_(random),
      hard_nat_(config.guess_ports, random) {}

bool Connector::SetHostCandidates(TimePoint now,
                                  std::vector<ice::Candidate> candidates) {
  if (candidates.size() > kMaxHostCandidates) {
    candidates.resize(kMaxHostCandidates);
  }
  if (published_ && candidates == hosts_) return false;
  hosts_ = std::move(candidates);
  PublishCandidates(now);
  gatherer_.Refresh(now);
  if (was_connected_) channel_->CheckPaths(now);
  return true;
}

void Connector::AddStunServer(TimePoint now, const SocketAddress& server,
                              std::uint8_t socket) {
  gatherer_.AddServer(now, server, socket);
}

void Connector::HandleSubscribed(TimePoint now, UnixTime wall) {
  rendezvous_.HandleSubscribed(now, wall);
  HandleRendezvousEvents(now);
}

void Connector::HandleMessage(TimePoint now, UnixTime wall,
                              std::string_view topic, ByteSpan payload) {
  rendezvous_.HandleMessage(now, wall, topic, payload);
  HandleRendezvousEvents(now);
}

void Connector::HandleLanDatagram(TimePoint now, UnixTime wall,
                                  std::uint32_t interface, ByteSpan datagram) {
  const std::vector<std::string> topics = rendezvous_.Topics();
  const auto message = signaling::DecodeLanDatagram(datagram, topics);
  if (!message) return;
  // Anybody on the network can repeat what he has seen: that may not fill the
  // queue for what brokers bring.
  if (now >= lan_second_ + 1s) {
    lan_second_ = now;
    lan_messages_ = 0;
  }
  if (++lan_messages_ > kMaxLanMessages) return;
  if (lan_interface_ != interface) {
    lan_interface_ = interface;
    if (channel_ && channel_is_current_) AddRemoteCandidates(now);
  }
  HandleMessage(now, wall, message->topic, message->envelope);
}

// With an interface for those that want one.
void Connector::AddRemoteCandidates(TimePoint now) {
  std::vector<ice::Candidate> candidates = remote_;
  for (ice::Candidate& candidate : candidates) {
    if (candidate.address.ip.is_v6() && candidate.address.ip.IsLinkLocal()) {
      candidate.address.scope_id = lan_interface_.value_or(0);
    }
  }
  channel_->AddRemoteCandidates(now, candidates);
}

void Connector::Close(TimePoint now, signaling::ByeReason reason) {
  rendezvous_.Close(now, reason);
}

bool Connector::HandleStun(TimePoint now, std::uint8_t socket,
                           const SocketAddress& from, ByteSpan datagram) {
  if (!gatherer_.HandleDatagram(now, socket, from, datagram)) return false;
  bool changed = false;
  while (const auto mapping = gatherer_.PollMapping()) {
    events_.push_back(ReflexiveAddress{mapping->server, mapping->mapped});
    changed = true;
  }
  if (!changed) {
    TellNat(now);
    return true;
  }
  std::vector<stun::Observation> observations;
  for (const ReflexiveGatherer::Mapping& mapping : gatherer_.mappings()) {
    if (mapping.mapped.ip.is_v4()) {
      observations.push_back({mapping.server, mapping.mapped});
    }
  }
  std::optional<std::uint16_t> local_port;
  for (const ice::Candidate& host : hosts_) {
    if (host.address.ip.is_v4()) local_port = host.base.port;
  }
  hard_nat_.SetObservations(now, observations, local_port);
  TellNat(now);
  PublishCandidates(now);
  return true;
}

void Connector::SetMappedCandidates(TimePoint now, std::uint8_t socket,
                                    std::vector<SocketAddress> addresses) {
  mapped_ = std::move(addresses);
  mapped_socket_ = socket;
  PublishCandidates(now);
}

void Connector::SetRelayedCandidate(TimePoint now, std::uint8_t socket,
                                    std::optional<SocketAddress> address) {
  relayed_ = address;
  relay_socket_ = socket;
  PublishCandidates(now);
}

void Connector::AddLocal(ice::CandidateType type, const SocketAddress& address,
                         std::uint8_t socket, std::uint16_t preference) {
  // Without a NAT the outside address is a host candidate already.
  for (const ice::Candidate& known : local_) {
    if (known.address == address) return;
  }
  ice::Candidate candidate;
  candidate.type = type;
  candidate.address = address;
  candidate.socket = socket;
  candidate.priority = ice::ComputePriority(type, preference);
  const auto base = std::find_if(
      hosts_.begin(), hosts_.end(),
      [&](const ice::Candidate& host) { return host.socket == socket; });
  if (base != hosts_.end()) candidate.base = base->address;
  local_.push_back(candidate);
}

void Connector::TellNat(TimePoint now) {
  hard_nat_.SetFiltering(gatherer_.filtering());
  if (told_nat_ == hard_nat_.nat()) return;
  const bool ports = told_nat_.ports != hard_nat_.nat().ports;
  told_nat_ = hard_nat_.nat();
  if (ports) PublishCandidates(now);
  rendezvous_.SetLocalNat(now, told_nat_);
}

void Connector::HandleSocketsOpened(
    TimePoint now, std::span<const std::uint16_t> local_ports) {
  hard_nat_.HandleOpened(now, local_ports);
}

// Authentic packets so far.
std::uint64_t Connector::Heard() const {
  if (!channel_) return 0;
  const channel::Stats stats = channel_->stats();
  return stats.received.probes + stats.received.payloads;
}

bool Connector::HandleExtraDatagram(TimePoint now, int extra,
                                    std::uint8_t number,
                                    const SocketAddress& from,
                                    MutableByteSpan datagram) {
  if (hard_nat_.HandleStun(now, extra, from, datagram)) {
    TellNat(now);
    const auto fresh = hard_nat_.TakeFresh();
    if (!fresh) return false;
    fresh_.emplace_back(number, *fresh);
    PublishCandidates(now);
    return true;
  }
  if (!channel_ || !hard_nat_.peer() || !hard_nat_.wanted().guessing) {
    return false;
  }
  const std::uint64_t before = Heard();
  channel_->HandleDatagram(now, number, from, datagram);
  if (Heard() == before) return false;
  // A source that nobody has named gets one answer a packet, and a guess comes
  // once. This is an address of the peer's own naming: a round of checks.
  for (const ice::Candidate& host : hosts_) {
    if (host.address.ip.is_v6()) continue;
    ice::Candidate local = host;
    local.socket = number;
    channel_->AddLocalCandidates(now, {&local, 1});
    break;
  }
  const std::vector<IpAddress>& external = hard_nat_.peer()->external;
  if (std::find(external.begin(), external.end(), from.ip) != external.end()) {
    ice::Candidate remote;
    remote.type = ice::CandidateType::kServerReflexive;
    remote.address = from;
    remote.priority = ice::ComputePriority(remote.type, 0);
    channel_->AddRemoteCandidates(now, {&remote, 1});
  }
  hard_nat_.HandleHit(now);
  return true;
}

std::optional<Connector::ExtraTransmit> Connector::PollExtraTransmit(
    TimePoint now, MutableByteSpan out) {
  if (const std::uint64_t heard = Heard(); heard != heard_) {
    heard_ = heard;
    hard_nat_.HandleHeard(now);
  }
  const auto transmit = hard_nat_.PollTransmit(now, out);
  if (!transmit) return std::nullopt;
  ExtraTransmit result{.extra = transmit->socket,
                       .to = transmit->to,
                       .size = transmit->size,
                       .hop_limit = transmit->hop_limit};
  if (result.extra == HardNat::kFreshSocket) {
    result.extra = ice::GuessStage::kMainSocket;
    result.data_socket = fresh_.back().first;
  }
  if (result.size == 0) {
    if (!channel_) return std::nullopt;
    result.size = channel_->SealGuess(out);
  }
  return result;
}

void Connector::PublishCandidates(TimePoint now) {
  published_ = true;
  local_ = hosts_;
  std::uint16_t preference = 0xffff;
  for (const SocketAddress& address : mapped_) {
    AddLocal(ice::CandidateType::kMapped, address, mapped_socket_,
             preference--);
  }
  // Servers that were added first are preferred; all that matters is that the
  // order is one.
  preference = 0xffff;
  for (const ReflexiveGatherer::Mapping& mapping : gatherer_.mappings()) {
    AddLocal(ice::CandidateType::kServerReflexive, mapping.mapped,
             mapping.socket, preference--);
  }
  if (relayed_) {
    AddLocal(ice::CandidateType::kRelayed, *relayed_, relay_socket_, 0xffff);
  }
  for (const auto& [socket, mapped] : fresh_) {
    AddLocal(ice::CandidateType::kServerReflexive, mapped, socket,
             preference--);
  }
  // A NAT that keeps ports where it can shows the peer this one, most likely.
  const ice::Nat& nat = hard_nat_.nat();
  if (nat.hard() && !nat.external.empty() &&
      nat.ports.allocation == ice::PortAllocation::kPreserving) {
    for (const ice::Candidate& host : hosts_) {
      if (host.address.ip.is_v6()) continue;
      ice::Candidate candidate = host;
      candidate.type = ice::CandidateType::kServerReflexive;
      candidate.address.ip = nat.external.front();
      candidate.priority = ice::ComputePriority(candidate.type, preference--);
      local_.push_back(candidate);
      break;
    }
  }
  // The peer takes the first ones where there are too many.
  std::stable_sort(local_.begin(), local_.end(),
                   [](const ice::Candidate& a, const ice::Candidate& b) {
                     return a.priority > b.priority;
                   });
  rendezvous_.SetLocalCandidates(now, local_);
  if (channel_) channel_->AddLocalCandidates(now, local_);
}

void Connector::HandleRendezvousEvents(TimePoint now) {
  bool by_former = false;
  while (auto event = rendezvous_.PollEvent(&by_former)) {
    HandleRendezvousEvent(now, by_former, std::move(*event));
  }
  if (channel_ && channel_is_current_ && !peer_ready_ &&
      rendezvous_.PeerConfirmed(by_former_)) {
    peer_ready_ = true;
    channel_->HandlePeerReady(now);
    if (hard_nat_.peer()) {
      const ice::Nat peer = *hard_nat_.peer();
      hard_nat_.SetPeer(now, peer, /*ready=*/true, {});
    }
  }
}

void Connector::HandleRendezvousEvent(TimePoint now, bool by_former,
                                      signaling::Rendezvous::Event event) {
  using signaling::Rendezvous;
  if (std::holds_alternative<Rendezvous::PeerSeen>(event)) {
    events_.push_back(PeerSeen{});
  } else if (std::holds_alternative<Rendezvous::Busy>(event)) {
    events_.push_back(PeerBusy{});
  } else if (auto* established = std::get_if<Rendezvous::Established>(&event)) {
    // A channel that was connected is the owner's until the end, whatever the
    // peer agrees to besides.
    channel_is_current_ = !was_connected_;
    if (was_connected_) return;
    by_former_ = by_former;
    channel::Channel::Config config;
    config.role = config_.role;
    config.keys = established->keys;
    config.suite = established->suite;
    config.allow_loopback = config_.allow_loopback;
    config.probe_budget = &probe_budget_;
    channel_ = std::make_unique<channel::Channel>(now, config, random_);
    peer_ready_ = false;
    channel_->AddLocalCandidates(now, local_);
    remote_ = established->candidates;
    AddRemoteCandidates(now);
    heard_ = 0;
    hard_nat_.EndSession();
    peer_nat_ = established->nat;
    hard_nat_.SetPeer(now, established->nat,
                      config_.role == ice::Role::kControlling,
                      established->candidates);
    events_.push_back(HandshakeDone{established->candidates.size(), by_former,
                                    std::move(established->hand_over)});
  } else if (auto* more = std::get_if<Rendezvous::RemoteCandidates>(&event)) {
    if (channel_ && channel_is_current_ && by_former == by_former_) {
      // All of them: one may be of use again that was let go.
      remote_ = more->all;
      peer_nat_ = more->nat;
      AddRemoteCandidates(now);
      if (was_connected_) HandlePeerSeeks(now);
      // A path that was there and is silent: both sides are, and their brokers
      // hear them, so neither line is at fault.
      if (!was_connected_ || silent_) {
        hard_nat_.SetPeer(now, more->nat, /*ready=*/true, more->all,
                          /*fresh=*/!was_connected_);
      }
    }
  } else if (std::holds_alternative<Rendezvous::Superseded>(event) ||
             std::holds_alternative<Rendezvous::PeerLeft>(event)) {
    // A channel that was connected knows by itself whether its peer is there:
    // what the broker carries may not end it.
    if (channel_ && !was_connected_ && by_former == by_former_) {
      channel_.reset();
      hard_nat_.EndSession();
      events_.push_back(PeerGone{});
    } else if (was_connected_) {
      events_.push_back(PeerKnocks{});
    }
  } else if (std::holds_alternative<Rendezvous::Knock>(event)) {
    if (was_connected_) events_.push_back(PeerKnocks{});
  } else if (auto* failed = std::get_if<Rendezvous::Failed>(&event)) {
    events_.push_back(Failed{std::move(failed->error)});
  }
}

// The peer tells its candidates again: it does not hear us, or has moved. Our
// own NAT may be the one that has forgotten.
void Connector::HandlePeerSeeks(TimePoint now) {
  if (channel_->quiet(now) < kStillHeard) return;
  if (peer_sought_ && now < *peer_sought_ + kPeerSeeksInterval) return;
  peer_sought_ = now;
  gatherer_.Refresh(now);
  channel_->CheckPaths(now);
}

std::optional<Connector::Transmit> Connector::PollTransmit(
    TimePoint now, MutableByteSpan out) {
  const auto request = gatherer_.PollTransmit(now, out);
  if (!request) return std::nullopt;
  return Transmit{request->socket, request->to, request->size};
}

void Connector::HandleTimeout(TimePoint now, UnixTime wall) {
  gatherer_.HandleTimeout(now);
  hard_nat_.HandleTimeout(now);
  TellNat(now);
  rendezvous_.HandleTimeout(now, wall);
  if (Relayed() && now >= upgrade_at_) {
    upgrade_at_ = now + kUpgradeInterval;
    gatherer_.Refresh(now);
    channel_->CheckPaths(now);
  }
  HandleRendezvousEvents(now);
  if (channel_ && channel_->PollTimeout().value_or(TimePoint::max()) <= now) {
    channel_->HandleTimeout(now);
  }
}

std::optional<TimePoint> Connector::PollTimeout() const {
  std::optional<TimePoint> earliest;
  const auto consider = [&](std::optional<TimePoint> deadline) {
    if (deadline && (!earliest || *deadline < *earliest)) earliest = deadline;
  };
  consider(rendezvous_.PollTimeout());
  consider(gatherer_.PollTimeout());
  consider(hard_nat_.PollTimeout());
  if (channel_) consider(channel_->PollTimeout());
  if (Relayed()) consider(upgrade_at_);
  return earliest;
}

// Whether the peer has had the keys of the channel at hand.
bool Connector::PeerWasThere() const {
  return config_.role == ice::Role::kControlling ||
         rendezvous_.PeerConfirmed(by_former_) ||
         channel_->stats().received.probes > 0;
}

void Connector::HandleChannelEvents(TimePoint now) {
  if (!channel_) return;
  while (const auto event = channel_->PollEvent()) {
    switch (event->type) {
      case channel::EventType::kFailed:
        if (!PeerWasThere()) {
          // It went between its offer and our answer: that says nothing about
          // the path, and it may come back.
          channel_.reset();
          hard_nat_.EndSession();
          rendezvous_.SetBusy(now, false);
          events_.push_back(PeerGone{});
          return;
        }
        events_.push_back(Failed{Error{
            ErrorCode::kNoPath,
            ExplainNoPath({.ours = hard_nat_.nat(),
                           .theirs = hard_nat_.peer().value_or(ice::Nat{}),
                           .probes = channel_->stats().probes_sent,
                           .tried = hard_nat_.tried(),
                           .guesses = hard_nat_.probes(),
                           .may_guess = config_.guess_ports})}});
        hard_nat_.EndSession();
        break;
      case channel::EventType::kLost:
        events_.push_back(Failed{Error{
            ErrorCode::kConnectionLost,
            "nothing has come from the peer for 45 s; run the same command "
            "again on both sides"}});
        break;
      case channel::EventType::kConnected:
        // The channel's own keepalives hold the mapping from here on, and a
        // second offer has to wait its turn.
        gatherer_.Stop();
        hard_nat_.EndSession();
        was_connected_ = true;
        rendezvous_.SetBusy(now, true);
        upgrade_at_ = now + kUpgradeInterval;
        events_.push_back(ChannelEvent{*event});
        break;
      case channel::EventType::kSilent:
        silent_ = true;
        gatherer_.Refresh(now);
        rendezvous_.RepeatCandidates(now, by_former_);
        events_.push_back(ChannelEvent{*event});
        break;
      case channel::EventType::kPathChanged:
      case channel::EventType::kAlive:
        silent_ = false;
        hard_nat_.EndSession();
        events_.push_back(ChannelEvent{*event});
        break;
      case channel::EventType::kMaxPayloadChanged:
        events_.push_back(ChannelEvent{*event});
        break;
    }
  }
}

std::optional<Event> Connector::PollEvent(TimePoint now) {
  HandleChannelEvents(now);
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace p2pcp::connect
