#include "net/signaling/handshake_payload.h"

#include <cstdint>

#include "net/base/check.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {
namespace {

constexpr std::uint8_t kHandOver = 1;
constexpr std::uint8_t kNat = 2;
constexpr std::size_t kExtensionHeader = 3;  // Type and length.

}  // namespace

Bytes HandshakePayload::Encode() const {
  Bytes bytes = EncodeCandidates(candidates);
  if (nat != ice::Nat()) {
    const Bytes extension = EncodeNat(nat);  // With its length.
    bytes.push_back(std::byte{kNat});
    bytes.insert(bytes.end(), extension.begin(), extension.end());
  }
  if (hand_over.empty()) return bytes;
  const std::size_t begin = bytes.size();
  bytes.resize(begin + kExtensionHeader + hand_over.size());
  ByteWriter writer(MutableByteSpan(bytes).subspan(begin));
  writer.WriteU8(kHandOver);
  writer.WriteU16(static_cast<std::uint16_t>(hand_over.size()));
  writer.WriteBytes(hand_over);
  P2PCP_CHECK(writer.ok());
  return bytes;
}

HandshakePayload HandshakePayload::Decode(ByteReader& reader) {
  HandshakePayload payload;
  payload.candidates = DecodeCandidates(reader);
  while (reader.ok() && reader.remaining() > 0) {
    const std::uint8_t type = reader.ReadU8();
    if (type == kNat) {
      payload.nat = DecodeNat(reader);
      continue;
    }
    const ByteSpan bytes = reader.ReadBytes(reader.ReadU16());
    if (reader.ok() && type == kHandOver) payload.hand_over = ToBytes(bytes);
  }
  return payload;
}

}  // namespace p2pcp::signaling
