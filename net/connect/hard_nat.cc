#include "net/connect/hard_nat.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::connect {
namespace {

// Sockets that read a sequence anew: one may be lost.
constexpr int kReadingSockets = 3;
// Where the peer's one socket is seen: by two servers that differ, at most.
constexpr std::size_t kMaxEndpoints = 2;
// Guesses rest for so long after something authentic came.
constexpr Duration kHeardPause = 500ms;

// Guessing is for the Internet. In a private network it would be a scan of
// somebody's neighbours, and within one NAT it is of no use.
bool MayGuessAt(const ice::Nat& ours, const ice::Nat& theirs) {
  if (theirs.external.empty()) return false;
  const IpAddress& ip = theirs.external.front();
  return ip.is_v4() && !ip.IsPrivate() && !ip.IsLoopback() &&
         ice::IsProbeable({.ip = ip, .port = 1024}, false) &&
         std::ranges::find(ours.external, ip) == ours.external.end();
}

}  // namespace

void HardNat::SetObservations(TimePoint now,
                              std::span<const stun::Observation> observations) {
  nat_.mapping = stun::ClassifyMapping(observations);
  servers_.clear();
  for (const stun::Observation& observation : observations) {
    servers_.push_back(observation.server);
    const IpAddress& ip = observation.mapped.ip;
    if (std::ranges::find(nat_.external, ip) == nat_.external.end()) {
      nat_.external.insert(nat_.external.begin(), ip);
    }
  }
  if (nat_.external.size() > ice::Nat::kMaxExternal) {
    nat_.external.resize(ice::Nat::kMaxExternal);
  }
  Advance(now);
}

void HardNat::SetPeer(TimePoint now, const ice::Nat& peer, bool ready,
                      std::span<const ice::Candidate> candidates, bool fresh) {
  if (!peer_) {
    since_ = now;
    if (fresh) fresh_at_ = now + kFreshAfter;
    reading_ = nat_.reading;
    peer_reading_ = peer.reading;
  } else if (stage_ && tactic_.kind != ice::TacticKind::kMeet &&
             peer.ports != peer_->ports) {
    EndStage();  // It goes after what is no longer true.
  }
  peer_ = peer;
  peer_ready_ = peer_ready_ || ready;
  candidates_.insert(candidates_.end(), candidates.begin(), candidates.end());
  Advance(now);
}

std::vector<SocketAddress> HardNat::Endpoints() const {
  std::vector<SocketAddress> endpoints;
  for (const ice::Candidate& candidate : candidates_) {
    const SocketAddress& address = candidate.address;
    const auto& external = peer_->external;
    if (endpoints.size() < kMaxEndpoints && address.ip.is_v4() &&
        ice::IsProbeable(address, false) &&
        std::ranges::find(external, address.ip) != external.end() &&
        std::ranges::find(endpoints, address) == endpoints.end()) {
      endpoints.push_back(address);
    }
  }
  return endpoints;
}

void HardNat::EndSession() {
  EndStage();
  peer_.reset();
  peer_ready_ = false;
  fresh_at_.reset();
  candidates_.clear();
  tactic_ = {};
  attempt_ = 0;
  stage_over_ = false;
  again_at_.reset();
  waiting_.reset();
  heard_.reset();
  if (use_ == Use::kGuessing || use_ == Use::kFresh) Want(Use::kNone, 0);
}

void HardNat::Want(Use use, int count) {
  use_ = use;
  opened_ = false;
  samples_.clear();
  wanted_ = {.generation = wanted_.generation + 1,
             .count = count,
             .guessing = use == Use::kGuessing};
}

void HardNat::HandleOpened(TimePoint now,
                           std::span<const std::uint16_t> local_ports) {
  if (use_ == Use::kNone) return;
  opened_ = true;
  if (use_ == Use::kSamples || use_ == Use::kFresh) {
    for (std::size_t i = 0; i < local_ports.size(); ++i) {
      samples_.push_back(
          {local_ports[i], stun::BindingTransaction(
                               now, servers_[i % servers_.size()], random_)});
    }
    samples_end_ = now + kSampleTimeout;
  } else {
    wanted_.count = static_cast<int>(local_ports.size());
  }
  Advance(now);
}

