// A candidate pair (RFC 8445 section 6.1.2): one local socket and one remote
// address, with all that is known about the way between them.

#ifndef P2PCP_NET_ICE_PAIR_H_
#define P2PCP_NET_ICE_PAIR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/ice/candidate.h"
#include "net/ice/check_schedule.h"
#include "net/ice/opener.h"

namespace p2pcp::ice {

// Never used twice within an agent.
enum class PairId : std::uint32_t {};

// Frozen does not occur: there is one component.
enum class PairState : std::uint8_t {
  kWaiting,     // Not checked yet.
  kInProgress,  // Being checked, no proof yet.
  kSucceeded,   // Proven in both directions at least once.
  kFailed,      // A whole round of checks, and no proof.
};

class Pair {
 public:
  struct Config {
    PairId id{};
    std::uint8_t socket = 0;
    SocketAddress remote;
    // kPeerReflexive: the address is known from a packet's source alone, so
    // nothing but that packet asks us to send there. Until proof, at most
    // kAmplificationLimit times the bytes that came from it go out to it.
    CandidateType remote_type = CandidateType::kHost;
    std::uint64_t priority = 0;
    // Turned up when a path had been chosen already.
    bool late = false;
    // Its packets pass a relay, of ours or of the peer's.
    bool relayed = false;
  };
  explicit Pair(const Config& config) : config_(config) {}

  PairId id() const { return config_.id; }
  std::uint8_t socket() const { return config_.socket; }
  const SocketAddress& remote() const { return config_.remote; }
  CandidateType remote_type() const { return config_.remote_type; }
  std::uint64_t priority() const { return config_.priority; }
  bool late() const { return config_.late; }
  bool relayed() const { return config_.relayed; }
  bool Is(std::uint8_t socket, const SocketAddress& remote) const {
    return config_.socket == socket && config_.remote == remote;
  }
  bool peer_reflexive() const {
    return config_.remote_type == CandidateType::kPeerReflexive;
  }
  // The peer has signalled this address itself.
  void SetSignalled(CandidateType type, std::uint64_t priority);

  PairState state() const;
  // Proof has come at least once.
  bool proven() const { return last_proven_.has_value(); }
  bool ProvenSince(TimePoint since) const {
    return last_proven_.has_value() && *last_proven_ >= since;
  }
  bool HeardSince(TimePoint since) const {
    return last_heard_.has_value() && *last_heard_ >= since;
  }
  std::optional<TimePoint> last_heard() const { return last_heard_; }
  // Over the answers to our challenges (RFC 9002 section 5.3 without its
  // variance). REQUIRES: proven().
  Duration min_rtt() const { return min_rtt_; }
  Duration smoothed_rtt() const { return smoothed_rtt_; }

  CheckSchedule& schedule() { return schedule_; }
  const CheckSchedule& schedule() const { return schedule_; }
  Opener& opener() { return opener_; }
  const Opener& opener() const { return opener_; }

  // An authentic packet of `size` bytes came from remote().
  void OnReceived(TimePoint now, std::size_t size) {
    last_heard_ = now;
    bytes_received_ += size;
  }
  bool MaySend(std::size_t size) const {
    return !peer_reflexive() || proven() ||
           bytes_sent_ + size <= kAmplificationLimit * bytes_received_;
  }
  void OnSent(std::size_t size) { bytes_sent_ += size; }

  // A fresh challenge, remembered until its echo comes or 32 later ones were
  // made.
  std::uint64_t MakeChallenge(TimePoint now, Random& random);
  bool ChallengedSince(TimePoint since) const {
    return last_challenge_.has_value() && *last_challenge_ >= since;
  }
  // Whether echo answers one of them; if so the pair is proven and the round
  // trip is noted. Each counts once.
  bool HandleEcho(TimePoint now, std::uint64_t echo);

  // The peer's challenges: the last one rides in everything that we send, and
  // is owed an answer at once.
  void OnPeerChallenge(std::uint64_t challenge) {
    peer_challenge_ = challenge;
    reply_due_ = true;
  }
  std::uint64_t peer_challenge() const { return peer_challenge_; }
  // A single check is wanted at once (keepalive), outside of any round.
  void RequestPing() { ping_due_ = true; }
  bool urgent() const { return reply_due_ || ping_due_; }
  void ClearUrgent() { reply_due_ = ping_due_ = false; }
  bool ping_due() const { return ping_due_; }

  // RFC 9000 section 8.1 allows 3. Here the peer's probe and our answer to it,
  // which is as long, are all that proof takes, and it sends ten of them.
  static constexpr std::size_t kAmplificationLimit = 1;

 private:
  struct Outstanding {
    std::uint64_t challenge = 0;  // 0: none.
    TimePoint sent;
  };

  Config config_;
  bool reply_due_ = false;
  bool ping_due_ = false;
  CheckSchedule schedule_;
  Opener opener_;
  std::uint64_t bytes_received_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t peer_challenge_ = 0;
  std::optional<TimePoint> last_heard_;
  std::optional<TimePoint> last_proven_;
  std::optional<TimePoint> last_challenge_;
  Duration min_rtt_{};
  Duration smoothed_rtt_{};
  // A ring. A round has 10 checks, 6 of them in its first second, and answers
  // and payload bring about as many: enough for round trips of 2 s.
  std::array<Outstanding, 32> outstanding_;
  std::size_t next_outstanding_ = 0;
};

// Whether payload goes better by a than by b, both proven: without a relay
// before with one; then by the lower round trip, and where they are within 5 ms
// of each other by kind: an address of a host before IPv6 before anything seen
// through a NAT. Equals are not better.
bool IsBetter(const Pair& a, const Pair& b);

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_PAIR_H_
