#include "net/ice/guess_stage.h"

#include <algorithm>
#include <array>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::ice {
namespace {

// Of services that answer, or that routers watch: H.323, SSDP, NFS,
// WS-Discovery, SIP, mDNS, IRC, Ubiquiti's discovery, memcached.
constexpr std::array<std::uint16_t, 11> kExcluded = {
    1719, 1720, 1900, 2049, 3702, 5060, 5061, 5353, 6667, 10001, 11211};

// When the sockets of kOpen send (again), and how far: what was lost gets
// another chance, and at the end what died too early. Only half of them then:
// where openers did not die too early these arrive, and if the peer's router
// takes them for its own, no guess at their ports can hit any more.
struct Round {
  Duration at;
  int hop_limit;
};
constexpr std::array<Round, 4> kOpenRounds = {Round{0ms, 4}, Round{600ms, 4},
                                              Round{1800ms, 4}, Round{4s, 0}};
constexpr std::array<Round, 4> kMeetRounds = {Round{0ms, 0}, Round{150ms, 0},
                                              Round{400ms, 0}, Round{1s, 0}};

// Ports of a sequence that are guessed at: our peer has opened
// kSequentialSockets of them, after perhaps some flows of others.
constexpr int kSequenceWindow = 64;
constexpr int kSequenceFirst = 8;
// The sockets of a block all send to one port, then all to the next: their
// outside ports differ then, since the destination is the same, so that 256 of
// them hold a given ticket of 512 with 1/2, where 256 in all directions do with
// 0.39.
//
// Between a block and a sequence each flow of the sequence is a ticket: its
// port, which both sides foresee, and the one port of the block that it goes
// to. The block's sockets send openers to foreseen ports, since the sequence's
// few flows send again and again; the second time they go all the way, for the
// case that openers die too early.
//
// Those of the flows that fit while no more than 20 flows of others came in
// between; they are repeated.
constexpr int kRepeatedFlows = 32;
// So many neighbours go to the same port. A NAT that gives out no port twice
// has all of its block open when two foreseen ports have been aimed at, and if
// both tickets are for the same port one of them wins. A NAT that shows one
// address the same port has 256 open for good, and other ports are wanted.
constexpr int kSamePort = 4;
// How far ahead is aimed the second time.
constexpr int kAimAheadAgain = 50;

int PortAfter(const PortModel& sequence, int steps) {
  return sequence.last + steps * sequence.step;
}

}  // namespace

bool IsGuessable(std::uint16_t port) {
  return port >= 1024 && !std::ranges::binary_search(kExcluded, port);
}

GuessStage::GuessStage(TimePoint now, const Config& config, Random& random)
    : config_(config), begin_(now) {
  PlanPorts(random);
  Plan();
  limit_ = std::min(limit_, config_.budget);
  if (limit_ > 0) next_ = now;
}

void GuessStage::Plan() {
  switch (config_.tactic.kind) {
    case TacticKind::kNone:
      return;
    case TacticKind::kOpen: {
      P2PCP_CHECK(config_.sockets > 0 && !config_.endpoints.empty());
      interval_ = kOpenInterval;
      round_ = config_.sockets * static_cast<int>(config_.endpoints.size());
      limit_ = std::min(round_ * static_cast<int>(kOpenRounds.size()),
                        kMaxProbesPerStage);
      return;
    }
    case TacticKind::kGuess: {
      interval_ = kGuessInterval;
      round_ = kMaxProbesPerStage;
      const int twice = 2 * static_cast<int>(ports_.size());
      limit_ = ports_.empty() ? 0
               : config_.attempt > 0
                   ? kMaxProbesPerStage
                   : std::clamp(twice, kMinGuesses, kMaxProbesPerStage);
      return;
    }
    case TacticKind::kMeet:
      P2PCP_CHECK(config_.sockets > 0);
      interval_ = kGuessInterval;
      round_ = config_.sockets;
      limit_ =
          ports_.empty() ? 0 : round_ * static_cast<int>(kMeetRounds.size());
      return;
    case TacticKind::kLottery:
      P2PCP_CHECK(config_.sockets > 0);
      interval_ = kGuessInterval;
      round_ = kMaxProbesPerStage;
      if (!IsAimedAt()) interval_ = kOpenInterval;
      limit_ = ports_.empty() ? 0
               : IsAimedAt()  ? kMaxProbesPerStage
                              : kMaxGuesses;
      return;
  }
}

void GuessStage::PlanPorts(Random& random) {
  const auto add = [this](int port) {
    if (port > 0 && port <= 65535 &&
        IsGuessable(static_cast<std::uint16_t>(port))) {
      ports_.push_back(static_cast<std::uint16_t>(port));
    }
  };
  const PortModel& theirs = config_.theirs;
  switch (config_.tactic.kind) {
    case TacticKind::kNone:
    case TacticKind::kOpen:
      return;
    case TacticKind::kMeet:
      add(PortAfter(theirs,
                    config_.attempt == 0 ? kMeetAhead : kMeetAheadAgain));
      return;
    case TacticKind::kGuess:
      if (theirs.allocation == PortAllocation::kSequential) {
        for (int i = kSequenceFirst; i < kSequenceWindow; ++i) {
          add(PortAfter(theirs, i));
        }
        for (int i = 1; i < kSequenceFirst; ++i) add(PortAfter(theirs, i));
        return;
      }
      break;
    case TacticKind::kLottery:
      if (Aims()) {
        // So many as the sockets can aim at within a stage.
        const int count =
            (kMaxProbesPerStage + config_.sockets - 1) / config_.sockets;
        for (const int ahead : {kMeetAhead, kAimAheadAgain}) {
          for (int i = 0; i < count; ++i) add(PortAfter(theirs, ahead + i));
        }
        return;
      }
      break;
  }
  const bool block = theirs.allocation == PortAllocation::kBlock;
  const int low = block ? theirs.low : 1024;
  const int high = block ? theirs.high : 65535;
  for (int port = low; port <= high; ++port) add(port);
  for (std::size_t i = ports_.size(); i > 1; --i) {
    std::swap(ports_[i - 1], ports_[random.Below(i)]);
  }
}

