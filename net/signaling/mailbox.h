// Sealed messages to and from one peer: topics, envelopes, duplicates, limits.
// Whatever comes out of Next() was sealed by the peer for these topics; whether
// it is fresh is for the nonces inside to tell (offerer.h, answerer.h).

#ifndef P2PCP_NET_SIGNALING_MAILBOX_H_
#define P2PCP_NET_SIGNALING_MAILBOX_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
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
    std::uint64_t overtaken = 0;      // The speaker has said it again since.
    std::uint64_t malformed = 0;      // Authentic, but makes no sense.
    std::uint64_t stale = 0;          // Authentic, but of no use any more.
  };

  Mailbox(TimePoint now, UnixTime wall, Role role, const crypto::Identity& self,
          const crypto::PublicKey& peer, VersionRange versions, Random& random);

  // What the peer may write to: yesterday's, today's and tomorrow's topic.
  const std::vector<std::string>& topics() const { return topics_; }
  void SetWall(TimePoint now, UnixTime wall);

  // Whether a message refers to a nonce of ours that still counts. Such a one
  // is of these minutes, whoever carries it; any other may be a replay of
  // whatever the peer has said in the last days.
  using Expects = std::function<bool(const Message&)>;
  // Takes what came in, or drops and counts it.
  void Receive(TimePoint now, std::string_view topic, ByteSpan payload,
               const Expects& expects);
  // The next message that may be processed now: those that are expected first.
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

  // Messages that wait for their turn. Two of them, so that replays, however
  // many, never stand in the way of what is certainly news.
  struct Lane {
    std::deque<Message> waiting;
    double tokens = 0;
    TimePoint tokens_at;

    void Refill(TimePoint now);
    std::optional<Message> Take(TimePoint now);
    // When Take() will have a message. REQUIRES: one waits.
    TimePoint Due() const;
  };

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
  Lane expected_;
  Lane others_;
  std::deque<SealedMessage> outgoing_;
  Stats stats_;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MAILBOX_H_
