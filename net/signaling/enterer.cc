#include "net/signaling/enterer.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "net/signaling/pairing_keys.h"

namespace p2pcp::signaling {
namespace {

// The request, and proofs without an answer, are repeated after 1 s and then
// every 2 s: somebody sits and waits.
constexpr Duration kFirstInterval = 1s;
constexpr Duration kInterval = 2s;
// The displayer sends a share again when it hears the request again; its proof
// follows again, but not once for each duplicate.
constexpr Duration kRepeatAfter = 200ms;
// Without any answer for so long, the digits are likely wrong.
constexpr Duration kLonely = 10s;
// After the last proof that may be given away, for its answer.
constexpr Duration kGiveUp = 10s;
// Anybody can send a refusal. The real answer gets so much time to overtake.
constexpr Duration kRefusalGrace = 1s;

std::vector<std::uint8_t> OurSuites() {
  return {static_cast<std::uint8_t>(PairingSuite::kCpaceRistretto255)};
}

}  // namespace

Enterer::Enterer(TimePoint now, UnixTime wall, const crypto::PairingCode& code,
                 const crypto::Identity* self, int followed, Random& random)
    : code_(code),
      self_(self),
      random_(random),
      mailbox_(now, wall, code.nameplate(), random),
      nonce_(random.Array<sizeof(Nonce)>()),
      followed_(followed),
      life_ends_(now + kPairingLife),
      request_at_(now),
      request_interval_(kFirstInterval) {}

PairingMessage Enterer::Make(PairingType type, const Nonce& displayer) const {
  PairingMessage message;
  message.type = type;
  message.versions = kPairingVersions;
  message.enterer = nonce_;
  message.displayer = displayer;
  return message;
}

void Enterer::HandleOnline(TimePoint now) {
  if (!online_) lonely_at_ = now + kLonely;
  online_ = true;
  // Now, whatever was sent before: this broker has not heard it.
  request_at_ = now;
  HandleTimeout(now);
}

void Enterer::HandleMessage(TimePoint now, const PairingMessage& message) {
  if (message.enterer != nonce_) {
    // Somebody else's; or ours, from before the code was typed anew.
    ++mailbox_.stats().stale;
    return;
  }
  switch (message.type) {
    case PairingType::kShare:
      return HandleShare(now, message);
    case PairingType::kAnswer:
      return HandleAnswer(message);
    case PairingType::kRefusal:
      return HandleRefusal(now, message);
    case PairingType::kRequest:
    case PairingType::kProof:
    case PairingType::kDone:
      return;  // An enterer's: our own come back to us.
  }
}

void Enterer::HandleShare(TimePoint now, const PairingMessage& share) {
  if (state_ != State::kAsking) return;
  const auto known = std::find_if(
      runs_.begin(), runs_.end(),
      [&](const Run& run) { return run.proof.displayer == share.displayer; });
  if (known != runs_.end()) {
    if (now - known->sent_at < kRepeatAfter) return;
    known->sent_at = now;
    mailbox_.Send(known->proof);
    return;
  }
  const std::vector<std::uint8_t> suites = OurSuites();
  if (kPairingVersions.Common(share.versions) != share.version ||
      std::find(suites.begin(), suites.end(), share.suite) == suites.end()) {
    ++mailbox_.stats().stale;
    return;
  }
  if (followed_ >= kMaxPairingGuesses) {
    ++mailbox_.stats().shares_ignored;
    return;
  }
  const Bytes enterer_data = EntererData(kPairingVersions, suites);
  Bytes displayer_data =
      DisplayerData(share.versions, share.version, share.suite, enterer_data);
  const crypto::Cpace cpace =
      StartCpace(PairingRole::kEnterer, code_, share.displayer, nonce_,
                 enterer_data, random_);
  const auto secret = cpace.Finish(share.share, displayer_data);
  if (!secret) {
    // Aborted before anything was said that tells of the code: no guess.
    ++mailbox_.stats().invalid_shares;
    return;
  }
  ++followed_;
  ++mailbox_.stats().shares_followed;
  lonely_at_.reset();
  PairingMessage proof = Make(PairingType::kProof, share.displayer);
  proof.share = cpace.share();
  proof.tag = secret->Tag(cpace.share(), enterer_data);
  proof.identity =
      SealIdentity(*secret, PairingRole::kEnterer, *self_, random_);
  mailbox_.Send(proof);
  runs_.push_back({share.share, std::move(displayer_data), *secret, proof, now,
                   std::nullopt});
  // Another displayer has answered than the one that refused.
  refused_at_.reset();
  if (followed_ >= kMaxPairingGuesses) give_up_at_ = now + kGiveUp;
}

void Enterer::HandleAnswer(const PairingMessage& answer) {
  if (done_ && done_->displayer == answer.displayer) {
    // It has not heard that we have it.
    mailbox_.Send(*done_);
    return;
  }
  const auto run =
      std::find_if(runs_.begin(), runs_.end(), [&](const Run& candidate) {
        return candidate.proof.displayer == answer.displayer;
      });
  if (run == runs_.end() || state_ != State::kAsking) {
    ++mailbox_.stats().stale;
    return;
  }
  // Only who has the secret of this run can make the tag; whatever else comes
  // is somebody's noise, and the run goes on.
  const auto peer =
      run->secret.Verify(run->share, run->displayer_data, answer.tag)
          ? OpenIdentity(run->secret, PairingRole::kDisplayer, answer.identity)
          : std::nullopt;
  if (!peer) {
    ++mailbox_.stats().bad_answers;
    return;
  }
  if (*peer == self_->public_key()) {
    return Fail(Error{ErrorCode::kUsage, "both sides are this device itself"});
  }
  events_.push_back(
      Paired{*peer, DerivePsk(run->secret, *peer, self_->public_key())});
  secret_ = run->secret;
  peer_nonce_ = answer.displayer;
  runs_.clear();
  state_ = State::kProved;
}

void Enterer::HandleRefusal(TimePoint now, const PairingMessage& refusal) {
  if (state_ != State::kAsking) return;
  const auto run =
      std::find_if(runs_.begin(), runs_.end(), [&](const Run& candidate) {
        return candidate.proof.displayer == refusal.displayer;
      });
  if (run != runs_.end()) {
    run->refused = refusal.refusal;
  } else if (refusal.displayer != Nonce{} || !runs_.empty()) {
    ++mailbox_.stats().stale;
    return;
  }
  const bool all_refused = std::all_of(
      runs_.begin(), runs_.end(),
      [](const Run& candidate) { return candidate.refused.has_value(); });
  if (!all_refused || refused_at_) return;
  lonely_at_.reset();
  refusal_ = refusal.refusal;
  refused_at_ = now + kRefusalGrace;
}

void Enterer::ActOnRefusal(Refusal reason) {
  switch (reason) {
    case Refusal::kWrongCode:
      if (followed_ < kMaxPairingGuesses) {
        state_ = State::kWrong;
        runs_.clear();
        events_.push_back(WrongCode{kMaxPairingGuesses - followed_});
        return;
      }
      return Fail(Error{ErrorCode::kAuthenticationFailed,
                        "the third wrong code; the one that the other side "
                        "shows is void now: begin anew on both sides"});
    case Refusal::kBurnt:
      return Fail(Error{ErrorCode::kAuthenticationFailed,
                        "three wrong codes were tried there, so the code is "
                        "void: somebody mistyped it, or guessed; begin anew "
                        "on both sides"});
    case Refusal::kUsed:
      return Fail(Error{ErrorCode::kAuthenticationFailed,
                        "that code has been used or is too old; if it was not "
                        "you, somebody else knew it: look at the other side"});
    case Refusal::kVersionMismatch:
      return Fail(Error{ErrorCode::kVersionMismatch,
                        "the other side's p2pcp speaks no version of the "
                        "pairing that this one speaks"});
    case Refusal::kDeclined:
      return Fail(Error{ErrorCode::kDeclined,
                        "the other side did not keep our key: it knows "
                        "another one under that name, or could not write its "
                        "contact book"});
  }
}

void Enterer::SendDone(bool kept) {
  P2PCP_CHECK(state_ == State::kProved);
  done_ = Make(PairingType::kDone, peer_nonce_);
  done_->kept = kept;
  done_->done_tag = MakeDoneTag(*secret_, kept);
  mailbox_.Send(*done_);
  state_ = State::kOver;
}

void Enterer::Confirm() { SendDone(true); }

void Enterer::Refuse() { SendDone(false); }

void Enterer::Fail(Error error) {
  state_ = State::kOver;
  runs_.clear();
  events_.push_back(PairingFailed{std::move(error)});
}

void Enterer::HandleTimeout(TimePoint now) {
  if (state_ != State::kAsking) return;
  if (refused_at_ && now >= *refused_at_) return ActOnRefusal(refusal_);
  if (give_up_at_ && now >= *give_up_at_) {
    return Fail(
        Error{ErrorCode::kAuthenticationFailed,
              "three answers came, and none of them from one who has the "
              "code: it is wrong, or somebody interferes; begin anew on both "
              "sides"});
  }
  if (now >= life_ends_) {
    return Fail(Error{ErrorCode::kPeerNeverAppeared,
                      "nobody who shows this code answered within 10 minutes"});
  }
  if (lonely_at_ && now >= *lonely_at_) {
    lonely_at_.reset();
    events_.push_back(NobodyThere{});
  }
  if (!online_ || now < request_at_) return;
  // As long as more may be followed, the right displayer may be yet to answer.
  if (followed_ < kMaxPairingGuesses) {
    PairingMessage request = Make(PairingType::kRequest, Nonce{});
    request.suites = OurSuites();
    mailbox_.Send(request);
  }
  for (Run& run : runs_) {
    if (now - run.sent_at < kRepeatAfter || run.refused) continue;
    run.sent_at = now;
    mailbox_.Send(run.proof);
  }
  request_at_ = now + request_interval_;
  request_interval_ = kInterval;
}

std::optional<TimePoint> Enterer::PollTimeout() const {
  if (state_ != State::kAsking) return std::nullopt;
  TimePoint earliest = life_ends_;
  for (const auto& time : {refused_at_, give_up_at_, lonely_at_}) {
    if (time) earliest = std::min(earliest, *time);
  }
  if (online_) earliest = std::min(earliest, request_at_);
  return earliest;
}

std::optional<PairingEvent> Enterer::PollEvent() {
  if (events_.empty()) return std::nullopt;
  PairingEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace p2pcp::signaling
