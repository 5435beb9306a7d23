#include "net/signaling/offerer.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "net/signaling/handshake_payload.h"

namespace p2pcp::signaling {
namespace {

// Offers that wait for their answers. One is enough where nobody replays; an
// attacker who fills the others never displaces the one that is echoed.
constexpr std::size_t kMaxOffers = 4;
// Nonces of answerers whose sessions are over.
constexpr std::size_t kMaxUsed = 16;
// A ready that comes again this soon after its offer crossed it on the way.
constexpr Duration kCrossing = 500ms;

constexpr Nonce kNobody{};

}  // namespace

Offerer::Offerer(RendezvousConfig config, Mailbox& mailbox, Random& random)
    : Machine(std::move(config), mailbox, random),
      instance_(random.Array<16>()) {}

void Offerer::Announce(TimePoint now) {
  Offer* const offer = Best();
  if (offer != nullptr && knows_candidates()) {
    SendOffer(now, *offer);
  } else {
    SendHello();
  }
}

bool Offerer::Echoes(const Message& message) const {
  return message.to == instance_ ||
         std::any_of(offers_.begin(), offers_.end(), [&](const Offer& offer) {
           return offer.nonce == message.to;
         });
}

void Offerer::OnMessage(TimePoint now, const Message& message) {
  switch (message.type) {
    case MessageType::kReady:
      return OnReady(now, message);
    case MessageType::kAnswer:
      return OnAnswer(now, message);
    case MessageType::kBye:
      return OnBye(now, message);
    case MessageType::kHello:
    case MessageType::kOffer:
    case MessageType::kCandidates:
      break;
  }
  CountMalformed();
}

void Offerer::OnReady(TimePoint now, const Message& message) {
  const bool echoed = message.to == instance_;
  if (busy() || (!echoed && message.to != kNobody) ||
      std::find(used_.begin(), used_.end(), message.from) != used_.end()) {
    if (busy() && message.to == kNobody) EmitKnock();
    return CountStale();
  }
  if (!config().versions.Common(message.versions).has_value()) {
    // Without the echo it may be what the peer said before it was updated.
    if (!echoed) return SendHello();
    SendBye(instance_, message.from, ByeReason::kVersionMismatch);
    return End(VersionError("version"));
  }
  if (session() != nullptr) {
    // The peer began anew, unless somebody replays; only an echo is proof.
    if (now < session()->since() + kGrace) return CountStale();
    if (!echoed) return SendHello();
    Abandon(now, 0s);
    Emit(Superseded{});
  }
  EmitPeerSeen();
  Offer* offer = FindByReady(message.from);
  const bool crossed = offer != nullptr && now < offer->sent_at + kCrossing;
  if (offer == nullptr && knows_candidates()) offer = &MakeOffer(message);
  if (offer != nullptr) {
    offer->echoed |= echoed;
    if (!crossed) SendOffer(now, *offer);
    HastenBeacon(now);
  }
  // Before the first candidates nothing can be offered; OnCandidatesKnown()
  // asks again.
}

void Offerer::OnAnswer(TimePoint now, const Message& message) {
  Offer* const offer = FindByNonce(message.to);
  if (offer == nullptr || offer->ready != message.from) return CountStale();
  if (busy() || session() != nullptr) {
    // A second answerer was as quick: it shall not wait for us.
    SendBye(instance_, offer->ready, ByeReason::kGaveUp);
    return Forget(offer);
  }
  const Result<Bytes> payload = offer->handshake.ReadMessage(message.handshake);
  if (!payload.ok()) {
    SendBye(instance_, offer->ready, ByeReason::kAuthenticationFailed);
    return End(AuthenticationError());
  }
  ByteReader reader(*payload);
  const std::uint8_t version = reader.ReadU8();
  const auto suite = static_cast<crypto::Suite>(reader.ReadU8());
  HandshakePayload theirs = HandshakePayload::Decode(reader);
  const auto& suites = config().suites;
  if (!reader.ok() || config().versions.Common(offer->versions) != version ||
      std::find(suites.begin(), suites.end(), suite) == suites.end()) {
    SendBye(instance_, offer->ready, ByeReason::kVersionMismatch);
    return End(VersionError("version"));
  }
  used_.push_back(offer->ready);
  if (used_.size() > kMaxUsed) used_.pop_front();
  const crypto::SessionKeys keys = offer->handshake.Split();
  Session session(now, offer->nonce, offer->ready, keys, offer->candidates,
                  offer->nat, theirs.candidates, theirs.nat);
  session.Confirm(now);
  Forget(offer);
  told_busy_ = false;
  Establish(now, std::move(session),
            Established{keys, suite, std::move(theirs.candidates), theirs.nat,
                        Verified(theirs.hand_over)});
}

void Offerer::OnBye(TimePoint now, const Message& message) {
  const bool of_session = IsOfSession(message);
  Offer* const offer = FindByNonce(message.to);
  if (!of_session && offer == nullptr && message.to != instance_) {
    return CountStale();
  }
  switch (message.reason) {
    case ByeReason::kAuthenticationFailed:
      if (!of_session && offer == nullptr) return CountStale();
      return End(AuthenticationError());
    case ByeReason::kVersionMismatch:
      return End(VersionError("version"));
    case ByeReason::kDeclined:
      return End({ErrorCode::kDeclined, "the peer declined", 0});
    case ByeReason::kBusy:
    case ByeReason::kGaveUp:
      break;
  }
  if (of_session) {
    if (message.reason == ByeReason::kBusy && !busy()) {
      Abandon(now, 1s);
      Emit(Superseded{});
      TellBusy();
    } else {
      if (!busy()) Abandon(now, 1s);
      Emit(PeerLeft{message.reason});
    }
    return;
  }
  if (offer != nullptr) Forget(offer);
  if (message.reason == ByeReason::kBusy && !busy() && session() == nullptr) {
    TellBusy();
  }
}

void Offerer::OnCandidatesKnown(TimePoint now) {
  // A ready that came before had to be let go.
  if (session() == nullptr && !busy()) Announce(now);
}

void Offerer::OnFree(TimePoint) {
  offers_.clear();
  told_busy_ = false;
}

void Offerer::SendGoodbye(ByeReason reason) {
  if (session() != nullptr) {
    SendBye(instance_, session()->remote(), reason);
  }
  // Whoever has answered by now believes in a session.
  for (const Offer& offer : offers_) SendBye(instance_, offer.ready, reason);
}

void Offerer::SendHello() {
  Send(Make(MessageType::kHello, instance_, kNobody));
}

void Offerer::SendOffer(TimePoint now, Offer& offer) {
  Message message = Make(MessageType::kOffer, instance_, offer.ready);
  message.offer_nonce = offer.nonce;
  message.suites = config().suites;
  message.handshake = offer.first_message;
  offer.sent_at = now;
  Send(message);
}

Offerer::Offer& Offerer::MakeOffer(const Message& ready) {
  if (offers_.size() >= kMaxOffers) {
    const auto victim =
        std::find_if(offers_.begin(), offers_.end(),
                     [](const Offer& offer) { return !offer.echoed; });
    offers_.erase(victim != offers_.end() ? victim : offers_.begin());
  }
  const Nonce nonce = random().Array<16>();
  crypto::Handshake handshake = crypto::Handshake::Initiator(
      *config().self, config().peer, config().psk,
      MakePrologue(config().versions, ready.versions, config().suites,
                   instance_, ready.from, nonce),
      random());
  Bytes first_message = handshake.WriteMessage(MakePayload());
  offers_.push_back({ready.from, nonce, ready.versions, false,
                     std::move(handshake), std::move(first_message),
                     candidates(), nat(), TimePoint()});
  return offers_.back();
}

Offerer::Offer* Offerer::Best() {
  const auto echoed =
      std::find_if(offers_.rbegin(), offers_.rend(),
                   [](const Offer& offer) { return offer.echoed; });
  if (echoed != offers_.rend()) return &*echoed;
  return offers_.empty() ? nullptr : &offers_.back();
}

Offerer::Offer* Offerer::FindByReady(const Nonce& ready) {
  const auto found =
      std::find_if(offers_.begin(), offers_.end(),
                   [&](const Offer& offer) { return offer.ready == ready; });
  return found != offers_.end() ? &*found : nullptr;
}

Offerer::Offer* Offerer::FindByNonce(const Nonce& nonce) {
  const auto found =
      std::find_if(offers_.begin(), offers_.end(),
                   [&](const Offer& offer) { return offer.nonce == nonce; });
  return found != offers_.end() ? &*found : nullptr;
}

void Offerer::Forget(const Offer* offer) {
  std::erase_if(offers_,
                [offer](const Offer& other) { return &other == offer; });
}

void Offerer::TellBusy() {
  if (std::exchange(told_busy_, true)) return;
  Emit(Busy{});
}

}  // namespace p2pcp::signaling
