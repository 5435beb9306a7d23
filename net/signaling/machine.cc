#include "net/signaling/machine.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "net/signaling/handshake_payload.h"

namespace p2pcp::signaling {
namespace {

// A beacon that was lost is repeated while somebody may still sit and watch;
// later, twice a minute is little for a public broker to carry for hours.
constexpr Duration kMinBeacon = 1s;
constexpr Duration kMaxBeacon = 30s;
// Events that nobody asked for; more than a rendezvous tells between two
// polls, since at most 20 messages a second are processed.
constexpr std::size_t kMaxEvents = 256;

}  // namespace

void Machine::HandleOnline(TimePoint now) {
  online_ = true;
  if (over_) return;
  if (session_.has_value()) {
    session_->Repeat(now);
    HandleTimeout(now);
    return;
  }
  if (busy_) return;
  // The peer may be on this broker alone.
  if (!beacon_at_.has_value()) RestartBeacon(now, kMinBeacon);
  Announce(now);
}

void Machine::HandleMessage(TimePoint now, const Message& message) {
  if (over_) {
    OnMessageWhenOver(message);
    return;
  }
  if (message.type == MessageType::kCandidates) {
    if (!IsOfSession(message)) {
      CountStale();
      return;
    }
    std::vector<ice::Candidate> added;
    std::vector<ice::Candidate> all;
    switch (session_->HandleCandidates(message, added, all)) {
      case Session::Verdict::kRepeated:
        // While a path is looked for, each list is told four times.
        if (!busy_) {
          CountStale();
          break;
        }
        [[fallthrough]];
      case Session::Verdict::kNews:
        Emit(RemoteCandidates{std::move(added), std::move(all),
                              session_->remote_nat()});
        break;
      case Session::Verdict::kStale:
        CountStale();
        break;
      case Session::Verdict::kMalformed:
        CountMalformed();
        break;
    }
    return;
  }
  OnMessage(now, message);
}

void Machine::HandleTimeout(TimePoint now) {
  if (over_ || !online_) return;
  if (beacon_at_.has_value() && now >= *beacon_at_) {
    beacon_at_ = now + beacon_interval_;
    beacon_interval_ = std::min(beacon_interval_ * 2, kMaxBeacon);
    Announce(now);
  }
  if (session_.has_value()) {
    const auto message = session_->PollMessage(now, config_.versions, random_);
    if (message.has_value()) Send(*message);
  }
}

std::optional<TimePoint> Machine::PollTimeout() const {
  if (over_ || !online_) return std::nullopt;
  std::optional<TimePoint> next = beacon_at_;
  if (session_.has_value()) {
    const auto due = session_->PollTimeout();
    if (due.has_value() && (!next.has_value() || *due < *next)) next = due;
  }
  return next;
}

void Machine::SetLocalCandidates(TimePoint now,
                                 std::vector<ice::Candidate> candidates) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const ice::Candidate& a, const ice::Candidate& b) {
                     return a.priority > b.priority;
                   });
  if (candidates.size() > ice::kMaxCandidates) {
    candidates.resize(ice::kMaxCandidates);
  }
  candidates_ = std::move(candidates);
  const bool first = !knows_candidates_;
  knows_candidates_ = true;
  if (over_) return;
  if (session_.has_value()) {
    session_->SetLocalCandidates(now, candidates_);
    HandleTimeout(now);
  } else if (first && online_) {
    OnCandidatesKnown(now);
  }
}

void Machine::RepeatCandidates(TimePoint now) {
  if (over_ || !session_.has_value()) return;
  session_->Confirm(now);
  HandleTimeout(now);
}

void Machine::SetLocalNat(TimePoint now, const ice::Nat& nat) {
  nat_ = nat;
  if (over_ || !session_.has_value()) return;
  session_->SetLocalNat(now, nat_);
  HandleTimeout(now);
}

void Machine::SetBusy(TimePoint now, bool busy) {
  const bool was_busy = std::exchange(busy_, busy);
  if (over_) return;
  if (busy) {
    beacon_at_.reset();
    return;
  }
  if (!was_busy && !session_.has_value()) return;
  // The other side may still believe in it.
  if (session_.has_value()) SendGoodbye(ByeReason::kGaveUp);
  session_.reset();
  peer_seen_ = false;
  OnFree(now);
  if (!online_) return;
  RestartBeacon(now, kMinBeacon);
  Announce(now);
}

