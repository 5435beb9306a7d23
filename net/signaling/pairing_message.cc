#include "net/signaling/pairing_message.h"

#include "net/base/check.h"

namespace p2pcp::signaling {
namespace {

template <std::size_t N>
void ReadInto(ByteReader& reader, std::array<std::byte, N>& out) {
  const ByteSpan bytes = reader.ReadBytes(N);
  if (reader.ok()) CopyBytes(bytes, out);
}

}  // namespace

Bytes PairingMessage::Encode() const {
  Bytes bytes(kSize);
  ByteWriter writer(bytes);
  writer.WriteU8(static_cast<std::uint8_t>(type));
  writer.WriteU8(versions.min);
  writer.WriteU8(versions.max);
  writer.WriteU8(0);
  writer.WriteBytes(enterer);
  writer.WriteBytes(displayer);
  switch (type) {
    case PairingType::kRequest:
      writer.WriteU8(static_cast<std::uint8_t>(suites.size()));
      for (const std::uint8_t offered : suites) writer.WriteU8(offered);
      break;
    case PairingType::kShare:
      writer.WriteU8(version);
      writer.WriteU8(suite);
      writer.WriteBytes(share);
      break;
    case PairingType::kProof:
      writer.WriteBytes(share);
      writer.WriteBytes(tag);
      writer.WriteBytes(identity);
      break;
    case PairingType::kAnswer:
      writer.WriteBytes(tag);
      writer.WriteBytes(identity);
      break;
    case PairingType::kRefusal:
      writer.WriteU8(static_cast<std::uint8_t>(refusal));
      break;
    case PairingType::kDone:
      writer.WriteU8(kept ? 1 : 0);
      writer.WriteBytes(done_tag);
      break;
  }
  writer.PadToEnd();
  P2PCP_CHECK(writer.ok());
  return bytes;
}

std::optional<PairingMessage> PairingMessage::Decode(ByteSpan bytes,
                                                     const VersionRange& ours) {
  if (bytes.size() != kSize) return std::nullopt;
  ByteReader reader(bytes);
  const std::uint8_t type = reader.ReadU8();
  if (type < static_cast<std::uint8_t>(PairingType::kRequest) ||
      type > static_cast<std::uint8_t>(PairingType::kDone)) {
    return std::nullopt;
  }
  PairingMessage message;
  message.type = static_cast<PairingType>(type);
  message.versions.min = reader.ReadU8();
  message.versions.max = reader.ReadU8();
  reader.ReadU8();
  ReadInto(reader, message.enterer);
  ReadInto(reader, message.displayer);
  if (message.versions.min > message.versions.max) return std::nullopt;
  if (message.type == PairingType::kRequest && !ours.Common(message.versions)) {
    return message;
  }
  switch (message.type) {
    case PairingType::kRequest: {
      const std::uint8_t count = reader.ReadU8();
      if (count > kMaxSuites) return std::nullopt;
      for (int i = 0; i < count; ++i) message.suites.push_back(reader.ReadU8());
      break;
    }
    case PairingType::kShare:
      message.version = reader.ReadU8();
      message.suite = reader.ReadU8();
      ReadInto(reader, message.share);
      break;
    case PairingType::kProof:
      ReadInto(reader, message.share);
      ReadInto(reader, message.tag);
      ReadInto(reader, message.identity);
      break;
    case PairingType::kAnswer:
      ReadInto(reader, message.tag);
      ReadInto(reader, message.identity);
      break;
    case PairingType::kRefusal: {
      const std::uint8_t reason = reader.ReadU8();
      if (reason > static_cast<std::uint8_t>(Refusal::kDeclined)) {
        return std::nullopt;
      }
      message.refusal = static_cast<Refusal>(reason);
      break;
    }
    case PairingType::kDone: {
      const std::uint8_t kept = reader.ReadU8();
      if (kept > 1) return std::nullopt;
      message.kept = kept == 1;
      ReadInto(reader, message.done_tag);
      break;
    }
  }
  if (!reader.ok()) return std::nullopt;
  return message;
}

}  // namespace p2pcp::signaling
