// A session that the handshake has agreed on, as far as signalling goes: its
// name (the two nonces) and the candidates that trickle under its keys
// (RFC 8838).

#ifndef P2PCP_NET_SIGNALING_SESSION_H_
#define P2PCP_NET_SIGNALING_SESSION_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "net/base/random.h"
#include "net/base/time.h"
#include "net/crypto/handshake.h"
#include "net/crypto/key.h"
#include "net/ice/candidate.h"
#include "net/ice/nat.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {

class Session {
 public:
  // local_sent, local_nat: what our offer or answer has told.
  Session(TimePoint now, const Nonce& local, const Nonce& remote,
          const crypto::SessionKeys& keys,
          std::vector<ice::Candidate> local_sent, const ice::Nat& local_nat,
          std::vector<ice::Candidate> remote_known, const ice::Nat& remote_nat);

  // Who we are and who the peer is in this session: N_s and N_r or the other
  // way round.
  const Nonce& local() const { return local_; }
  const Nonce& remote() const { return remote_; }
  TimePoint since() const { return since_; }

  // The complete list; starts telling the peer if that does not know it yet.
  void SetLocalCandidates(TimePoint now,
                          const std::vector<ice::Candidate>& candidates);
  void SetLocalNat(TimePoint now, const ice::Nat& nat);
  const ice::Nat& remote_nat() const { return remote_nat_; }
  // When the next message with candidates is due. Each list is told four times
  // in 7 s: nothing acknowledges it, and one of them may get lost.
  std::optional<TimePoint> PollTimeout() const { return send_at_; }
  // The message that is due, if one is.
  std::optional<Message> PollMessage(TimePoint now,
                                     const VersionRange& versions,
                                     Random& random);
  // Tell the current list again: a broker has come up.
  void Repeat(TimePoint now);
  // Tells the current list even if the handshake did, or it was told before:
  // the peer sees by it that we have the session too, and later that we look
  // for it.
  void Confirm(TimePoint now);
  // The peer has said something under the session's keys.
  bool confirmed() const { return receive_counter_ > 0; }

  enum class Verdict { kNews, kRepeated, kStale, kMalformed };
  // Takes a kCandidates message that bears this session's name. kNews: added
  // holds the candidates that were not known, or remote_nat() has changed;
  // kRepeated: neither. With both, all is the complete list.
  Verdict HandleCandidates(const Message& message,
                           std::vector<ice::Candidate>& added,
                           std::vector<ice::Candidate>& all);

 private:
  const Nonce local_;
  const Nonce remote_;
  const TimePoint since_;
  const crypto::Key send_key_;
  const crypto::Key receive_key_;

  std::vector<ice::Candidate> local_candidates_;
  ice::Nat local_nat_;
  bool told_all_in_handshake_ = true;
  std::uint32_t send_counter_ = 0;
  std::uint32_t receive_counter_ = 0;
  std::optional<TimePoint> send_at_;
  Duration send_interval_{};
  std::vector<ice::Candidate> remote_candidates_;
  ice::Nat remote_nat_;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_SESSION_H_
