#include "net/signaling/message.h"

#include <algorithm>
#include <cstdlib>

#include "net/base/check.h"
#include "net/base/socket_address.h"
#include "net/ice/port_model.h"

namespace p2pcp::signaling {
namespace {

// More suites than will ever exist; what is beyond is refused.
constexpr std::size_t kMaxSuites = 16;

bool IsType(std::uint8_t value) {
  return value >= static_cast<std::uint8_t>(MessageType::kHello) &&
         value <= static_cast<std::uint8_t>(MessageType::kBye);
}

Nonce ReadNonce(ByteReader& reader) {
  Nonce nonce{};
  const ByteSpan bytes = reader.ReadBytes(nonce.size());
  if (reader.ok()) CopyBytes(bytes, nonce);
  return nonce;
}

Bytes ReadBlob(ByteReader& reader) {
  return ToBytes(reader.ReadBytes(reader.ReadU16()));
}

void WriteBlob(ByteWriter& writer, ByteSpan bytes) {
  writer.WriteU16(static_cast<std::uint16_t>(bytes.size()));
  writer.WriteBytes(bytes);
}

void WriteHeader(ByteWriter& writer, const Message& message) {
  writer.WriteU8(static_cast<std::uint8_t>(message.type));
  writer.WriteU8(message.versions.min);
  writer.WriteU8(message.versions.max);
  writer.WriteU8(0);
  writer.WriteBytes(message.from);
  writer.WriteBytes(message.to);
}

}  // namespace

std::optional<std::uint8_t> VersionRange::Common(
    const VersionRange& other) const {
  const std::uint8_t highest = std::min(max, other.max);
  if (highest < std::max(min, other.min)) return std::nullopt;
  return highest;
}

std::array<std::byte, Message::kHeaderSize> Message::Header() const {
  std::array<std::byte, kHeaderSize> header;
  ByteWriter writer(header);
  WriteHeader(writer, *this);
  P2PCP_CHECK(writer.ok() && writer.size() == kHeaderSize);
  return header;
}

Bytes Message::Encode() const {
  Bytes bytes(kSize);
  ByteWriter writer(bytes);
  WriteHeader(writer, *this);
  switch (type) {
    case MessageType::kHello:
    case MessageType::kReady:
      break;
    case MessageType::kOffer:
      writer.WriteBytes(offer_nonce);
      writer.WriteU8(static_cast<std::uint8_t>(suites.size()));
      for (const crypto::Suite suite : suites) {
        writer.WriteU8(static_cast<std::uint8_t>(suite));
      }
      WriteBlob(writer, handshake);
      break;
    case MessageType::kAnswer:
      WriteBlob(writer, handshake);
      break;
    case MessageType::kCandidates:
      WriteBlob(writer, sealed);
      break;
    case MessageType::kBye:
      writer.WriteU8(static_cast<std::uint8_t>(reason));
      break;
  }
  writer.PadToEnd();
  P2PCP_CHECK(writer.ok());
  return bytes;
}

std::optional<Message> Message::Decode(ByteSpan bytes,
                                       const VersionRange& ours) {
  if (bytes.size() != kSize) return std::nullopt;
  ByteReader reader(bytes);
  Message message;
  const std::uint8_t type = reader.ReadU8();
  message.versions.min = reader.ReadU8();
  message.versions.max = reader.ReadU8();
  reader.ReadU8();  // Reserved: for what a later version may say.
  message.from = ReadNonce(reader);
  message.to = ReadNonce(reader);
  if (!IsType(type) || message.versions.min > message.versions.max) {
    return std::nullopt;
  }
  message.type = static_cast<MessageType>(type);
  // A goodbye is the same in all versions too: it may tell that there is none
  // in common.
  if (!ours.Common(message.versions).has_value() &&
      message.type != MessageType::kBye) {
    return message;
  }
  switch (message.type) {
    case MessageType::kHello:
    case MessageType::kReady:
      break;
    case MessageType::kOffer: {
      message.offer_nonce = ReadNonce(reader);
      const std::size_t count = reader.ReadU8();
      if (count > kMaxSuites) return std::nullopt;
      for (std::size_t i = 0; i < count; ++i) {
        // Suites that we don't know are kept: the handshake binds them all.
        message.suites.push_back(static_cast<crypto::Suite>(reader.ReadU8()));
      }
      message.handshake = ReadBlob(reader);
      break;
    }
    case MessageType::kAnswer:
      message.handshake = ReadBlob(reader);
      break;
    case MessageType::kCandidates:
      message.sealed = ReadBlob(reader);
      break;
    case MessageType::kBye: {
      const std::uint8_t reason = reader.ReadU8();
      if (reason > static_cast<std::uint8_t>(ByeReason::kVersionMismatch)) {
        return std::nullopt;
      }
      message.reason = static_cast<ByeReason>(reason);
      break;
    }
  }
  // What follows is padding, or what a later version of the same message adds.
  if (!reader.ok()) return std::nullopt;
  return message;
}

Bytes EncodeCandidates(std::span<const ice::Candidate> candidates) {
  P2PCP_CHECK(candidates.size() <= ice::kMaxCandidates);
  constexpr std::size_t kLongest = 1 + 1 + 16 + 2 + 4;
  Bytes bytes(1 + candidates.size() * kLongest);
  ByteWriter writer(bytes);
  writer.WriteU8(static_cast<std::uint8_t>(candidates.size()));
  for (const ice::Candidate& candidate : candidates) {
    writer.WriteU8(static_cast<std::uint8_t>(candidate.type));
    writer.WriteU8(candidate.address.ip.is_v4() ? 4 : 6);
    writer.WriteBytes(candidate.address.ip.bytes());
    writer.WriteU16(candidate.address.port);
    writer.WriteU32(candidate.priority);
  }
  P2PCP_CHECK(writer.ok());
  bytes.resize(writer.size());
  return bytes;
}

std::vector<ice::Candidate> DecodeCandidates(ByteReader& reader) {
  std::vector<ice::Candidate> candidates;
  const std::size_t count = reader.ReadU8();
  if (count > ice::kMaxCandidates) reader.Fail();
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    const std::uint8_t type = reader.ReadU8();
    const std::uint8_t family = reader.ReadU8();
    if (family != 4 && family != 6) {
      reader.Fail();
      break;
    }
    const auto ip =
        IpAddress::FromBytes(reader.ReadBytes(family == 4 ? 4 : 16));
    const std::uint16_t port = reader.ReadU16();
    const std::uint32_t priority = reader.ReadU32();
    if (!reader.ok() || !ip.has_value()) break;
    switch (static_cast<ice::CandidateType>(type)) {
      case ice::CandidateType::kHost:
      case ice::CandidateType::kServerReflexive:
      case ice::CandidateType::kMapped:
      case ice::CandidateType::kRelayed:
        break;
      case ice::CandidateType::kPeerReflexive:
      default:
        continue;
    }
    if (port == 0) continue;
    ice::Candidate candidate;
    candidate.type = static_cast<ice::CandidateType>(type);
    candidate.address = {*ip, port, 0};
    candidate.priority = priority;
    candidates.push_back(candidate);
  }
  if (!reader.ok()) candidates.clear();
  return candidates;
}

