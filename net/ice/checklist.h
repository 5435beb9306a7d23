// The checklist (RFC 8445 section 6.1.2): all pairs of a session, formed from
// the candidates of both sides and from what packets reveal, and bounded in
// every direction that the peer could push.

#ifndef P2PCP_NET_ICE_CHECKLIST_H_
#define P2PCP_NET_ICE_CHECKLIST_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/ice/candidate.h"
#include "net/ice/pair.h"

namespace p2pcp::ice {

class Checklist {
 public:
  static constexpr std::size_t kMaxPairs = 64;
  // Peer-reflexive pairs at a time; a new one pushes out the one that has been
  // silent longest.
  static constexpr std::size_t kMaxPeerReflexive = 16;
  // Remote candidates over the whole session, at IPs where the peer has not
  // proven itself: one that is of no use makes room for another (a peer that
  // moves), but not without end.
  static constexpr std::size_t kMaxRemoteEver = 64;
  // Packets to one IP address that the peer has named: 16 candidates, 10
  // packets each. So nobody can aim us at a victim. Where the peer has proven
  // itself there are so many more, but no more often than each
  // kProbeBudgetInterval: its NAT may give it another port all day long.
  static constexpr int kMaxProbesPerAddress = 160;
  static constexpr Duration kProbeBudgetInterval = 30s;
  // A pair that was not heard of for so long makes room for a new candidate,
  // though it was proven once.
  static constexpr Duration kStaleAfter = 15s;

  Checklist(Role role, bool allow_loopback)
      : role_(role), allow_loopback_(allow_loopback) {}

  // Both form the pairs that have become possible and return whether there were
  // any. Duplicates, addresses that are never probed and what exceeds the
  // bounds are ignored. Loopback candidates of the peer wait until a host
  // address that both sides have proves that it is this host.
  bool AddLocal(std::span<const Candidate> candidates);
  // `kept` is never pushed out.
  bool AddRemote(std::span<const Candidate> candidates,
                 TimePoint now = TimePoint(), const Pair* kept = nullptr);

  Pair* Find(std::uint8_t socket, const SocketAddress& remote) const;
  Pair* FindById(PairId id) const;
  // The pair of an authentic packet's source, made if need be. nullptr where
  // nothing may be sent to. `kept` is never pushed out.
  Pair* FindOrAddPeerReflexive(std::uint8_t socket, const SocketAddress& remote,
                               const Pair* kept, bool late);

  // Whether `size` bytes may go out on the pair now; if so they are booked.
  bool BookSend(Pair& pair, std::size_t size);
  // The pair was proven, perhaps not for the first time.
  void OnProven(TimePoint now, const Pair& pair);

  std::span<const std::unique_ptr<Pair>> pairs() const { return pairs_; }
  // One of our candidates has this address.
  bool HasLocalAddress(const IpAddress& ip) const;
  // The best guess for people: a pair that crosses a NAT of ours is
  // server-reflexive on our side.
  CandidateType LocalType(const Pair& pair) const;

  // Candidates and sources that a bound or the filter has refused.
  std::uint64_t refused() const { return refused_; }

 private:
  struct Budget {
    IpAddress ip;
    int sent = 0;
    TimePoint renewed;  // By proof.
  };

  bool FormPairs();
  bool IsRelay(std::uint8_t socket) const;
  bool LoopbackAllowed() const;
  // Makes room for one more remote candidate; false if there is none.
  bool EvictRemote(TimePoint now, const Pair* kept);
  bool IsProven(const IpAddress& ip) const;
  std::uint64_t PairPriority(std::uint8_t socket,
                             std::uint32_t remote_priority) const;
  PairId NextId() { return PairId{next_id_++}; }

  Role role_;
  bool allow_loopback_;
  std::uint32_t next_id_ = 1;
  std::size_t remote_ever_ = 0;
  std::uint64_t refused_ = 0;
  std::vector<Candidate> local_;
  std::vector<Candidate> remote_;
  // By pointer, so that a pair stays where it is while others come and go.
  std::vector<std::unique_ptr<Pair>> pairs_;
  // No more than kMaxRemoteEver: one for each address that was ever paired.
  std::vector<Budget> budgets_;
};

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_CHECKLIST_H_