bool HardNat::SamplesDone(TimePoint now) const {
  return now >= samples_end_ ||
         std::ranges::none_of(samples_, [](const Sample& sample) {
           return sample.transaction.state() ==
                  stun::BindingTransaction::State::kPending;
         });
}

void HardNat::FinishSamples() {
  std::vector<ice::PortSample> ports;
  for (const Sample& sample : samples_) {
    if (sample.transaction.state() ==
        stun::BindingTransaction::State::kSucceeded) {
      ports.push_back({.local = sample.local_port,
                       .external = sample.transaction.mapped_address().port});
    }
  }
  ++nat_.reading;
  if (nat_.ports.allocation != ice::PortAllocation::kSequential) {
    nat_.ports = ice::InferPortModel(ports);
    return;
  }
  // Where the sequence stands now. It may have begun anew, or run backwards.
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const int ahead = (ports[i].external - nat_.ports.last) * nat_.ports.step;
    if (i == 0 || ahead > 0) nat_.ports.last = ports[i].external;
  }
}

std::optional<TimePoint> HardNat::WaitsUntil() const {
  if (tactic_.kind == ice::TacticKind::kGuess && !peer_ready_) {
    return since_ + kReadyPatience;
  }
  if (tactic_.read_theirs && peer_->reading - peer_reading_ < 1 + attempt_) {
    return since_ + kPatience;
  }
  return std::nullopt;
}

std::optional<SocketAddress> HardNat::TakeFresh() {
  return std::exchange(fresh_, std::nullopt);
}

void HardNat::Advance(TimePoint now) {
  if (use_ == Use::kFresh) {
    if (!opened_ || !SamplesDone(now)) return;
    if (!samples_.empty() && samples_[0].transaction.state() ==
                                 stun::BindingTransaction::State::kSucceeded) {
      fresh_ = samples_[0].transaction.mapped_address();
    }
    Want(Use::kNone, 0);
  }
  // Where ports are guessed there are fresh sockets enough.
  if (fresh_at_ && now >= *fresh_at_ && use_ == Use::kNone && !stage_ &&
      !servers_.empty()) {
    fresh_at_.reset();
    Want(Use::kFresh, 1);
    return;
  }
  if (!may_guess_) return;
  waiting_.reset();
  if (again_at_ && now >= *again_at_) {
    again_at_.reset();
    stage_over_ = false;
  }
  if (use_ == Use::kSamples) {
    if (!opened_ || !SamplesDone(now)) return;
    FinishSamples();
    Want(Use::kNone, 0);
  }
  if (nat_.hard() && nat_.reading == 0 && !servers_.empty()) {
    Want(Use::kSamples, ice::kPortSamples);
    return;
  }
  if (!peer_ || stage_over_ || !MayGuessAt(nat_, *peer_)) return;
  if (stage_) {
    if (tactic_.kind != ice::TacticKind::kMeet || attempt_ > 0 ||
        now < stage_since_ + kMeetAgainAfter) {
      return;
    }
    EndStage();
    attempt_ = 1;
    since_ = now;
  }
  tactic_ = ice::ChooseTactic(nat_, *peer_);
  if (tactic_.kind == ice::TacticKind::kNone) return;
  if (tactic_.kind == ice::TacticKind::kOpen && Endpoints().empty()) {
    return;
  }
  if (tactic_.read_ours && nat_.reading - reading_ < 1 + attempt_) {
    Want(Use::kSamples, kReadingSockets);
    return;
  }
  waiting_ = WaitsUntil();
  if (waiting_ && now < *waiting_) return;
  waiting_.reset();
  const int sockets = attempt_ > 0 ? ice::kMeetSocketsAgain : tactic_.sockets;
  if (use_ != Use::kGuessing) Want(Use::kGuessing, sockets);
  if (opened_) StartStage(now);
}

