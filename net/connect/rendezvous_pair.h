// The rendezvous with one peer under our key and, where the peer may know no
// other, under the key of before our last rotation: one behind the face of
// both. At most one of the two meets a given peer, since it has one key of
// ours.

#ifndef P2PCP_NET_CONNECT_RENDEZVOUS_PAIR_H_
#define P2PCP_NET_CONNECT_RENDEZVOUS_PAIR_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/crypto/identity.h"
#include "net/ice/candidate.h"
#include "net/ice/nat.h"
#include "net/signaling/rendezvous.h"

namespace p2pcp::connect {

class RendezvousPair {
 public:
  // config is the one under our key. former may be null; under it the
  // handshake hands the key of config over. Both must outlive the pair.
  RendezvousPair(TimePoint now, UnixTime wall,
                 const signaling::Rendezvous::Config& config,
                 const crypto::Identity* former, Random& random);

  // As Rendezvous', of both.
  std::vector<std::string> Topics() const;
  void HandleSubscribed(TimePoint now, UnixTime wall);
  void HandleMessage(TimePoint now, UnixTime wall, std::string_view topic,
                     ByteSpan payload);
  void HandleTimeout(TimePoint now, UnixTime wall);
  std::optional<TimePoint> PollTimeout() const;
  void SetLocalCandidates(TimePoint now,
                          const std::vector<ice::Candidate>& candidates);
  void SetLocalNat(TimePoint now, const ice::Nat& nat);
  void SetBusy(TimePoint now, bool busy);
  void Close(TimePoint now, signaling::ByeReason reason);
  std::optional<signaling::Rendezvous::Publish> PollPublish();

  // by_former: of which of the two.
  std::optional<signaling::Rendezvous::Event> PollEvent(bool* by_former);

  // Of the first that has one.
  std::optional<signaling::Nonce> WaitingOffer() const;
  // Of the one of the two that has a session.
  bool PeerConfirmed(bool by_former) const;
  void RepeatCandidates(TimePoint now, bool by_former);

 private:
  // Under the key of now, and the former one where there is one.
  std::vector<std::unique_ptr<signaling::Rendezvous>> both_;
};

}  // namespace p2pcp::connect

#endif  // P2PCP_NET_CONNECT_RENDEZVOUS_PAIR_H_
