// Packets of one session, sealed and opened: connection ids, packet numbers,
// replay window and AEAD (PROTOCOL.md 2). What comes in and is not ours, not
// new or not authentic is counted by reason and leaves no other trace.

#ifndef P2PCP_NET_CHANNEL_PACKET_PROTECTION_H_
#define P2PCP_NET_CHANNEL_PACKET_PROTECTION_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/channel/packet_header.h"
#include "net/channel/replay_window.h"
#include "net/crypto/handshake.h"
#include "net/crypto/packet_aead.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"

namespace p2pcp::channel {

enum class DropReason : std::uint8_t {
  kTooShort,           // Not even an empty packet.
  kUnknownType,        // Another first byte than ours.
  kUnknownConnection,  // Not this session's id.
  kReplayed,           // The packet number was seen.
  kTooOld,             // The packet number is behind the replay window.
  kBadTag,             // Not sealed by the peer.
  kMalformedProbe,     // Authentic, and yet no probe.
  kRefusedSource,      // Authentic, from where nothing may be sent to.
};
inline constexpr std::size_t kDropReasons = 8;
// "too short", ...: for -v.
std::string_view ToString(DropReason reason);

struct ReceiveStats {
  std::uint64_t payloads = 0;
  std::uint64_t probes = 0;
  std::array<std::uint64_t, kDropReasons> dropped{};

  std::uint64_t Dropped(DropReason reason) const {
    return dropped[static_cast<std::size_t>(reason)];
  }
  // Of another than the peer, as far as a header tells.
  std::uint64_t foreign() const {
    return Dropped(DropReason::kTooShort) + Dropped(DropReason::kUnknownType) +
           Dropped(DropReason::kUnknownConnection);
  }
};

class PacketProtection {
 public:
  // What a datagram is longer than its plaintext.
  static constexpr std::size_t kOverhead =
      PacketHeader::kSize + crypto::kPacketTagSize;

  // first: the first packet's number, but for tests of large ones 1.
  PacketProtection(ice::Role role, const crypto::SessionKeys& keys,
                   crypto::Suite suite, crypto::OpenerLimits limits = {},
                   PacketNumber first = PacketNumber(1));

  // Grows by 1 with each Seal(), whatever the packet's type.
  PacketNumber next_packet_number() const { return next_; }
  // Writes header || sealed(frames || data) to the start of out and returns its
  // size. frames and data may stand in out where they belong, from
  // PacketHeader::kSize on. REQUIRES: out has room for it.
  std::size_t Seal(PacketType type, ByteSpan frames, ByteSpan data,
                   MutableByteSpan out);
  // Packets of payload, as Channel::SealRun() has them.
  std::size_t SealRun(std::size_t count, std::size_t frames_size, ByteSpan data,
                      MutableByteSpan out);

  struct Opened {
    PacketType type = PacketType::kPayload;
    PacketNumber number;
    MutableByteSpan plaintext;  // Within the datagram.
    // No authentic packet with a higher number has come yet.
    bool newest = false;
  };
  // Decrypts in place. nullopt: dropped and counted.
  std::optional<Opened> Open(MutableByteSpan datagram);

  // Of the keys that open. See crypto::PacketOpener.
  std::uint64_t receive_epoch() const { return opener_.epoch(); }
  void ForgetPreviousEpoch() { opener_.ForgetPreviousEpoch(); }
  bool dead() const { return opener_.dead(); }

  // What comes to us bears this.
  const ConnectionId& receive_id() const { return receive_id_; }

  ReceiveStats& stats() { return stats_; }
  const ReceiveStats& stats() const { return stats_; }
  void CountDrop(DropReason reason) {
    ++stats_.dropped[static_cast<std::size_t>(reason)];
  }

 private:
  PacketNumber next_;
  ConnectionId send_id_;
  ConnectionId receive_id_;
  crypto::PacketSealer sealer_;
  crypto::PacketOpener opener_;
  ReplayWindow window_;
  ReceiveStats stats_;
};

}  // namespace p2pcp::channel

#endif  // P2PCP_NET_CHANNEL_PACKET_PROTECTION_H_
