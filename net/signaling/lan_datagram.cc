#include "net/signaling/lan_datagram.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::signaling {

Bytes EncodeLanDatagram(std::string_view topic, ByteSpan envelope) {
  P2PCP_CHECK(topic.size() >= kLanTagSize);
  P2PCP_CHECK(envelope.size() == kSealedMessageSize);
  Bytes datagram(kLanDatagramSize);
  ByteWriter writer(datagram);
  writer.WriteBytes(AsBytes(topic.substr(0, kLanTagSize)));
  writer.WriteBytes(envelope);
  return datagram;
}

std::optional<LanDatagram> DecodeLanDatagram(
    ByteSpan datagram, std::span<const std::string> topics) {
  if (datagram.size() != kLanDatagramSize) return std::nullopt;
  const std::string_view tag = AsText(datagram.first(kLanTagSize));
  for (const std::string& topic : topics) {
    if (topic.starts_with(tag)) {
      return LanDatagram{topic, datagram.subspan(kLanTagSize)};
    }
  }
  return std::nullopt;
}

}  // namespace p2pcp::signaling
