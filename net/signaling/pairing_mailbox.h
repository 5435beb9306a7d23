// Messages to and from whoever meets at one nameplate: topics by the hour,
// envelopes, duplicates. Nothing here is secret: four digits name the place,
// and the envelope only makes these messages look like all others.

#ifndef P2PCP_NET_SIGNALING_PAIRING_MAILBOX_H_
#define P2PCP_NET_SIGNALING_PAIRING_MAILBOX_H_

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
#include "net/crypto/key.h"
#include "net/signaling/mailbox.h"
#include "net/signaling/message.h"
#include "net/signaling/pairing_message.h"

namespace p2pcp::signaling {

class PairingMailbox {
 public:
  // What was dropped, by reason; and what was spent on strangers.
  struct Stats {
    std::uint64_t received = 0;
    std::uint64_t wrong_size = 0;
    std::uint64_t not_authentic = 0;  // No envelope of this place.
    std::uint64_t duplicates = 0;     // The same envelope again.
    std::uint64_t malformed = 0;
    std::uint64_t stale = 0;             // Of no run that is open.
    std::uint64_t requests_dropped = 0;  // More than may be answered.
    std::uint64_t invalid_shares = 0;   // No element, the neutral one, or ours.
    std::uint64_t wrong_proofs = 0;     // Displayer: guesses evaluated.
    std::uint64_t shares_followed = 0;  // Enterer: guesses given away.
    std::uint64_t shares_ignored = 0;   // Enterer: beyond the limit.
    std::uint64_t bad_answers = 0;      // Enterer: by others than the peer.

    Stats& operator+=(const Stats& other);
  };

  PairingMailbox(TimePoint now, UnixTime wall, std::string nameplate,
                 Random& random);

  // The last hour's, this one's, the next one's.
  const std::vector<std::string>& topics() const { return topics_; }
  void SetWall(TimePoint now, UnixTime wall);

  // What came in, if it is a message at all.
  std::optional<PairingMessage> Receive(std::string_view topic,
                                        ByteSpan payload);
  // Queues it. What is beyond the bound of the queue pushes out the oldest.
  void Send(const PairingMessage& message);
  std::optional<SealedMessage> PollPublish();

  // When the topics change.
  TimePoint PollTimeout() const { return next_hour_; }

  Stats& stats() { return stats_; }
  const Stats& stats() const { return stats_; }

 private:
  using EnvelopeNonce = std::array<std::byte, crypto::kEnvelopeNonceSize>;

  const std::string nameplate_;
  const crypto::Key key_;
  Random& random_;
  std::int64_t hour_ = 0;
  TimePoint next_hour_;
  std::vector<std::string> topics_;
  // Envelopes seen last, a ring.
  std::vector<EnvelopeNonce> seen_;
  std::size_t seen_next_ = 0;
  std::deque<SealedMessage> outgoing_;
  Stats stats_;
};

// 32 letters and digits. hour: Unix time / 3600, rounded down.
std::string PairingTopicOf(std::string_view nameplate, std::int64_t hour);

// What we speak.
inline constexpr VersionRange kPairingVersions = {1, 1};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_PAIRING_MAILBOX_H_
