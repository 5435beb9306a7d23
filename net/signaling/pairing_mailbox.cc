#include "net/signaling/pairing_mailbox.h"

#include <algorithm>
#include <utility>

#include "net/crypto/base32.h"
#include "net/crypto/hash.h"

namespace p2pcp::signaling {
namespace {

constexpr std::string_view kTopicLabel = "p2pcp/1 pair";
constexpr std::string_view kEnvelopeLabel = "p2pcp/1 pair envelope";
constexpr std::size_t kTopicHashSize = 20;  // 160 bits.
// A burnt code is told to every run that is open: 32, and a few more.
constexpr std::size_t kMaxOutgoing = 48;
// The same message comes from each broker, and brokers may deliver twice;
// whatever is older is recognized by the runs themselves.
constexpr std::size_t kMaxSeen = 256;

static_assert(PairingMessage::kSize + crypto::kEnvelopeOverhead ==
              kSealedMessageSize);

Bytes Concat(std::string_view a, std::string_view b, ByteSpan c = {}) {
  Bytes all(a.size() + b.size() + c.size());
  ByteWriter writer(all);
  writer.WriteBytes(AsBytes(a));
  writer.WriteBytes(AsBytes(b));
  writer.WriteBytes(c);
  return all;
}

crypto::Key EnvelopeKey(std::string_view nameplate) {
  crypto::Key key;
  crypto::Hash(Concat(kEnvelopeLabel, nameplate), key.bytes);
  return key;
}

}  // namespace

std::string PairingTopicOf(std::string_view nameplate, std::int64_t hour) {
  std::array<std::byte, 8> number;
  ByteWriter(number).WriteU64(static_cast<std::uint64_t>(hour));
  std::array<std::byte, kTopicHashSize> hash;
  crypto::Hash(Concat(kTopicLabel, nameplate, number), hash);
  return crypto::Base32(hash);
}

PairingMailbox::Stats& PairingMailbox::Stats::operator+=(const Stats& other) {
  for (const auto field :
       {&Stats::received, &Stats::wrong_size, &Stats::not_authentic,
        &Stats::duplicates, &Stats::malformed, &Stats::stale,
        &Stats::requests_dropped, &Stats::invalid_shares, &Stats::wrong_proofs,
        &Stats::shares_followed, &Stats::shares_ignored, &Stats::bad_answers}) {
    this->*field += other.*field;
  }
  return *this;
}

PairingMailbox::PairingMailbox(TimePoint now, UnixTime wall,
                               std::string nameplate, Random& random)
    : nameplate_(std::move(nameplate)),
      key_(EnvelopeKey(nameplate_)),
      random_(random) {
  SetWall(now, wall);
}

void PairingMailbox::SetWall(TimePoint now, UnixTime wall) {
  const std::int64_t hour =
      std::chrono::floor<std::chrono::hours>(wall.time_since_epoch()).count();
  next_hour_ = now + (UnixTime(std::chrono::hours(hour + 1)) - wall);
  if (!topics_.empty() && hour == hour_) return;
  hour_ = hour;
  topics_.clear();
  for (const std::int64_t offset : {-1, 0, 1}) {
    topics_.push_back(PairingTopicOf(nameplate_, hour_ + offset));
  }
}

std::optional<PairingMessage> PairingMailbox::Receive(std::string_view topic,
                                                      ByteSpan payload) {
  if (std::find(topics_.begin(), topics_.end(), topic) == topics_.end()) {
    return std::nullopt;
  }
  ++stats_.received;
  if (payload.size() != kSealedMessageSize) {
    ++stats_.wrong_size;
    return std::nullopt;
  }
  EnvelopeNonce nonce;
  CopyBytes(payload.first(nonce.size()), nonce);
  if (std::find(seen_.begin(), seen_.end(), nonce) != seen_.end()) {
    ++stats_.duplicates;
    return std::nullopt;
  }
  const auto plaintext = crypto::OpenEnvelope(key_, AsBytes(topic), payload);
  if (!plaintext) {
    ++stats_.not_authentic;
    return std::nullopt;
  }
  if (seen_.size() < kMaxSeen) {
    seen_.push_back(nonce);
  } else {
    seen_[seen_next_] = nonce;
    seen_next_ = (seen_next_ + 1) % kMaxSeen;
  }
  auto message = PairingMessage::Decode(*plaintext, kPairingVersions);
  if (!message) ++stats_.malformed;
  return message;
}

void PairingMailbox::Send(const PairingMessage& message) {
  if (outgoing_.size() >= kMaxOutgoing) outgoing_.pop_front();
  const std::string& topic = topics_[1];
  outgoing_.push_back({topic, crypto::SealEnvelope(key_, AsBytes(topic),
                                                   message.Encode(), random_)});
}

std::optional<SealedMessage> PairingMailbox::PollPublish() {
  if (outgoing_.empty()) return std::nullopt;
  SealedMessage sealed = std::move(outgoing_.front());
  outgoing_.pop_front();
  return sealed;
}

}  // namespace p2pcp::signaling
