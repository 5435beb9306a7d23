// What the two messages of the handshake carry besides: the sender's
// candidates, what it knows of its NAT and, after a rotation, the hand-over to
// its new key. PROTOCOL.md has the bytes.

#ifndef P2PCP_NET_SIGNALING_HANDSHAKE_PAYLOAD_H_
#define P2PCP_NET_SIGNALING_HANDSHAKE_PAYLOAD_H_

#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/ice/candidate.h"
#include "net/ice/nat.h"

namespace p2pcp::signaling {

struct HandshakePayload {
  std::vector<ice::Candidate> candidates;
  Bytes hand_over;    // Not verified; empty: none.
  ice::Nat nat = {};  // The sender's.

  // REQUIRES: candidates.size() <= ice::kMaxCandidates.
  Bytes Encode() const;
  // Reads to the end; fails the reader if it is none. Extensions of a type that
  // is not known are passed over.
  static HandshakePayload Decode(ByteReader& reader);
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_HANDSHAKE_PAYLOAD_H_
