// A sealed message on the local network, by multicast, where no broker is
// needed and perhaps none can be reached (PROTOCOL.md, "On one network").
//
//   0               8                                        1032
//   +---------------+------------------------------ - - -----+
//   | tag           | envelope (1,024)                       |
//   +---------------+------------------------------ - - -----+
//
// The tag is the begin of the topic that a broker would carry the envelope
// under: who does not know the topic reads random letters.

#ifndef P2PCP_NET_SIGNALING_LAN_DATAGRAM_H_
#define P2PCP_NET_SIGNALING_LAN_DATAGRAM_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/base/bytes.h"
#include "net/signaling/mailbox.h"

namespace p2pcp::signaling {

inline constexpr std::size_t kLanTagSize = 8;
inline constexpr std::size_t kLanDatagramSize =
    kLanTagSize + kSealedMessageSize;

// REQUIRES: the topic is one of TopicOf(); the envelope has its one size.
Bytes EncodeLanDatagram(std::string_view topic, ByteSpan envelope);

struct LanDatagram {
  std::string_view topic;  // One of `topics`.
  ByteSpan envelope;       // Within the datagram.
};
// nullopt if it is none, or for nobody who listens to these topics.
std::optional<LanDatagram> DecodeLanDatagram(
    ByteSpan datagram, std::span<const std::string> topics);

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_LAN_DATAGRAM_H_
