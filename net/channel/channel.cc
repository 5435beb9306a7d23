#include "net/channel/channel.h"

#include <algorithm>
#include <array>
#include <utility>

#include "net/base/check.h"
#include "net/ice/agent.h"
#include "net/ice/pair.h"

namespace p2pcp::channel {
namespace {

constexpr std::size_t kProbeSize =
    PacketProtection::kOverhead + ice::Probe::kSize;

// How long the keys of the epoch before are kept for late packets: 3 PTO, which
// the channel can only estimate, from the round trip.
constexpr Duration kMinForgetAfter = 1s;
constexpr int kForgetRoundTrips = 9;

}  // namespace

Channel::Channel(TimePoint /*now*/, const Config& config, Random& random)
    : random_(&random),
      protection_(config.role, config.keys, config.suite, config.limits),
      paths_({.role = config.role,
              .probe_size = kProbeSize,
              .allow_loopback = config.allow_loopback,
              .budget = config.probe_budget},
             random),
      consent_(random) {}

void Channel::AddLocalCandidates(TimePoint now,
                                 std::span<const ice::Candidate> candidates) {
  paths_.agent().AddLocalCandidates(now, candidates);
}

void Channel::AddRemoteCandidates(TimePoint now,
                                  std::span<const ice::Candidate> candidates) {
  paths_.agent().AddRemoteCandidates(now, candidates);
}

std::optional<Channel::Payload> Channel::HandleDatagram(
    TimePoint now, std::uint8_t socket, const SocketAddress& from,
    MutableByteSpan datagram) {
  Payload payload;
  if (HandleTrain(now, socket, from, datagram, datagram.size(),
                  std::span(&payload, 1)) == 0) {
    return std::nullopt;
  }
  return payload;
}

std::size_t Channel::HandleTrain(TimePoint now, std::uint8_t socket,
                                 const SocketAddress& from,
                                 MutableByteSpan train,
                                 std::size_t segment_size,
                                 std::span<Payload> out) {
  std::size_t payloads = 0;
  // Payload that the paths have not heard of yet: once for all of it.
  std::size_t bytes = 0;
  bool newest = false;
  const auto note_payload = [&] {
    if (bytes == 0) return;
    paths_.HandlePayload(now, socket, from, std::exchange(bytes, 0),
                         std::exchange(newest, false));
    NoteReceived(now, socket, from, /*payload=*/true);
  };
  do {
    const MutableByteSpan datagram =
        train.first(std::min(segment_size, train.size()));
    train = train.subspan(datagram.size());
    if (over()) break;
    const auto packet = protection_.Open(datagram);
    if (!packet) {
      if (!protection_.dead()) continue;
      note_payload();
      End();
      break;
    }
    NoteEpoch(now);
    if (packet->type == PacketType::kProbe) {
      note_payload();
      HandleProbe(now, socket, from, datagram.size(), *packet);
      NoteReceived(now, socket, from, /*payload=*/false);
      continue;
    }
    bytes += datagram.size();
    newest = newest || packet->newest;
    out[payloads++] = {.number = packet->number, .bytes = packet->plaintext};
  } while (!train.empty());
  note_payload();
  return payloads;
}

void Channel::NoteEpoch(TimePoint now) {
  if (protection_.receive_epoch() == receive_epoch_) return;
  receive_epoch_ = protection_.receive_epoch();
  const ice::Pair* pair = paths_.selected();
  forget_at_ = now + std::max(kMinForgetAfter,
                              pair ? kForgetRoundTrips * pair->smoothed_rtt()
                                   : Duration(0));
}

void Channel::NoteReceived(TimePoint now, std::uint8_t socket,
                           const SocketAddress& from, bool payload) {
  const bool was_silent = consent_.silent();
  const ice::Pair* path = paths_.selected();
  consent_.OnReceived(now, path && path->Is(socket, from), payload);
  // It may be another path by now, which takes more.
  if (was_silent && !consent_.silent()) mtu_.Search(now);
  ProcessAgentEvents(now);
  NoteAlive();
}

// Without a path there is none to lose.
void Channel::End() {
  (paths_.selected() ? lost_ : failed_) = true;
  end_event_ = true;
}

void Channel::HandleProbe(TimePoint now, std::uint8_t socket,
                          const SocketAddress& from, std::size_t size,
                          const PacketProtection::Opened& packet) {
  const auto probe = ice::ReadProbe(packet.plaintext);
  if (!probe) {
    protection_.CountDrop(DropReason::kMalformedProbe);
    return;
  }
  if (!paths_.HandleProbe(now, socket, from, size, *probe, packet.newest)) {
    protection_.CountDrop(DropReason::kRefusedSource);
    return;
  }
  const ice::Pair* path = paths_.selected();
  if (!path || !path->Is(socket, from)) return;
  mtu_.HandleEcho(probe->echo);
  consent_.SetRtt(path->smoothed_rtt());
}

void Channel::ProcessAgentEvents(TimePoint now) {
  while (const auto event = paths_.agent().PollEvent()) {
    switch (*event) {
      case ice::Agent::Event::kSelected: {
        const ice::Pair& path = *paths_.selected();
        const bool first = !consent_.running();
        first ? connected_event_ = true : path_event_ = true;
        if (!first) ++path_changes_;
        consent_.OnPath(now);
        consent_.SetRtt(path.smoothed_rtt());
        mtu_.Start(now, path.remote().ip.is_v6(), path.smoothed_rtt());
        reported_size_ = mtu_.datagram_size();
        break;
      }
      case ice::Agent::Event::kFailed:
        End();
        break;
    }
  }
}

void Channel::NoteAlive() {
  if (!told_silent_ || consent_.silent()) return;
  told_silent_ = false;
  alive_event_ = true;
}

void Channel::CheckPaths(TimePoint now) {
  if (over()) return;
  paths_.agent().CheckAll(now);
}

void Channel::HandleTimeout(TimePoint now) {
  if (over()) return;
  if (forget_at_ && now >= *forget_at_) {
    protection_.ForgetPreviousEpoch();
    forget_at_.reset();
  }
  paths_.HandleTimeout(now);
  ProcessAgentEvents(now);
  NoteAlive();
  if (!consent_.running()) return;
  ice::Agent& agent = paths_.agent();
  while (const auto due = consent_.Poll(now)) {
    switch (*due) {
      case Consent::Due::kKeepalive:
        agent.Ping(agent.selected()->id());
        break;
      case Consent::Due::kStandby:
        if (const ice::Pair* standby = agent.standby(now)) {
          agent.Ping(standby->id());
        }
        break;
      case Consent::Due::kSilence:
        paths_.HandleSilence(now);
        told_silent_ = true;
        silent_event_ = true;
        break;
      case Consent::Due::kLoss:
        End();
        break;
    }
  }
}

std::optional<TimePoint> Channel::PollTimeout() const {
  if (over()) return std::nullopt;
  std::optional<TimePoint> next = paths_.PollTimeout();
  for (const auto& other : {consent_.next(), mtu_.next()}) {
    if (other) next = next ? std::min(*next, *other) : *other;
  }
  return next;
}

std::size_t Channel::SealProbe(const ice::Probe& probe, std::size_t size,
                               MutableByteSpan out) {
  const MutableByteSpan plaintext =
      out.subspan(kPayloadOffset, size - kOverhead);
  ice::WriteProbe(probe, plaintext);
  ++probes_sent_;
  return protection_.Seal(PacketType::kProbe, plaintext, {}, out);
}

std::optional<Channel::Transmit> Channel::PollTransmit(TimePoint now,
                                                       MutableByteSpan out) {
  P2PCP_CHECK(out.size() >= kMaxDatagramSize);
  if (over()) return std::nullopt;
  if (const auto transmit = paths_.agent().PollTransmit(now)) {
    const ice::Pair* path = paths_.selected();
    if (path && path->id() == transmit->pair) {
      consent_.OnSent(now, /*asks=*/transmit->probe.challenge != 0);
    }
    return Transmit{.socket = transmit->socket,
                    .to = transmit->to,
                    .size = SealProbe(transmit->probe, kProbeSize, out),
                    .hop_limit = transmit->hop_limit};
  }
  if (!connected()) return std::nullopt;
  const auto probe = mtu_.PollProbe(now, *random_);
  if (!probe) return std::nullopt;
  const ice::Pair& path = *paths_.selected();
  // Its loss is no sign of silence, so it does not ask.
  consent_.OnSent(now, /*asks=*/false);
  return Transmit{.socket = path.socket(),
                  .to = path.remote(),
                  .size = SealProbe({.challenge = probe->challenge,
                                     .echo = path.peer_challenge(),
                                     .selected = true},
                                    probe->size, out)};
}

std::size_t Channel::SealGuess(MutableByteSpan out) {
  std::uint64_t challenge = 0;
  while (challenge == 0) challenge = random_->NextU64();
  return SealProbe({.challenge = challenge, .echo = 0, .selected = false},
                   kProbeSize, out);
}

std::optional<Event> Channel::PollEvent() {
  if (connected_event_) {
    connected_event_ = false;
    return Event{.type = EventType::kConnected, .path = path()};
  }
  if (silent_event_) {
    silent_event_ = false;
    return Event{.type = EventType::kSilent, .path = path()};
  }
  if (path_event_) {
    path_event_ = false;
    return Event{.type = EventType::kPathChanged, .path = path()};
  }
  if (alive_event_) {
    alive_event_ = false;
    return Event{.type = EventType::kAlive, .path = path()};
  }
  if (reported_size_ != mtu_.datagram_size()) {
    reported_size_ = mtu_.datagram_size();
    return Event{.type = EventType::kMaxPayloadChanged, .path = path()};
  }
  if (end_event_) {
    end_event_ = false;
    return failed_ ? Event{.type = EventType::kFailed, .path = {}}
                   : Event{.type = EventType::kLost, .path = path()};
  }
  return std::nullopt;
}

bool Channel::connected() const {
  return paths_.selected() != nullptr && !over();
}

Path Channel::path() const {
  const ice::Pair* pair = paths_.selected();
  P2PCP_CHECK(pair != nullptr);
  return {.socket = pair->socket(),
          .remote = pair->remote(),
          .local_type = paths_.agent().checklist().LocalType(*pair),
          .remote_type = pair->remote_type(),
          .relayed = pair->relayed(),
          .rtt = pair->smoothed_rtt()};
}

Duration Channel::rtt() const {
  const ice::Pair* pair = paths_.selected();
  return pair != nullptr ? pair->smoothed_rtt() : Duration(0);
}

void Channel::SetLinkMtu(TimePoint now, std::size_t mtu) {
  if (connected()) mtu_.SetLinkMtu(now, mtu);
}

void Channel::HandleTooBig(TimePoint now, std::size_t datagram_size) {
  if (connected()) mtu_.HandleTooBig(now, datagram_size);
}

void Channel::SuspectMaxPayload(TimePoint now) {
  if (connected()) mtu_.Suspect(now, paths_.selected()->smoothed_rtt());
}

std::size_t Channel::max_payload() const {
  return mtu_.datagram_size() - kOverhead;
}

PacketNumber Channel::next_packet_number() const {
  return protection_.next_packet_number();
}

std::size_t Channel::SealPayload(TimePoint now, ByteSpan frames, ByteSpan data,
                                 MutableByteSpan out) {
  P2PCP_CHECK(connected());
  P2PCP_CHECK(frames.size() + data.size() <= max_payload());
  consent_.OnSent(now, /*asks=*/true);
  ++payloads_sent_;
  return protection_.Seal(PacketType::kPayload, frames, data, out);
}

std::size_t Channel::SealRun(TimePoint now, std::size_t count,
                             std::size_t frames_size, ByteSpan data,
                             MutableByteSpan out) {
  P2PCP_CHECK(connected());
  P2PCP_CHECK(count > 0 && data.size() % count == 0);
  P2PCP_CHECK(frames_size + data.size() / count <= max_payload());
  consent_.OnSent(now, /*asks=*/true);
  payloads_sent_ += count;
  return protection_.SealRun(count, frames_size, data, out);
}

Stats Channel::stats() const {
  return {.received = protection_.stats(),
          .payloads_sent = payloads_sent_,
          .probes_sent = probes_sent_,
          .black_holes = mtu_.black_holes(),
          .path_changes = path_changes_};
}

}  // namespace p2pcp::channel
