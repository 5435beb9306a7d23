#include "net/channel/packet_protection.h"

#include "net/base/check.h"
#include "net/crypto/hash.h"

namespace p2pcp::channel {
namespace {

// The id under which one side receives: both sides can tell both from the
// handshake, a stranger none.
ConnectionId DeriveId(const crypto::SessionKeys& keys, ice::Role receiver) {
  ConnectionId id;
  crypto::DeriveBytes(keys.handshake_hash,
                      receiver == ice::Role::kControlling
                          ? "connection id of the controlling side"
                          : "connection id of the controlled side",
                      {}, id);
  return id;
}

ice::Role Other(ice::Role role) {
  return role == ice::Role::kControlling ? ice::Role::kControlled
                                         : ice::Role::kControlling;
}

}  // namespace

std::string_view ToString(DropReason reason) {
  switch (reason) {
    case DropReason::kTooShort:
      return "too short";
    case DropReason::kUnknownType:
      return "unknown type";
    case DropReason::kUnknownConnection:
      return "unknown connection";
    case DropReason::kReplayed:
      return "replayed";
    case DropReason::kTooOld:
      return "too old";
    case DropReason::kBadTag:
      return "bad tag";
    case DropReason::kMalformedProbe:
      return "malformed probe";
    case DropReason::kRefusedSource:
      return "refused source";
  }
  return "?";
}

PacketProtection::PacketProtection(ice::Role role,
                                   const crypto::SessionKeys& keys,
                                   crypto::Suite suite,
                                   crypto::OpenerLimits limits,
                                   PacketNumber first)
    : next_(first),
      send_id_(DeriveId(keys, Other(role))),
      receive_id_(DeriveId(keys, role)),
      sealer_(suite, keys.send, limits.epoch_packets),
      opener_(suite, keys.receive, limits) {}

std::size_t PacketProtection::Seal(PacketType type, ByteSpan frames,
                                   ByteSpan data, MutableByteSpan out) {
  P2PCP_CHECK(next_.value() < PacketNumber::kMax);
  WritePacketHeader({.type = type, .connection_id = send_id_, .number = next_},
                    out);
  const std::size_t size =
      sealer_.Seal(next_, out.first(PacketHeader::kSize), frames, data, out);
  next_ = next_.Next();
  return size;
}

std::size_t PacketProtection::SealRun(std::size_t count,
                                      std::size_t frames_size, ByteSpan data,
                                      MutableByteSpan out) {
  P2PCP_CHECK(count <= PacketNumber::kMax - next_.value());
  const std::size_t data_size = data.size() / count;
  const std::size_t size = kOverhead + frames_size + data_size;
  P2PCP_CHECK(out.size() >= count * size);
  const auto packet = [&](std::size_t i) {
    return out.subspan(i * size, size);
  };
  // First, since a header that was written just now is slow to be read as a
  // whole.
  for (std::size_t i = 0; i < count; ++i) {
    WritePacketHeader({.type = PacketType::kPayload,
                       .connection_id = send_id_,
                       .number = PacketNumber(next_.value() + i)},
                      packet(i));
  }
  for (std::size_t i = 0; i < count; ++i) {
    sealer_.Seal(next_, packet(i).first(PacketHeader::kSize),
                 packet(i).subspan(PacketHeader::kSize, frames_size),
                 data.subspan(i * data_size, data_size), packet(i));
    next_ = next_.Next();
  }
  return count * size;
}

std::optional<PacketProtection::Opened> PacketProtection::Open(
    MutableByteSpan datagram) {
  const auto drop = [this](DropReason reason) {
    CountDrop(reason);
    return std::nullopt;
  };
  if (datagram.size() < kOverhead) return drop(DropReason::kTooShort);
  const auto header = ReadPacketHeader(datagram);
  if (!header) return drop(DropReason::kUnknownType);
  if (header->connection_id != receive_id_) {
    return drop(DropReason::kUnknownConnection);
  }
  // The order matters: the window is cheap to ask, and only an authentic packet
  // may change it.
  switch (window_.Check(header->number)) {
    case ReplayWindow::Verdict::kNew:
      break;
    case ReplayWindow::Verdict::kSeen:
      return drop(DropReason::kReplayed);
    case ReplayWindow::Verdict::kTooOld:
      return drop(DropReason::kTooOld);
  }
  const auto plaintext =
      opener_.Open(header->number, datagram.first(PacketHeader::kSize),
                   datagram.subspan(PacketHeader::kSize));
  if (!plaintext) return drop(DropReason::kBadTag);
  const bool newest = !window_.Reached(header->number);
  window_.Add(header->number);
  ++(header->type == PacketType::kPayload ? stats_.payloads : stats_.probes);
  return Opened{.type = header->type,
                .number = header->number,
                .plaintext = *plaintext,
                .newest = newest};
}

}  // namespace p2pcp::channel
