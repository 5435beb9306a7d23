// Sealed messages to and from one peer: topics, envelopes, duplicates, limits.
// Whatever comes out of Next() was sealed by the peer for these topics; whether
// it is fresh is for the nonces inside to tell (offerer.h, answerer.h).

#ifndef P2PCP_NET_SIGNALING_MAILBOX_H_
#define P2PCP_NET_SIGNALING_MAILBOX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/crypto/envelope.h"
#include "net/crypto/identity.h"
#include "net/crypto/public_key.h"
#include "net/crypto/signaling_keys.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {

// Every sealed message has exactly this size; any other is not ours.
inline constexpr std::size_t kSealedMessageSize = 1024;

struct SealedMessage {
  std::string topic;
  Bytes payload;
};

class Mailbox {
 public:
  // What was dropped, by reason.
  struct Stats {
    std::uint64_t received = 0;
    std::uint64_t wrong_size = 0;
    std::uint64_t wrong_topic = 0;
    std::uint64_t not_authentic = 0;  // Or altered, or under another topic.
    std::uint64_t duplicates = 0;     // The same envelope again.
    std::uint64_t queue_full = 0;     // More than may be processed.
    std::uint64_t malformed = 0;      // Authentic, but makes no sense.
    std::uint64_t stale = 0;          // Authentic, but of no use any more.
  };

  Mailbox(TimePoint now, UnixTime wall, Role role, const crypto::Identity& self,
          const crypto::PublicKey& peer, VersionRange versions, Random& random);

  // What the peer may write to: yesterday's, today's and tomorrow's topic.
  const std::vector<std::string>& topics() const { return topics_; }
  void SetWall(TimePoint now, UnixTime wall);

  // Takes what came in, or drops and counts it.
  void Receive(TimePoint now, std::string_view topic, ByteSpan payload);
  // The next message that may be processed now.
  std::optional<Message> Next(TimePoint now);

  // Seals message for today's topic and queues it. What is beyond the bound of
  // the queue pushes out the oldest: the newest says all that matters.
  void Send(const Message& message);
  std::optional<SealedMessage> PollPublish();

  // When Next() will have a message, or the topics change.
  TimePoint PollTimeout() const;

  Stats& stats() { return stats_; }
  const Stats& stats() const { return stats_; }

 private:
  using EnvelopeNonce = std::array<std::byte, crypto::kEnvelopeNonceSize>;

  void Refill(TimePoint now);

  const Role role_;
  const crypto::PublicKey self_;
  const crypto::PublicKey peer_;
  const crypto::SignalingKeys keys_;
  const VersionRange versions_;
  Random& random_;

  std::int64_t day_ = 0;
  TimePoint midnight_;
  std::vector<std::string> topics_;
  std::string own_topic_;

  // Envelopes seen last, a ring.
  std::vector<EnvelopeNonce> seen_;
  std::size_t seen_next_ = 0;
  std::deque<Message> incoming_;
  std::deque<SealedMessage> outgoing_;
  double tokens_;
  TimePoint tokens_at_;
  Stats stats_;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MAILBOX_H_
