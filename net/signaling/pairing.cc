#include "net/signaling/pairing.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "net/base/check.h"

namespace p2pcp::signaling {

Pairing::Pairing(TimePoint now, UnixTime wall, const crypto::Identity* self,
                 const std::optional<crypto::PairingCode>& shown,
                 Random& random)
    : self_(self), random_(random) {
  if (shown) displayer_.emplace(now, wall, *shown, self, random);
}

Pairing::~Pairing() = default;

void Pairing::Enter(TimePoint now, UnixTime wall,
                    const crypto::PairingCode& code) {
  if (outcome_ != Outcome::kNone) return;
  const std::vector<std::string> before = Topics();
  const int followed = enterer_ ? enterer_->followed() : 0;
  DropEnterer();
  enterer_.emplace(now, wall, code, self_, followed, random_);
  // Where the topics stay the same no broker will acknowledge them again.
  if (online_ && Topics() == before) enterer_->HandleOnline(now);
}

std::vector<std::string> Pairing::Topics() const {
  std::vector<std::string> topics;
  const auto add = [&](const PairingMailbox& mailbox) {
    for (const std::string& topic : mailbox.topics()) {
      if (std::find(topics.begin(), topics.end(), topic) == topics.end()) {
        topics.push_back(topic);
      }
    }
  };
  if (displayer_) add(displayer_->mailbox());
  if (enterer_) add(enterer_->mailbox());
  return topics;
}

void Pairing::HandleSubscribed(TimePoint now) {
  online_ = true;
  if (enterer_) enterer_->HandleOnline(now);
  Drain();
}

void Pairing::HandleMessage(TimePoint now, std::string_view topic,
                            ByteSpan payload) {
  if (displayer_) {
    const auto message = displayer_->mailbox().Receive(topic, payload);
    // Both codes may have the same digits: then we hear ourselves.
    if (message && !(enterer_ && message->enterer == enterer_->nonce())) {
      displayer_->HandleMessage(now, *message, enterer_ && enterer_->asking());
    }
  }
  if (enterer_) {
    if (const auto message = enterer_->mailbox().Receive(topic, payload)) {
      enterer_->HandleMessage(now, *message);
    }
  }
  Drain();
}

void Pairing::HandleTimeout(TimePoint now, UnixTime wall) {
  if (displayer_) {
    if (displayer_->mailbox().PollTimeout() <= now) {
      displayer_->mailbox().SetWall(now, wall);
    }
    displayer_->HandleTimeout(now);
  }
  if (enterer_) {
    if (enterer_->mailbox().PollTimeout() <= now) {
      enterer_->mailbox().SetWall(now, wall);
    }
    enterer_->HandleTimeout(now);
  }
  Drain();
}

std::optional<TimePoint> Pairing::PollTimeout() const {
  std::optional<TimePoint> earliest;
  const auto consider = [&](std::optional<TimePoint> time) {
    if (time && (!earliest || *time < *earliest)) earliest = time;
  };
  if (displayer_) {
    consider(displayer_->mailbox().PollTimeout());
    consider(displayer_->PollTimeout());
  }
  if (enterer_) {
    consider(enterer_->mailbox().PollTimeout());
    consider(enterer_->PollTimeout());
  }
  return earliest;
}

// Hands on what both sides tell, until one of them has decided it.
void Pairing::Drain() {
  const auto take = [&](auto& side, Outcome outcome) {
    while (auto event = side.PollEvent()) {
      if (outcome_ != Outcome::kNone && outcome_ != outcome) continue;
      if (std::holds_alternative<Paired>(*event)) {
        outcome_ = outcome;
      } else if (std::holds_alternative<PairingFailed>(*event)) {
        outcome_ = outcome;
      }
      events_.push_back(std::move(*event));
    }
  };
  if (enterer_) take(*enterer_, Outcome::kEntered);
  if (displayer_) take(*displayer_, Outcome::kShown);
  // One outcome: whatever else was under way is over.
  if (outcome_ == Outcome::kEntered) DropDisplayer();
  if (outcome_ == Outcome::kShown) DropEnterer();
}

void Pairing::DropDisplayer() {
  if (!displayer_) return;
  displayer_stats_ = displayer_->mailbox().stats();
  displayer_.reset();
}

void Pairing::DropEnterer() {
  if (!enterer_) return;
  enterer_stats_ = enterer_stats();
  enterer_.reset();
}

void Pairing::Confirm(TimePoint now) {
  if (outcome_ == Outcome::kShown) {
    displayer_->Confirm(now);
  } else {
    P2PCP_CHECK(outcome_ == Outcome::kEntered);
    enterer_->Confirm();
  }
}

void Pairing::Refuse(TimePoint now) {
  if (outcome_ == Outcome::kShown) {
    displayer_->Refuse(now);
  } else {
    P2PCP_CHECK(outcome_ == Outcome::kEntered);
    enterer_->Refuse();
  }
}

std::optional<Pairing::Publish> Pairing::PollPublish() {
  // Before anybody hears us, what is queued would be lost; it is repeated.
  std::optional<Publish> publish;
  if (displayer_) publish = displayer_->mailbox().PollPublish();
  if (!publish && enterer_) publish = enterer_->mailbox().PollPublish();
  return publish;
}

std::optional<Pairing::Event> Pairing::PollEvent() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

bool Pairing::over() const {
  switch (outcome_) {
    case Outcome::kNone:
      return false;
    case Outcome::kShown:
      return displayer_->over();
    case Outcome::kEntered:
      return enterer_->over();
  }
  return true;
}

Pairing::Stats Pairing::displayer_stats() const {
  return displayer_ ? displayer_->mailbox().stats() : displayer_stats_;
}

Pairing::Stats Pairing::enterer_stats() const {
  Stats stats = enterer_stats_;
  if (enterer_) stats += enterer_->mailbox().stats();
  return stats;
}

}  // namespace p2pcp::signaling