Bytes EncodeNat(const ice::Nat& nat) {
  Bytes body(9 + 4 * ice::Nat::kMaxExternal);
  ByteWriter writer(body);
  const ice::PortModel& ports = nat.ports;
  const bool sequence = ports.allocation == ice::PortAllocation::kSequential;
  writer.WriteU8(static_cast<std::uint8_t>(nat.mapping));
  writer.WriteU8(static_cast<std::uint8_t>(nat.filtering));
  writer.WriteU8(nat.reading);
  writer.WriteU8(static_cast<std::uint8_t>(ports.allocation));
  writer.WriteU16(sequence ? ports.last : ports.low);
  writer.WriteU16(sequence ? static_cast<std::uint16_t>(ports.step)
                           : ports.high);
  std::vector<IpAddress> external;
  for (const IpAddress& ip : nat.external) {
    if (ip.is_v4() && external.size() < ice::Nat::kMaxExternal) {
      external.push_back(ip);
    }
  }
  writer.WriteU8(static_cast<std::uint8_t>(external.size()));
  for (const IpAddress& ip : external) writer.WriteBytes(ip.bytes());
  P2PCP_CHECK(writer.ok());
  body.resize(writer.size());
  Bytes bytes(2 + body.size());
  ByteWriter whole(bytes);
  WriteBlob(whole, body);
  P2PCP_CHECK(whole.ok());
  return bytes;
}

ice::Nat DecodeNat(ByteReader& reader) {
  ice::Nat nat;
  const Bytes body = ReadBlob(reader);
  if (!reader.ok() || body.empty()) return nat;
  ByteReader fields(body);
  const auto dependence = [&fields] {
    const std::uint8_t value = fields.ReadU8();
    return value <= static_cast<std::uint8_t>(
                        ice::Dependence::kAddressAndPortDependent)
               ? static_cast<ice::Dependence>(value)
               : ice::Dependence::kUnknown;
  };
  nat.mapping = dependence();
  nat.filtering = dependence();
  nat.reading = fields.ReadU8();
  const std::uint8_t allocation = fields.ReadU8();
  const std::uint16_t first = fields.ReadU16();
  const std::uint16_t second = fields.ReadU16();
  const std::size_t count = fields.ReadU8();
  for (std::size_t i = 0; i < count && fields.ok(); ++i) {
    const auto ip = IpAddress::FromBytes(fields.ReadBytes(4));
    if (ip.has_value() && i < ice::Nat::kMaxExternal) {
      nat.external.push_back(*ip);
    }
  }
  if (!fields.ok()) {
    reader.Fail();
    return {};
  }
  switch (static_cast<ice::PortAllocation>(allocation)) {
    case ice::PortAllocation::kPreserving:
    case ice::PortAllocation::kRandom:
      nat.ports.allocation = static_cast<ice::PortAllocation>(allocation);
      break;
    case ice::PortAllocation::kSequential:
      // A step that large is no sequence.
      if (static_cast<std::int16_t>(second) == 0 ||
          std::abs(static_cast<std::int16_t>(second)) > ice::kMaxSequenceGap) {
        break;
      }
      nat.ports.allocation = ice::PortAllocation::kSequential;
      nat.ports.last = first;
      nat.ports.step = static_cast<std::int16_t>(second);
      break;
    case ice::PortAllocation::kBlock:
      if (first > second) break;
      nat.ports.allocation = ice::PortAllocation::kBlock;
      nat.ports.low = first;
      nat.ports.high = second;
      break;
    case ice::PortAllocation::kUnknown:
      break;
  }
  return nat;
}

}  // namespace p2pcp::signaling
