#include "net/connect/rendezvous_pair.h"

#include <utility>

#include "net/crypto/hand_over.h"

namespace p2pcp::connect {

using signaling::Rendezvous;

RendezvousPair::RendezvousPair(TimePoint now, UnixTime wall,
                               const Rendezvous::Config& config,
                               const crypto::Identity* former, Random& random) {
  both_.push_back(std::make_unique<Rendezvous>(now, wall, config, random));
  if (former == nullptr) return;
  Rendezvous::Config old = config;
  old.self = former;
  old.hand_over = crypto::HandOver::Make(*former, *config.self);
  both_.push_back(
      std::make_unique<Rendezvous>(now, wall, std::move(old), random));
}

std::vector<std::string> RendezvousPair::Topics() const {
  std::vector<std::string> topics;
  for (const auto& each : both_) {
    const std::vector<std::string> its = each->Topics();
    topics.insert(topics.end(), its.begin(), its.end());
  }
  return topics;
}

void RendezvousPair::HandleSubscribed(TimePoint now, UnixTime wall) {
  for (const auto& each : both_) each->HandleSubscribed(now, wall);
}

void RendezvousPair::HandleMessage(TimePoint now, UnixTime wall,
                                   std::string_view topic, ByteSpan payload) {
  // Each drops what is not under its topics.
  for (const auto& each : both_) {
    each->HandleMessage(now, wall, topic, payload);
  }
}

void RendezvousPair::HandleTimeout(TimePoint now, UnixTime wall) {
  for (const auto& each : both_) each->HandleTimeout(now, wall);
}

std::optional<TimePoint> RendezvousPair::PollTimeout() const {
  std::optional<TimePoint> earliest;
  for (const auto& each : both_) {
    const auto due = each->PollTimeout();
    if (due && (!earliest || *due < *earliest)) earliest = due;
  }
  return earliest;
}

void RendezvousPair::SetLocalCandidates(
    TimePoint now, const std::vector<ice::Candidate>& candidates) {
  for (const auto& each : both_) each->SetLocalCandidates(now, candidates);
}

void RendezvousPair::SetLocalNat(TimePoint now, const ice::Nat& nat) {
  for (const auto& each : both_) each->SetLocalNat(now, nat);
}

void RendezvousPair::SetBusy(TimePoint now, bool busy) {
  for (const auto& each : both_) each->SetBusy(now, busy);
}

void RendezvousPair::Close(TimePoint now, signaling::ByeReason reason) {
  for (const auto& each : both_) each->Close(now, reason);
}

std::optional<Rendezvous::Publish> RendezvousPair::PollPublish() {
  for (const auto& each : both_) {
    if (auto publish = each->PollPublish()) return publish;
  }
  return std::nullopt;
}

std::optional<Rendezvous::Event> RendezvousPair::PollEvent(bool* by_former) {
  for (std::size_t i = 0; i < both_.size(); ++i) {
    *by_former = i == 1;
    if (auto event = both_[i]->PollEvent()) return event;
  }
  return std::nullopt;
}

std::optional<signaling::Nonce> RendezvousPair::WaitingOffer() const {
  for (const auto& each : both_) {
    if (auto ready = each->WaitingOffer()) return ready;
  }
  return std::nullopt;
}

bool RendezvousPair::PeerConfirmed(bool by_former) const {
  return both_[by_former ? 1 : 0]->PeerConfirmed();
}

void RendezvousPair::RepeatCandidates(TimePoint now, bool by_former) {
  both_[by_former ? 1 : 0]->RepeatCandidates(now);
}

}  // namespace p2pcp::connect
