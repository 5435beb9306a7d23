// Which size of datagram passes the path (RFC 8899, its simplest form): 1200
// bytes are taken for granted, and those of an Ethernet MTU of 1500 once a
// probe padded to that size was echoed. A lost padded probe means nothing but
// that: no congestion, no dead path.

#ifndef P2PCP_NET_CHANNEL_PATH_MTU_H_
#define P2PCP_NET_CHANNEL_PATH_MTU_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/random.h"
#include "net/base/time.h"

namespace p2pcp::channel {

class PathMtu {
 public:
  // UDP payload in bytes. 1200: RFC 9000 section 14. The others: 1500 less the
  // headers of IP (20, 40) and UDP (8).
  static constexpr std::size_t kBaseSize = 1200;
  static constexpr std::size_t kLargeSizeV4 = 1472;
  static constexpr std::size_t kLargeSizeV6 = 1452;
  static constexpr std::size_t kMaxDatagramSize = kLargeSizeV4;
  // MAX_PROBES of RFC 8899 section 5.1.2.
  static constexpr int kMaxProbes = 3;
  // Between tries: so much, or twice the round trip if that is longer.
  static constexpr Duration kMinProbeInterval = 100ms;
  // After three losses, which may have been chance, until the next search (RFC
  // 8899's PMTU_RAISE_TIMER is 600 s; three packets in 30 s cost nothing).
  static constexpr Duration kRaiseInterval = 30s;

  // A path is in use from now on, about which nothing is known.
  void Start(TimePoint now, bool v6, Duration rtt);
  // Asks anew: larger datagrams are used if one is echoed, and no longer if
  // none is. For a path that went silent, where they may be what is swallowed
  // (a black hole), and for one that has come back.
  void Search(TimePoint now);

  // Larger datagrams may have ceased to pass, though others do: asks anew if
  // they are in use and the question is not running.
  void Suspect(TimePoint now) {
    if (size_ > kBaseSize && !next_) Search(now);
  }

  // Bytes of UDP payload that may be sent.
  std::size_t datagram_size() const { return size_; }

  // When the next probe is due, or the last one's answer overdue.
  std::optional<TimePoint> next() const { return next_; }
  // The padded probe to send now: its challenge and its size.
  struct Probe {
    std::uint64_t challenge;
    std::size_t size;
  };
  std::optional<Probe> PollProbe(TimePoint now, Random& random);
  // Whether echo answers one of the probes.
  bool HandleEcho(std::uint64_t echo);

 private:
  std::size_t size_ = kBaseSize;
  std::size_t large_ = kLargeSizeV4;
  Duration interval_ = kMinProbeInterval;
  int tries_ = 0;
  std::uint64_t challenges_[kMaxProbes] = {};
  std::optional<TimePoint> next_;
};

}  // namespace p2pcp::channel

#endif  // P2PCP_NET_CHANNEL_PATH_MTU_H_