void HardNat::StartStage(TimePoint now) {
  if (wanted_.count == 0 && tactic_.sockets > 0) {
    stage_over_ = true;  // There is no descriptor to be had.
    return;
  }
  tried_ = tactic_.kind;
  stage_since_ = now;
  const auto forgotten =
      std::chrono::duration_cast<std::chrono::seconds>(now - spent_at_).count();
  spent_ = static_cast<int>(std::max<std::int64_t>(0, spent_ - forgotten));
  spent_at_ = now;
  const int most = tactic_.kind == ice::TacticKind::kOpen ? ice::kMaxProbes
                                                          : ice::kMaxGuesses;
  stage_.emplace(now,
                 ice::GuessStage::Config{.tactic = tactic_,
                                         .ours = nat_.ports,
                                         .theirs = peer_->ports,
                                         .peer = peer_->external.front(),
                                         .endpoints = Endpoints(),
                                         .sockets = wanted_.count,
                                         .attempt = attempt_,
                                         .budget = std::max(0, most - spent_)},
                 random_);
}

void HardNat::EndStage() {
  if (!stage_) return;
  probes_ += stage_->sent();
  spent_ += stage_->sent();
  stage_.reset();
  if (use_ == Use::kGuessing) Want(Use::kNone, 0);
}

bool HardNat::HandleStun(TimePoint now, int socket, const SocketAddress& from,
                         ByteSpan datagram) {
  if ((use_ != Use::kSamples && use_ != Use::kFresh) || socket < 0 ||
      static_cast<std::size_t>(socket) >= samples_.size()) {
    return false;
  }
  if (!samples_[static_cast<std::size_t>(socket)].transaction.HandleDatagram(
          now, from, datagram)) {
    return false;
  }
  Advance(now);
  return true;
}

std::optional<HardNat::Transmit> HardNat::PollTransmit(TimePoint now,
                                                       MutableByteSpan out) {
  // In order: that of the mappings is what is to be seen.
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    stun::BindingTransaction& transaction = samples_[i].transaction;
    if (const auto size = transaction.PollTransmit(now, out)) {
      return Transmit{.socket = static_cast<int>(i),
                      .to = transaction.server(),
                      .size = *size};
    }
  }
  if (!stage_ || (heard_ && now < *heard_ + kHeardPause)) return std::nullopt;
  const auto transmit = stage_->PollTransmit(now);
  if (!transmit) return std::nullopt;
  return Transmit{.socket = transmit->socket,
                  .to = transmit->to,
                  .hop_limit = transmit->hop_limit};
}

void HardNat::HandleTimeout(TimePoint now) {
  for (Sample& sample : samples_) sample.transaction.HandleTimeout(now);
  Advance(now);
}

std::optional<TimePoint> HardNat::PollTimeout() const {
  std::optional<TimePoint> next;
  const auto consider = [&next](std::optional<TimePoint> time) {
    if (time) next = next ? std::min(*next, *time) : *time;
  };
  if (use_ == Use::kSamples || use_ == Use::kFresh) {
    if (!opened_) return std::nullopt;
    for (const Sample& sample : samples_) {
      consider(sample.transaction.PollTimeout());
    }
    consider(samples_end_);
    return next;
  }
  if (use_ == Use::kNone && !stage_ && !servers_.empty()) consider(fresh_at_);
  if (stage_) {
    auto due = stage_->PollTimeout();
    if (due && heard_) due = std::max(*due, *heard_ + kHeardPause);
    consider(due);
    if (tactic_.kind == ice::TacticKind::kMeet && attempt_ == 0) {
      consider(stage_since_ + kMeetAgainAfter);
    }
  } else {
    consider(waiting_);
    consider(again_at_);
  }
  return next;
}

}  // namespace p2pcp::connect