bool GuessStage::Aims() const {
  return config_.tactic.kind == TacticKind::kLottery &&
         config_.theirs.allocation == PortAllocation::kSequential;
}

bool GuessStage::IsAimedAt() const {
  return config_.tactic.kind == TacticKind::kLottery &&
         config_.ours.allocation == PortAllocation::kSequential;
}

GuessStage::Transmit GuessStage::Aim() const {
  const auto at = static_cast<std::size_t>(sent_ % kMaxProbesPerStage);
  const auto sockets = static_cast<std::size_t>(config_.sockets);
  const bool again = sent_ >= kMaxProbesPerStage;
  const std::size_t half = (ports_.size() + 1) / 2;
  const std::size_t port = at / sockets % half + (again ? half : 0);
  return {.socket = static_cast<int>(at % sockets),
          .to = {.ip = config_.peer, .port = ports_[port % ports_.size()]},
          .hop_limit = again ? 0 : kOpenRounds[0].hop_limit};
}

// Of two tickets that fit it is enough that the later one arrives: every second
// one is an opener, so that twice as many can be drawn in the time. The second
// time it is the other way round, with the first half of the same ones: a NAT
// that gives out no port twice has no new ones by then. Others follow.
GuessStage::Transmit GuessStage::Draw() const {
  const auto at = static_cast<std::size_t>(sent_ % kMaxProbesPerStage);
  const auto sockets = static_cast<std::size_t>(config_.sockets);
  const std::size_t stage = sent_ >= kMaxProbesPerStage ? 1 : 0;
  const std::size_t rounds = (kMaxProbesPerStage + sockets - 1) / sockets;
  const std::size_t round = at / sockets;
  const std::size_t port =
      stage == 1 && round >= rounds / 2 ? round + rounds - rounds / 2 : round;
  const bool arrives = (at % sockets + round + stage) % 2 == 0;
  return {.socket = static_cast<int>(at % sockets),
          .to = {.ip = config_.peer, .port = ports_[port % ports_.size()]},
          .hop_limit = arrives ? 0 : kOpenRounds[0].hop_limit};
}

GuessStage::Transmit GuessStage::WaitForAim() const {
  const int repeated = std::min(config_.sockets, kRepeatedFlows);
  const int socket =
      sent_ < config_.sockets ? sent_ : (sent_ - config_.sockets) % repeated;
  const auto port =
      static_cast<std::size_t>(socket / kSamePort) % ports_.size();
  return {.socket = socket, .to = {.ip = config_.peer, .port = ports_[port]}};
}

GuessStage::Transmit GuessStage::Next() const {
  const auto at = static_cast<std::size_t>(sent_);
  const auto sockets = static_cast<std::size_t>(config_.sockets);
  switch (config_.tactic.kind) {
    case TacticKind::kNone:
      break;
    case TacticKind::kOpen: {
      const std::size_t in_round = at % static_cast<std::size_t>(round_);
      const auto socket = static_cast<int>(in_round % sockets);
      const Round& round = kOpenRounds[at / static_cast<std::size_t>(round_)];
      const bool near = socket % 2 == 1;
      return {.socket = socket,
              .to = config_.endpoints[in_round / sockets],
              .hop_limit = near ? kOpenRounds[0].hop_limit : round.hop_limit};
    }
    case TacticKind::kGuess:
      return {.socket = kMainSocket,
              .to = {.ip = config_.peer, .port = ports_[at % ports_.size()]}};
    case TacticKind::kMeet:
      return {.socket = static_cast<int>(at % sockets),
              .to = {.ip = config_.peer, .port = ports_.front()}};
    case TacticKind::kLottery:
      if (Aims()) return Aim();
      if (IsAimedAt()) return WaitForAim();
      return Draw();
  }
  P2PCP_CHECK(false);
  return {};
}

std::optional<GuessStage::Transmit> GuessStage::PollTransmit(TimePoint now) {
  if (!next_ || now < *next_) return std::nullopt;
  const Transmit transmit = Next();
  ++sent_;
  if (sent_ >= limit_) {
    next_.reset();
    return transmit;
  }
  // A timer that is late is made up for, but not in a burst.
  next_ = std::max(*next_ + interval_, now - 5 * interval_);
  if (sent_ % round_ == 0) {
    const auto round = static_cast<std::size_t>(sent_ / round_);
    switch (config_.tactic.kind) {
      case TacticKind::kOpen:
        next_ = std::max(*next_, begin_ + kOpenRounds[round].at);
        break;
      case TacticKind::kMeet:
        next_ = std::max(*next_, begin_ + kMeetRounds[round].at);
        break;
      case TacticKind::kNone:
      case TacticKind::kGuess:
      case TacticKind::kLottery:
        next_ = *next_ + kStagePause;
        // Nothing of it is an opener any more.
        if (Aims()) interval_ = kGuessInterval;
        break;
    }
  }
  return transmit;
}

}  // namespace p2pcp::ice