void Machine::Close(ByeReason reason) {
  if (over_) return;
  if (online_) SendGoodbye(reason);
  over_ = true;
  session_.reset();
  beacon_at_.reset();
}

std::optional<RendezvousEvent> Machine::PollEvent() {
  if (events_.empty()) return std::nullopt;
  RendezvousEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Bytes Machine::MakePayload() const {
  HandshakePayload payload{candidates_, {}, nat_};
  if (config_.hand_over) payload.hand_over = config_.hand_over->Encode();
  return payload.Encode();
}

std::optional<crypto::HandOver> Machine::Verified(const Bytes& hand_over) {
  if (hand_over.empty()) return std::nullopt;
  auto verified = crypto::HandOver::Open(config_.peer, hand_over);
  if (!verified) CountMalformed();
  return verified;
}

Message Machine::Make(MessageType type, const Nonce& from,
                      const Nonce& to) const {
  Message message;
  message.type = type;
  message.versions = config_.versions;
  message.from = from;
  message.to = to;
  return message;
}

void Machine::Send(const Message& message) {
  if (online_) mailbox_.Send(message);
}

void Machine::SendBye(const Nonce& from, const Nonce& to, ByeReason reason) {
  Message bye = Make(MessageType::kBye, from, to);
  bye.reason = reason;
  Send(bye);
}

void Machine::Emit(RendezvousEvent event) {
  if (events_.size() >= kMaxEvents) events_.pop_front();
  events_.push_back(std::move(event));
}

void Machine::EmitPeerSeen() {
  if (std::exchange(peer_seen_, true)) return;
  Emit(PeerSeen{});
}

void Machine::EmitKnock() {
  if (busy_ && session_.has_value()) Emit(Knock{});
}

void Machine::Establish(TimePoint now, Session session, Established event) {
  session_.emplace(std::move(session));
  beacon_at_.reset();
  Emit(std::move(event));
  session_->SetLocalCandidates(now, candidates_);
  session_->SetLocalNat(now, nat_);
  HandleTimeout(now);
}

void Machine::Abandon(TimePoint now, Duration delay) {
  session_.reset();
  peer_seen_ = false;
  if (!busy_) RestartBeacon(now, delay);
}

void Machine::RestartBeacon(TimePoint now, Duration delay) {
  beacon_interval_ = std::max(kMinBeacon, delay * 2);
  beacon_at_ = now + delay;
}

void Machine::HastenBeacon(TimePoint now) {
  const TimePoint soon = now + kMinBeacon;
  RestartBeacon(now, std::min(beacon_at_.value_or(soon), soon) - now);
}

void Machine::End(Error error) {
  over_ = true;
  session_.reset();
  beacon_at_.reset();
  Emit(Failed{std::move(error)});
}

Bytes MakePrologue(const VersionRange& offerer, const VersionRange& answerer,
                   const std::vector<crypto::Suite>& suites,
                   const Nonce& instance, const Nonce& ready,
                   const Nonce& offer) {
  constexpr std::string_view kName = "p2pcp/1";
  Bytes prologue(kName.size() + 5 + suites.size() + 3 * instance.size());
  ByteWriter writer(prologue);
  writer.WriteBytes(AsBytes(kName));
  writer.WriteU8(offerer.min);
  writer.WriteU8(offerer.max);
  writer.WriteU8(answerer.min);
  writer.WriteU8(answerer.max);
  writer.WriteU8(static_cast<std::uint8_t>(suites.size()));
  for (const crypto::Suite suite : suites) {
    writer.WriteU8(static_cast<std::uint8_t>(suite));
  }
  writer.WriteBytes(instance);
  writer.WriteBytes(ready);
  writer.WriteBytes(offer);
  return prologue;
}

Error AuthenticationError() {
  return {ErrorCode::kAuthenticationFailed,
          "the peer holds the right key, but the handshake with it failed: the "
          "secret of the pairing is not the same on both sides; pair again",
          0};
}

Error VersionError(const std::string& what) {
  return {ErrorCode::kVersionMismatch,
          "this p2pcp and the peer's have no " + what + " in common", 0};
}

}  // namespace p2pcp::signaling
