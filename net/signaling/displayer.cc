#include "net/signaling/displayer.h"

#include <algorithm>
#include <utility>

#include "net/base/check.h"
#include "net/crypto/hash.h"
#include "net/signaling/pairing_keys.h"

namespace p2pcp::signaling {
namespace {

// Each request costs two scalar multiplications (70 us) and an answer: an
// honest enterer sends one every 2 s, and whoever floods the place gets no more
// of us.
constexpr double kRequestsPerSecond = 5;
// Attempts kept apart. At that rate the oldest is 6 s old when it goes, and a
// proof follows its share within a round trip.
constexpr std::size_t kMaxRuns = 32;
// The same thing is not said again sooner: duplicates come in bursts.
constexpr Duration kRepeatAfter = 200ms;
// An answer is repeated until the enterer says that it has it.
constexpr Duration kAnswerRepeat = 1s;
// Until then, but no longer: it said who it is, and its key is kept.
constexpr Duration kLinger = 10s;
// For so long others are told that the code is void.
constexpr Duration kTelling = 2s;

const Nonce kNone{};

}  // namespace

Displayer::Displayer(TimePoint now, UnixTime wall,
                     const crypto::PairingCode& code,
                     const crypto::Identity* self, Random& random)
    : code_(code),
      self_(self),
      random_(random),
      mailbox_(now, wall, code.nameplate(), random),
      deadline_(now + kPairingLife),
      tokens_(kRequestsPerSecond),
      tokens_at_(now) {}

PairingMessage Displayer::Make(PairingType type, const Nonce& enterer,
                               const Nonce& displayer) const {
  PairingMessage message;
  message.type = type;
  message.versions = kPairingVersions;
  message.enterer = enterer;
  message.displayer = displayer;
  return message;
}

void Displayer::SendRefusal(const Nonce& enterer, const Nonce& displayer,
                            Refusal reason) {
  PairingMessage refusal = Make(PairingType::kRefusal, enterer, displayer);
  refusal.refusal = reason;
  mailbox_.Send(refusal);
}

void Displayer::Refill(TimePoint now) {
  const double elapsed =
      std::chrono::duration<double>(now - tokens_at_).count();
  tokens_ =
      std::min(kRequestsPerSecond, tokens_ + elapsed * kRequestsPerSecond);
  tokens_at_ = now;
}

void Displayer::HandleMessage(TimePoint now, const PairingMessage& message,
                              bool entering) {
  if (state_ == State::kOver) return;
  switch (message.type) {
    case PairingType::kRequest:
      return HandleRequest(now, message);
    case PairingType::kProof:
      return HandleProof(now, message, entering);
    case PairingType::kDone:
      return HandleDone(message);
    case PairingType::kShare:
    case PairingType::kAnswer:
    case PairingType::kRefusal:
      return;  // A displayer's: our own come back to us.
  }
}

void Displayer::HandleRequest(TimePoint now, const PairingMessage& request) {
  const auto known = std::find_if(
      runs_.begin(), runs_.end(),
      [&](const Run& run) { return run.share.enterer == request.enterer; });
  if (known != runs_.end()) {
    if (now - known->sent_at < kRepeatAfter) return;
    known->sent_at = now;
    mailbox_.Send(known->share);
    return;
  }
  if (answer_ && answer_->enterer == request.enterer) return;
  Refill(now);
  if (tokens_ < 1) {
    ++mailbox_.stats().requests_dropped;
    return;
  }
  tokens_ -= 1;
  // A new share would cost its sender another of its tries.
  const auto refused = std::find_if(refused_.begin(), refused_.end(),
                                    [&](const PairingMessage& refusal) {
                                      return refusal.enterer == request.enterer;
                                    });
  if (refused != refused_.end()) {
    mailbox_.Send(*refused);
    return;
  }
  if (state_ != State::kShown) {
    SendRefusal(request.enterer, kNone, final_reason_);
    return;
  }
  const auto version = kPairingVersions.Common(request.versions);
  const auto suite =
      static_cast<std::uint8_t>(PairingSuite::kCpaceRistretto255);
  if (!version || std::find(request.suites.begin(), request.suites.end(),
                            suite) == request.suites.end()) {
    SendRefusal(request.enterer, kNone, Refusal::kVersionMismatch);
    return;
  }
  PairingMessage share = Make(PairingType::kShare, request.enterer,
                              random_.Array<sizeof(Nonce)>());
  share.version = *version;
  share.suite = suite;
  Bytes enterer_data = EntererData(request.versions, request.suites);
  crypto::Cpace cpace = StartCpace(
      PairingRole::kDisplayer, code_, share.displayer, share.enterer,
      DisplayerData(kPairingVersions, *version, suite, enterer_data), random_);
  share.share = cpace.share();
  mailbox_.Send(share);
  if (runs_.size() >= kMaxRuns) runs_.pop_front();
  runs_.push_back({share, std::move(enterer_data), std::move(cpace), now});
}

void Displayer::HandleProof(TimePoint now, const PairingMessage& proof,
                            bool entering) {
  const auto of_proof = [&](const PairingMessage& message) {
    return message.enterer == proof.enterer &&
           message.displayer == proof.displayer;
  };
  if (answer_ && of_proof(*answer_)) {
    if (state_ == State::kAnswered && now - answered_at_ >= kRepeatAfter) {
      answered_at_ = now;
      mailbox_.Send(*answer_);
    }
    return;
  }
  const auto refused = std::find_if(refused_.begin(), refused_.end(), of_proof);
  if (refused != refused_.end()) {
    // Costs a token: nobody gets more than that out of us.
    Refill(now);
    if (tokens_ < 1) return;
    tokens_ -= 1;
    mailbox_.Send(*refused);
    return;
  }
  const auto run = std::find_if(
      runs_.begin(), runs_.end(),
      [&](const Run& candidate) { return of_proof(candidate.share); });
  if (run == runs_.end() || state_ != State::kShown) {
    ++mailbox_.stats().stale;
    return;
  }
  // Our own share, sent back, is nothing that an enterer would draw.
  auto secret = proof.share == run->cpace.share()
                    ? std::nullopt
                    : run->cpace.Finish(proof.share, run->enterer_data);
  if (!secret) {
    // The run is aborted. It told its sender nothing, so it is no guess.
    ++mailbox_.stats().invalid_shares;
    runs_.erase(run);
    return;
  }
  // One evaluation for each run, whatever comes of it: the next guess has to
  // begin with a request again.
  const bool right = secret->Verify(proof.share, run->enterer_data, proof.tag);
  const auto peer =
      right ? OpenIdentity(*secret, PairingRole::kEnterer, proof.identity)
            : std::nullopt;
  if (!peer) {
    runs_.erase(run);
    HandleWrongProof(now, proof);
    return;
  }
  if (entering && self_->public_key() > *peer) return;
  PairingMessage answer =
      Make(PairingType::kAnswer, proof.enterer, proof.displayer);
  answer.tag = secret->Tag(run->cpace.share(), run->cpace.associated_data());
  answer.identity =
      SealIdentity(*secret, PairingRole::kDisplayer, *self_, random_);
  runs_.clear();
  if (*peer == self_->public_key()) {
    Fail(now, Error{ErrorCode::kUsage, "both sides are this device itself"},
         Refusal::kDeclined);
    SendRefusal(proof.enterer, proof.displayer, Refusal::kDeclined);
    return;
  }
  events_.push_back(
      Paired{*peer, DerivePsk(*secret, self_->public_key(), *peer)});
  secret_ = std::move(secret);
  answer_ = std::move(answer);
  state_ = State::kProved;
  // Until the caller has decided.
  deadline_ = TimePoint::max();
}

void Displayer::HandleWrongProof(TimePoint now, const PairingMessage& proof) {
  const int wrong = static_cast<int>(++mailbox_.stats().wrong_proofs);
  const bool burnt = wrong >= kMaxPairingGuesses;
  PairingMessage refusal =
      Make(PairingType::kRefusal, proof.enterer, proof.displayer);
  refusal.refusal = burnt ? Refusal::kBurnt : Refusal::kWrongCode;
  refused_.push_back(refusal);
  mailbox_.Send(refusal);
  if (!burnt) {
    events_.push_back(WrongGuess{kMaxPairingGuesses - wrong});
    return;
  }
  Fail(now,
       Error{ErrorCode::kAuthenticationFailed,
             "three wrong codes were tried, so this one is void: somebody "
             "mistyped it, or guessed"},
       Refusal::kBurnt);
}

void Displayer::HandleDone(const PairingMessage& done) {
  if (state_ != State::kAnswered || done.enterer != answer_->enterer ||
      done.displayer != answer_->displayer ||
      !crypto::ConstantTimeEqual(done.done_tag,
                                 MakeDoneTag(*secret_, done.kept))) {
    ++mailbox_.stats().stale;
    return;
  }
  state_ = State::kOver;
  if (!done.kept) {
    events_.push_back(PairingFailed{
        Error{ErrorCode::kDeclined,
              "the other side did not keep our key: it knows another one "
              "under that name, or could not write its contact book"}});
  }
}

void Displayer::Confirm(TimePoint now) {
  P2PCP_CHECK(state_ == State::kProved);
  state_ = State::kAnswered;
  deadline_ = now + kLinger;
  answered_at_ = now;
  mailbox_.Send(*answer_);
}

void Displayer::Refuse(TimePoint now) {
  P2PCP_CHECK(state_ == State::kProved);
  SendRefusal(answer_->enterer, answer_->displayer, Refusal::kDeclined);
  final_reason_ = Refusal::kUsed;
  state_ = State::kTelling;
  deadline_ = now + kTelling;
}

void Displayer::Fail(TimePoint now, Error error, Refusal reason) {
  // Whoever is under way hears it now.
  for (const Run& run : runs_) {
    SendRefusal(run.share.enterer, run.share.displayer, reason);
  }
  runs_.clear();
  final_reason_ = reason;
  state_ = State::kTelling;
  deadline_ = now + kTelling;
  events_.push_back(PairingFailed{std::move(error)});
}

void Displayer::HandleTimeout(TimePoint now) {
  if (state_ == State::kAnswered && now >= answered_at_ + kAnswerRepeat &&
      now < deadline_) {
    answered_at_ = now;
    mailbox_.Send(*answer_);
  }
  if (now < deadline_) return;
  switch (state_) {
    case State::kShown:
      return Fail(now,
                  Error{ErrorCode::kPeerNeverAppeared,
                        "nobody typed the code within 10 minutes; it is void"},
                  Refusal::kUsed);
    case State::kAnswered:
    case State::kTelling:
      state_ = State::kOver;
      return;
    case State::kProved:
    case State::kOver:
      return;
  }
}

std::optional<TimePoint> Displayer::PollTimeout() const {
  switch (state_) {
    case State::kShown:
    case State::kTelling:
      return deadline_;
    case State::kAnswered:
      return std::min(deadline_, answered_at_ + kAnswerRepeat);
    case State::kProved:
    case State::kOver:
      break;
  }
  return std::nullopt;
}

std::optional<PairingEvent> Displayer::PollEvent() {
  if (events_.empty()) return std::nullopt;
  PairingEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

}  // namespace p2pcp::signaling
