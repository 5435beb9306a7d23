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
// Of the peer's, over a session: as many as the rendezvous remembers.
constexpr std::size_t kMaxCandidates = 64;
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
                              std::span<const stun::Observation> observations,
                              std::optional<std::uint16_t> local_port) {
  observations_.assign(observations.begin(), observations.end());
  local_port_ = local_port;
  for (const stun::Observation& observation : observations) {
    const IpAddress& ip = observation.mapped.ip;
    if (std::ranges::find(nat_.external, ip) == nat_.external.end()) {
      nat_.external.insert(nat_.external.begin(), ip);
    }
  }
  if (nat_.external.size() > ice::Nat::kMaxExternal) {
    nat_.external.resize(ice::Nat::kMaxExternal);
  }
  // Behind another NAT.
  if (asked_behind_ && !observations.empty() &&
      *asked_behind_ != observations.front().mapped.ip) {
    asked_behind_.reset();
    second_opinion_ = ice::Dependence::kUnknown;
  }
  Judge();
  Advance(now);
}

void HardNat::Judge() {
  const bool was_hard = nat_.hard();
  nat_.mapping = stun::ClassifyMapping(observations_);
  if (nat_.mapping == ice::Dependence::kEndpointIndependent &&
      second_opinion_ != ice::Dependence::kUnknown) {
    nat_.mapping = second_opinion_;
  }
  // What goes on is the wrong half of a plan.
  if (nat_.hard() != was_hard) EndStage();
}

bool HardNat::IsDoubtful() const {
  return nat_.mapping == ice::Dependence::kEndpointIndependent &&
         !asked_behind_ && local_port_ && !observations_.empty() &&
         observations_.front().mapped.port != *local_port_;
}

std::vector<const HardNat::Sample*> HardNat::AnsweredSamples() const {
  std::vector<const Sample*> answered;
  for (const Sample& sample : samples_) {
    if (sample.transaction.state() ==
        stun::BindingTransaction::State::kSucceeded) {
      answered.push_back(&sample);
    }
  }
  return answered;
}

void HardNat::FinishSecondOpinion() {
  std::vector<stun::Observation> seen;
  for (const Sample* sample : AnsweredSamples()) {
    seen.push_back(
        {sample->transaction.server(), sample->transaction.mapped_address()});
  }
  second_opinion_ = stun::ClassifyMapping(seen);
  Judge();
}

void HardNat::SetPeer(TimePoint now, const ice::Nat& peer, bool ready,
                      std::span<const ice::Candidate> candidates, bool fresh) {
  if (!peer_) {
    since_ = now;
    if (fresh) fresh_at_ = now + kFreshAfter;
    reading_ = nat_.reading;
    peer_reading_ = peer.reading;
  } else if (stage_ && (peer.hard() != peer_->hard() ||
                        (tactic_.kind != ice::TacticKind::kMeet &&
                         peer.ports != peer_->ports))) {
    EndStage();  // It goes after what is no longer true.
  }
  peer_ = peer;
  peer_ready_ = peer_ready_ || ready;
  for (const ice::Candidate& candidate : candidates) {
    if (candidates_.size() < kMaxCandidates &&
        std::ranges::find(candidates_, candidate.address,
                          &ice::Candidate::address) == candidates_.end()) {
      candidates_.push_back(candidate);
    }
  }
  Advance(now);
}

bool HardNat::IsEndpoint(const ice::Candidate& candidate) const {
  const SocketAddress& address = candidate.address;
  const auto& external = peer_->external;
  return address.ip.is_v4() && ice::IsProbeable(address, false) &&
         std::ranges::find(external, address.ip) != external.end();
}

std::vector<SocketAddress> HardNat::Endpoints() const {
  std::vector<SocketAddress> endpoints;
  for (const bool old : {false, true}) {
    for (const ice::Candidate& candidate : candidates_) {
      const bool opened =
          std::ranges::find(opened_to_, candidate.address) != opened_to_.end();
      if (opened == old && endpoints.size() < kMaxEndpoints &&
          IsEndpoint(candidate)) {
        endpoints.push_back(candidate.address);
      }
    }
  }
  return endpoints;
}

