#include "net/signaling/mailbox.h"

#include <algorithm>
#include <utility>

#include "net/signaling/topic.h"

namespace p2pcp::signaling {
namespace {

// Processed a second of each lane (each may cost three X25519 operations), and
// waiting for it: an honest peer says far less, and whoever floods a topic gets
// no more of us.
constexpr double kMessagesPerSecond = 20;
constexpr double kMessagesBurst = 20;
constexpr std::size_t kMaxIncoming = 64;
// More than are ever sent at once: an answer, a goodbye, candidates, a beacon.
constexpr std::size_t kMaxOutgoing = 32;
// Envelopes remembered. The same message comes from each broker, and brokers
// may deliver twice; older ones are stale by what is in them.
constexpr std::size_t kMaxSeen = 256;

static_assert(Message::kSize + crypto::kEnvelopeOverhead == kSealedMessageSize);

// What an envelope is bound to besides its key.
Bytes AssociatedData(std::string_view topic) {
  constexpr std::string_view kName = "p2pcp/1";
  Bytes data(kName.size() + topic.size());
  ByteWriter writer(data);
  writer.WriteBytes(AsBytes(kName));
  writer.WriteBytes(AsBytes(topic));
  return data;
}

}  // namespace

Mailbox::Mailbox(TimePoint now, UnixTime wall, Role role,
                 const crypto::Identity& self, const crypto::PublicKey& peer,
                 VersionRange versions, Random& random)
    : role_(role),
      self_(self.public_key()),
      peer_(peer),
      keys_(crypto::DeriveSignalingKeys(self, peer)),
      versions_(versions),
      random_(random) {
  for (Lane* const lane : {&expected_, &others_}) {
    lane->tokens = kMessagesBurst;
    lane->tokens_at = now;
  }
  SetWall(now, wall);
}

void Mailbox::SetWall(TimePoint now, UnixTime wall) {
  const std::int64_t day = DayOf(wall);
  midnight_ = now + (EndOfDay(day) - wall);
  if (!topics_.empty() && day == day_) return;
  day_ = day;
  topics_.clear();
  for (const std::int64_t offset : {-1, 0, 1}) {
    topics_.push_back(TopicOf(keys_.topic, peer_, Other(role_), day_ + offset));
  }
  own_topic_ = TopicOf(keys_.topic, self_, role_, day_);
}

void Mailbox::Receive(TimePoint now, std::string_view topic, ByteSpan payload,
                      const Expects& expects) {
  ++stats_.received;
  if (payload.size() != kSealedMessageSize) {
    ++stats_.wrong_size;
    return;
  }
  if (std::find(topics_.begin(), topics_.end(), topic) == topics_.end()) {
    ++stats_.wrong_topic;
    return;
  }
  EnvelopeNonce nonce;
  CopyBytes(payload.first(nonce.size()), nonce);
  if (std::find(seen_.begin(), seen_.end(), nonce) != seen_.end()) {
    ++stats_.duplicates;
    return;
  }
  const auto plaintext =
      crypto::OpenEnvelope(keys_.receive, AssociatedData(topic), payload);
  if (!plaintext.has_value()) {
    ++stats_.not_authentic;
    return;
  }
  auto message = Message::Decode(*plaintext, versions_);
  const bool expected = message.has_value() && expects(*message);
  Lane& lane = expected ? expected_ : others_;
  // Somebody who repeats one speaker's old words has one place in the queue,
  // not all of them.
  const auto same = std::find_if(others_.waiting.begin(), others_.waiting.end(),
                                 [&](const Message& other) {
                                   return !expected && message.has_value() &&
                                          other.type == message->type &&
                                          other.from == message->from &&
                                          other.to == message->to;
                                 });
  if (same == others_.waiting.end() && lane.waiting.size() >= kMaxIncoming) {
    ++stats_.queue_full;
    return;
  }
  // Remembered only now: what strangers invent must not displace anything, nor
  // make us deaf to an honest envelope whose nonce they have seen.
  if (seen_.size() < kMaxSeen) {
    seen_.push_back(nonce);
  } else {
    seen_[seen_next_] = nonce;
    seen_next_ = (seen_next_ + 1) % kMaxSeen;
  }
  if (!message.has_value()) {
    ++stats_.malformed;
    return;
  }
  if (same != others_.waiting.end()) {
    ++stats_.overtaken;
    *same = std::move(*message);
    return;
  }
  // Nothing but these says anything to somebody whom the speaker does not know.
  if (!expected && message->type != MessageType::kHello &&
      message->type != MessageType::kReady &&
      message->type != MessageType::kOffer) {
    ++stats_.stale;
    return;
  }
  lane.Refill(now);
  lane.waiting.push_back(std::move(*message));
}

void Mailbox::Lane::Refill(TimePoint now) {
  const double elapsed = std::chrono::duration<double>(now - tokens_at).count();
  tokens = std::min(kMessagesBurst, tokens + elapsed * kMessagesPerSecond);
  tokens_at = now;
}

std::optional<Message> Mailbox::Lane::Take(TimePoint now) {
  if (waiting.empty()) return std::nullopt;
  Refill(now);
  if (tokens < 1) return std::nullopt;
  tokens -= 1;
  Message message = std::move(waiting.front());
  waiting.pop_front();
  return message;
}

TimePoint Mailbox::Lane::Due() const {
  // One token more than rounding could take away.
  const double missing = std::max(0.0, 1 - tokens) / kMessagesPerSecond;
  return tokens_at +
         std::chrono::ceil<Duration>(std::chrono::duration<double>(missing)) +
         1us;
}

std::optional<Message> Mailbox::Next(TimePoint now) {
  if (auto message = expected_.Take(now)) return message;
  return others_.Take(now);
}

void Mailbox::Send(const Message& message) {
  if (outgoing_.size() >= kMaxOutgoing) outgoing_.pop_front();
  outgoing_.push_back(
      {own_topic_, crypto::SealEnvelope(keys_.send, AssociatedData(own_topic_),
                                        message.Encode(), random_)});
}

std::optional<SealedMessage> Mailbox::PollPublish() {
  if (outgoing_.empty()) return std::nullopt;
  SealedMessage sealed = std::move(outgoing_.front());
  outgoing_.pop_front();
  return sealed;
}

TimePoint Mailbox::PollTimeout() const {
  TimePoint next = midnight_;
  for (const Lane* const lane : {&expected_, &others_}) {
    if (!lane->waiting.empty()) next = std::min(next, lane->Due());
  }
  return next;
}

}  // namespace p2pcp::signaling
