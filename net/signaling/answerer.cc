#include "net/signaling/answerer.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/crypto/handshake.h"
#include "net/signaling/handshake_payload.h"

namespace p2pcp::signaling {
namespace {

constexpr Nonce kNobody{};
// How long a nonce is given out; it is good for as long again. An offer that
// somebody has held back for longer is no word of a peer that is there. One
// that took a minute gets a new nonce and comes again.
constexpr Duration kReadyLife = 30s;

}  // namespace

Answerer::Answerer(TimePoint now, RendezvousConfig config, Mailbox& mailbox,
                   Random& random)
    : Machine(std::move(config), mailbox, random),
      ready_(this->config().ready ? *this->config().ready : random.Array<16>()),
      ready_since_(now) {}

std::optional<Nonce> Answerer::WaitingOffer() const {
  if (!pending_.has_value()) return std::nullopt;
  return pending_->to;
}

void Answerer::RenewReady(TimePoint now) {
  ready_ = random().Array<16>();
  ready_since_ = now;
  previous_ready_.reset();
}

void Answerer::Announce(TimePoint now) {
  if (now >= ready_since_ + kReadyLife) {
    const Nonce previous = ready_;
    RenewReady(now);
    previous_ready_ = previous;
  }
  Send(Make(MessageType::kReady, ready_, kNobody));
}

bool Answerer::Echoes(const Message& message) const {
  if (pending_.has_value() && message.to == pending_->to) return true;
  // The offer of the session again, or its offerer's goodbye.
  if (session() != nullptr && message.to == session()->local()) return true;
  return IsFresh(message.to);
}

void Answerer::OnMessage(TimePoint now, const Message& message) {
  switch (message.type) {
    case MessageType::kHello:
      return OnHello(now, message);
    case MessageType::kOffer:
      return OnOffer(now, message);
    case MessageType::kBye:
      return OnBye(now, message);
    case MessageType::kReady:
    case MessageType::kAnswer:
    case MessageType::kCandidates:
      break;
  }
  CountMalformed();
}

bool Answerer::MustWait(TimePoint now, const Message& message) {
  if (session() != nullptr) {
    // The process that we have a session with has given that up, or is still
    // being heard from before it.
    if (message.from == instance_) return false;
    return busy() || now < session()->since() + kGrace;
  }
  return busy();
}

void Answerer::OnHello(TimePoint now, const Message& message) {
  if (session() == nullptr) EmitPeerSeen();
  if (MustWait(now, message)) {
    EmitKnock();
    return SendBye(ready_, message.from, ByeReason::kBusy);
  }
  // What it said before our answer reached it, most likely: another nonce now
  // would make it offer anew, and each would hold a session of its own.
  if (session() != nullptr && message.from == instance_ && !busy() &&
      !session()->confirmed() && now < session()->since() + kGrace) {
    return Send(answer_);
  }
  // Also where there is no version in common: ready tells which are ours.
  Send(Make(MessageType::kReady, ready_, message.from));
}

void Answerer::OnOffer(TimePoint now, const Message& message) {
  if (session() != nullptr && message.to == session()->local() &&
      message.offer_nonce == session()->remote()) {
    return Send(answer_);
  }
  // An old nonce, of ours or of who was here before us: ours is this one.
  if (!IsFresh(message.to)) return OnHello(now, message);
  if (MustWait(now, message)) {
    EmitKnock();
    return SendBye(message.to, message.offer_nonce, ByeReason::kBusy);
  }
  EmitPeerSeen();
  if (!knows_candidates()) {
    pending_ = message;
    return;
  }
  Accept(now, message);
}

void Answerer::Accept(TimePoint now, const Message& offer) {
  const auto version = config().versions.Common(offer.versions);
  if (!version.has_value()) {
    return Refuse(offer, ByeReason::kVersionMismatch, VersionError("version"));
  }
  const auto suite =
      std::find_first_of(config().suites.begin(), config().suites.end(),
                         offer.suites.begin(), offer.suites.end());
  if (suite == config().suites.end()) {
    return Refuse(offer, ByeReason::kVersionMismatch, VersionError("cipher"));
  }
  crypto::Handshake handshake = crypto::Handshake::Responder(
      *config().self, config().peer, config().psk,
      MakePrologue(offer.versions, config().versions, offer.suites, offer.from,
                   offer.to, offer.offer_nonce),
      random());
  const Result<Bytes> payload = handshake.ReadMessage(offer.handshake);
  if (!payload.ok()) {
    return Refuse(offer, ByeReason::kAuthenticationFailed,
                  AuthenticationError());
  }
  ByteReader reader(*payload);
  HandshakePayload theirs = HandshakePayload::Decode(reader);
  if (!reader.ok()) return CountMalformed();

  const Bytes list = MakePayload();
  Bytes answer(2 + list.size());
  ByteWriter writer(answer);
  writer.WriteU8(*version);
  writer.WriteU8(static_cast<std::uint8_t>(*suite));
  writer.WriteBytes(list);
  answer_ = Make(MessageType::kAnswer, offer.to, offer.offer_nonce);
  answer_.handshake = handshake.WriteMessage(answer);
  const crypto::SessionKeys keys = handshake.Split();

  if (session() != nullptr) {
    if (instance_ != offer.from) {
      SendBye(session()->local(), session()->remote(), ByeReason::kBusy);
    }
    Emit(Superseded{});
  }
  instance_ = offer.from;
  Send(answer_);
  Session session(now, offer.to, offer.offer_nonce, keys, this->candidates(),
                  nat(), theirs.candidates, theirs.nat);
  RenewReady(now);
  Establish(now, std::move(session),
            Established{keys, *suite, std::move(theirs.candidates), theirs.nat,
                        Verified(theirs.hand_over)});
}

void Answerer::Refuse(const Message& offer, ByeReason reason, Error error) {
  SendBye(offer.to, offer.offer_nonce, reason);
  refused_ = offer;
  refusal_ = reason;
  End(std::move(error));
}

// The goodbye may have been lost; who offers again shall not wait in vain.
void Answerer::OnMessageWhenOver(const Message& message) {
  if (refused_.has_value() && message.type == MessageType::kOffer &&
      message.offer_nonce == refused_->offer_nonce) {
    SendBye(message.to, message.offer_nonce, refusal_);
  }
}

void Answerer::OnBye(TimePoint now, const Message& message) {
  const bool of_session = session() != nullptr && message.from == instance_ &&
                          message.to == session()->local();
  if (!of_session) {
    // The offerer has looked at what we speak. Fresh, since it echoes a nonce
    // that nothing has used up yet.
    if (IsFresh(message.to) && session() == nullptr &&
        message.reason == ByeReason::kVersionMismatch) {
      return End(VersionError("version"));
    }
    if (pending_.has_value() && message.to == pending_->to &&
        message.from == pending_->from) {
      pending_.reset();
    }
    return CountStale();
  }
  switch (message.reason) {
    case ByeReason::kAuthenticationFailed:
      return End(AuthenticationError());
    case ByeReason::kVersionMismatch:
      return End(VersionError("version"));
    case ByeReason::kDeclined:
      return End({ErrorCode::kDeclined, "the peer declined", 0});
    case ByeReason::kBusy:
    case ByeReason::kGaveUp:
      break;
  }
  if (!busy()) Abandon(now, 0s);
  Emit(PeerLeft{message.reason});
}

void Answerer::OnCandidatesKnown(TimePoint now) {
  if (!pending_.has_value()) return;
  const Message offer = *std::exchange(pending_, std::nullopt);
  OnOffer(now, offer);
}

void Answerer::OnFree(TimePoint now) {
  pending_.reset();
  RenewReady(now);
}

void Answerer::SendGoodbye(ByeReason reason) {
  if (session() != nullptr) {
    SendBye(session()->local(), session()->remote(), reason);
  }
  if (pending_.has_value()) {
    SendBye(pending_->to, pending_->offer_nonce, reason);
  }
}

}  // namespace p2pcp::signaling