bool HardNat::HasNewEndpoint() const {
  return std::ranges::any_of(candidates_, [this](
                                              const ice::Candidate& candidate) {
    return candidate.type == ice::CandidateType::kServerReflexive &&
           IsEndpoint(candidate) &&
           std::ranges::find(opened_to_, candidate.address) == opened_to_.end();
  });
}

void HardNat::EndSession() {
  EndStage();
  peer_.reset();
  peer_ready_ = false;
  fresh_at_.reset();
  candidates_.clear();
  tactic_ = {};
  attempt_ = 0;
  opened_to_.clear();
  fresh_tried_ = guess_from_fresh_ = false;
  stage_over_ = false;
  again_at_.reset();
  waiting_.reset();
  heard_.reset();
  // The first measurement is for whatever session comes.
  const bool reads_anew = use_ == Use::kSamples && nat_.reading > 0;
  if (use_ == Use::kGuessing || use_ == Use::kFresh || reads_anew) {
    Want(Use::kNone, 0);
  }
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
  const auto ask = [&](std::size_t socket, const SocketAddress& server) {
    samples_.push_back({static_cast<int>(socket), local_ports[socket],
                        stun::BindingTransaction(now, server, random_)});
  };
  samples_end_ = now + kSampleTimeout;
  switch (use_) {
    case Use::kNone:
      return;
    case Use::kGuessing:
      wanted_.count = static_cast<int>(local_ports.size());
      break;
    case Use::kSamples:
    case Use::kFresh:
      // The servers may have taken back what they said: nobody is to be asked.
      if (observations_.empty()) break;
      for (std::size_t i = 0; i < local_ports.size(); ++i) {
        ask(i, observations_[i % observations_.size()].server);
      }
      break;
    case Use::kSecondOpinion:
      for (const stun::Observation& observation : observations_) {
        if (!local_ports.empty()) ask(0, observation.server);
      }
      break;
  }
  opened_ = true;
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
  for (const Sample* sample : AnsweredSamples()) {
    ports.push_back({.local = sample->local_port,
                     .external = sample->transaction.mapped_address().port});
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
  if (guess_from_fresh_) return since_ + kOpenPatience;
  return std::nullopt;
}

std::optional<SocketAddress> HardNat::TakeFresh() {
  return std::exchange(fresh_, std::nullopt);
}

void HardNat::FinishFresh(TimePoint now) {
  // One was asked for.
  if (const auto answered = AnsweredSamples(); !answered.empty()) {
    fresh_ = answered.front()->transaction.mapped_address();
    guess_from_fresh_ = fresh_tried_;
    since_ = now;
  }
}

std::optional<TimePoint> HardNat::AgainAt() const {
  if (!stage_ || attempt_ > 0) return std::nullopt;
  if (tactic_.kind == ice::TacticKind::kMeet) {
    return stage_since_ + kMeetAgainAfter;
  }
  if (tactic_.kind != ice::TacticKind::kGuess || !stage_sent_) {
    return std::nullopt;
  }
  // What was sent last may still hit.
  const TimePoint at = *stage_sent_ + ice::kStagePause;
  return heard_ ? std::max(at, *heard_ + kHeardPause) : at;
}

void HardNat::Advance(TimePoint now) {
  if (use_ == Use::kFresh) {
    if (!opened_ || !SamplesDone(now)) return;
    FinishFresh(now);
    Want(Use::kNone, 0);
  }
  // Where ports are guessed there are fresh sockets enough.
  if (fresh_at_ && now >= *fresh_at_ && use_ == Use::kNone && !stage_ &&
      !observations_.empty()) {
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
  if (use_ == Use::kSamples || use_ == Use::kSecondOpinion) {
    if (!opened_ || !SamplesDone(now)) return;
    use_ == Use::kSamples ? FinishSamples() : FinishSecondOpinion();
    Want(Use::kNone, 0);
  }
  if (nat_.hard() && nat_.reading == 0) {
    Want(Use::kSamples, ice::kPortSamples);
    return;
  }
  if (use_ == Use::kNone && IsDoubtful()) {
    asked_behind_ = observations_.front().mapped.ip;
    Want(Use::kSecondOpinion, 1);
    return;
  }
  if (!peer_ || stage_over_ || !MayGuessAt(nat_, *peer_)) return;
  if (stage_) {
    const auto again = AgainAt();
    const bool opens = tactic_.kind == ice::TacticKind::kOpen;
    if (!(again && now >= *again) && !(opens && HasNewEndpoint())) return;
    EndStage();
    ++attempt_;
    since_ = now;
  }
  tactic_ = ice::ChooseTactic(nat_, *peer_);
  if (tactic_.kind == ice::TacticKind::kNone) return;
  if (tactic_.kind == ice::TacticKind::kOpen && Endpoints().empty()) {
    return;
  }
  // A check from a port that nobody knows may have poisoned the one socket
  // (net/ice/PROTOCOL.md 2).
  if (tactic_.kind == ice::TacticKind::kGuess && attempt_ > 0 &&
      !fresh_tried_) {
    fresh_tried_ = true;
    fresh_at_.reset();
    Want(Use::kFresh, 1);
    return;
  }
  if (tactic_.read_ours && nat_.reading - reading_ < 1 + attempt_) {
    Want(Use::kSamples, kReadingSockets);
    return;
  }
  waiting_ = WaitsUntil();
  if (waiting_ && now < *waiting_) return;
  waiting_.reset();
  const bool meets_again =
      tactic_.kind == ice::TacticKind::kMeet && attempt_ > 0;
  const int sockets = meets_again ? ice::kMeetSocketsAgain : tactic_.sockets;
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
  stage_sent_.reset();
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
  opened_to_.clear();
  for (const ice::Candidate& candidate : candidates_) {
    if (IsEndpoint(candidate)) opened_to_.push_back(candidate.address);
  }
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
  for (Sample& sample : samples_) {
    if (sample.socket != socket ||
        !sample.transaction.HandleDatagram(now, from, datagram)) {
      continue;
    }
    Advance(now);
    return true;
  }
  return false;
}

std::optional<HardNat::Transmit> HardNat::PollTransmit(TimePoint now,
                                                       MutableByteSpan out) {
  // In order: that of the mappings is what is to be seen.
  for (Sample& sample : samples_) {
    if (const auto size = sample.transaction.PollTransmit(now, out)) {
      return Transmit{.socket = sample.socket,
                      .to = sample.transaction.server(),
                      .size = *size};
    }
  }
  if (!stage_ || (heard_ && now < *heard_ + kHeardPause)) return std::nullopt;
  const auto transmit = stage_->PollTransmit(now);
  if (!transmit) return std::nullopt;
  if (!stage_->PollTimeout()) stage_sent_ = now;
  const bool main = transmit->socket == ice::GuessStage::kMainSocket;
  return Transmit{
      .socket = main && guess_from_fresh_ ? kFreshSocket : transmit->socket,
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
  if (use_ != Use::kNone && use_ != Use::kGuessing) {
    if (!opened_) return std::nullopt;
    for (const Sample& sample : samples_) {
      consider(sample.transaction.PollTimeout());
    }
    consider(samples_end_);
    return next;
  }
  if (use_ == Use::kNone && !stage_ && !observations_.empty()) {
    consider(fresh_at_);
  }
  if (stage_) {
    auto due = stage_->PollTimeout();
    if (due && heard_) due = std::max(*due, *heard_ + kHeardPause);
    consider(due);
    consider(AgainAt());
  } else {
    consider(waiting_);
    consider(again_at_);
  }
  return next;
}

}  // namespace p2pcp::connect
