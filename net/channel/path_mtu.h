// Which size of datagram passes the path (RFC 8899): 1200 bytes are taken for
// granted, larger ones are used once a probe padded to their size was echoed.
//
// The sizes tried are those that paths have: the MTUs of common links, and what
// the outgoing interface takes. They are asked for in bursts, smallest first,
// since a peer answers the last challenge that it got: one round trip finds the
// largest of them. A lost padded probe means nothing but that: no congestion,
// no dead path. A size in use is given up only when it is doubted
// (Suspect()) and nothing of it comes through while 1200 bytes do.

#ifndef P2PCP_NET_CHANNEL_PATH_MTU_H_
#define P2PCP_NET_CHANNEL_PATH_MTU_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/random.h"
#include "net/base/time.h"

namespace p2pcp::channel {

class PathMtu {
 public:
  // UDP payload in bytes: BASE_PLPMTU, RFC 9000 section 14.
  static constexpr std::size_t kBaseSize = 1200;
  // The largest that is tried, by loopback alone: two of them fill a send of
  // 65,507 bytes. Measured there, 1 GiB, median seconds and CPU seconds of both
  // sides, with a receive buffer of Debian's 208 KiB: 1472: 1.37 and 2.56;
  // 8972: 1.19 and 2.26; 16376: 1.30 and 2.40; 32752: 1.16 and 2.18. With 8
  // MiB: 16376: 1.04 and 1.97; 32752: 0.89 and 1.78; 65000: 0.87 and 1.74, of
  // which three would fill those 208 KiB.
  static constexpr std::size_t kMaxDatagramSize = 32'752;
  // MTUs, headers included: IPv6's least (RFC 8200 section 5), WireGuard's,
  // that of some data centres, PPPoE (RFC 2516), Ethernet,
  static constexpr std::array<std::size_t, 5> kCommonMtus = {1280, 1420, 1460,
                                                             1492, 1500};
  // and Ethernet's jumbo frames, behind an interface that takes yet more.
  static constexpr std::size_t kJumboMtu = 9000;
  // Headers of IP and UDP.
  static constexpr std::size_t kHeadersV4 = 20 + 8;
  static constexpr std::size_t kHeadersV6 = 40 + 8;
  // MAX_PROBES of RFC 8899 section 5.1.2: tries one after the other, before
  // what they did not find is left for later.
  static constexpr int kMaxProbes = 3;
  // Between them: so much, or twice the round trip if that is longer.
  static constexpr Duration kMinProbeInterval = 50ms;
  // Later means after so long, then twice as long, up to PMTU_RAISE_TIMER (RFC
  // 8899 section 5.1.1): what three losses by chance have cost comes back soon,
  // and a path that takes no more is hardly asked.
  static constexpr Duration kMinRaiseInterval = 1s;
  static constexpr Duration kMaxRaiseInterval = 600s;
  // A doubt is settled by so many bursts with two probes of the size in use and
  // one of 1200 bytes. At 30 % loss each way, none of the eight is echoed once
  // in 200 times.
  static constexpr int kDoubtTries = 4;

  // A path is in use from now on, about which nothing is known.
  void Start(TimePoint now, bool v6, Duration rtt);
  // The MTU of the interface that the path begins at: no datagram above it can
  // leave. Up to 1500 is tried all the same: what the host believes may come
  // from a forged ICMP message. REQUIRES: Start() was called.
  void SetLinkMtu(TimePoint now, std::size_t mtu);
  // The interface has refused a datagram of this size. REQUIRES: as above.
  void HandleTooBig(TimePoint now, std::size_t size);
  // Asks anew for what has not been found: the path has come back from silence,
  // and may be another.
  void Search(TimePoint now);
  // The size in use may have ceased to pass, though smaller ones do.
  void Suspect(TimePoint now, Duration rtt);

  // Bytes of UDP payload that may be sent.
  std::size_t datagram_size() const { return size_; }
  // How often a size in use was given up because it no longer passed.
  std::uint64_t black_holes() const { return black_holes_; }

  // When the next burst is due, or the last one's answer overdue.
  std::optional<TimePoint> next() const;
  // The next padded probe to send now: its challenge and its size.
  struct Probe {
    std::uint64_t challenge = 0;
    std::size_t size = 0;
  };
  std::optional<Probe> PollProbe(TimePoint now, Random& random);
  // Whether echo answers one of the probes.
  bool HandleEcho(std::uint64_t echo);

 private:
  // Of the sizes below: all that are common, a jumbo frame, and the link's.
  static constexpr std::size_t kMaxSizes = kCommonMtus.size() + 2;
  // Two whole searches and a doubt.
  static constexpr std::size_t kRemembered =
      2 * kMaxProbes * kMaxSizes + 3 * kDoubtTries;

  void SetSizes();
  void BeginSearch(TimePoint now, bool all);
  void QueueSearch(TimePoint now);
  void QueueDoubt(TimePoint now);
  void GiveUp(TimePoint now);

  std::size_t size_ = kBaseSize;
  std::size_t headers_ = kHeadersV4;
  std::size_t link_mtu_ = 0;
  // What may be tried, ascending.
  std::array<std::size_t, kMaxSizes> sizes_ = {};
  std::size_t size_count_ = 0;
  // The interface takes less than this.
  std::size_t refused_ = SIZE_MAX;
  Duration interval_ = kMinProbeInterval;
  std::uint64_t black_holes_ = 0;

  // The search upwards.
  std::optional<TimePoint> search_at_;
  int tries_ = 0;
  bool all_ = false;  // The next burst holds every size.
  Duration raise_ = kMinRaiseInterval;
  // A doubt of the size in use.
  std::optional<TimePoint> doubt_at_;
  int doubt_tries_ = 0;
  bool base_passes_ = false;

  // Sizes of the burst that is being sent, from queue_next_ on.
  std::array<std::size_t, kMaxSizes + 3> queue_ = {};
  std::size_t queue_count_ = 0;
  std::size_t queue_next_ = 0;
  // What was sent: a ring.
  std::array<Probe, kRemembered> sent_ = {};
  std::size_t sent_next_ = 0;
};

}  // namespace p2pcp::channel

#endif  // P2PCP_NET_CHANNEL_PATH_MTU_H_
