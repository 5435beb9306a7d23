// What a connectivity check carries. A probe both asks and answers: it may pose
// a challenge, and it may echo one that came from the other side. Whoever sees
// its own challenge echoed, on the pair it was sent on, has proof that packets
// pass there in both directions (RFC 9000 section 8.2 has the same rule).
//
//    0                   1                   2                   3
//   |                     challenge (64, 0: none)                  |
//   |                       echo (64, 0: none)                     |
//   | 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 S |  zeros to the end (padding)
//
// S: the sender uses this pair for payload; from the controlling side that is
// the nomination (RFC 8445 section 8.1.1). The other 15 bits are sent as 0.
// The codec knows of no keys: probes travel sealed (net/channel).

#ifndef P2PCP_NET_ICE_PROBE_H_
#define P2PCP_NET_ICE_PROBE_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"

namespace p2pcp::ice {

struct Probe {
  // Bytes without padding.
  static constexpr std::size_t kSize = 18;

  std::uint64_t challenge = 0;
  std::uint64_t echo = 0;
  bool selected = false;

  friend bool operator==(const Probe&, const Probe&) = default;
};

// Fills all of out: what is beyond Probe::kSize is padding.
// REQUIRES: out.size() >= Probe::kSize.
void WriteProbe(const Probe& probe, MutableByteSpan out);

// nullopt if bytes are no probe: too short, or padded with anything but zeros.
// Flags that are not known are ignored.
std::optional<Probe> ReadProbe(ByteSpan bytes);

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_PROBE_H_
