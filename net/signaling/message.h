// What the two sides of a rendezvous say to each other, and its bytes inside
// the envelope. PROTOCOL.md has the diagrams and is the authority.

#ifndef P2PCP_NET_SIGNALING_MESSAGE_H_
#define P2PCP_NET_SIGNALING_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "net/base/bytes.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"
#include "net/ice/nat.h"

namespace p2pcp::signaling {

// The offerer sends files, the answerer receives them.
enum class Role : std::uint8_t { kOfferer = 0, kAnswerer = 1 };

constexpr Role Other(Role role) {
  return role == Role::kOfferer ? Role::kAnswerer : Role::kOfferer;
}

// Why a side ends what it had with the other.
enum class ByeReason : std::uint8_t {
  kGaveUp = 0,    // The user stopped, or a time ran out.
  kBusy = 1,      // There is another session; one at a time.
  kDeclined = 2,  // The user said no.
  kAuthenticationFailed = 3,
  kVersionMismatch = 4,
};

// The versions of p2pcp's protocol that a side speaks, both ends included.
struct VersionRange {
  std::uint8_t min = 1;
  std::uint8_t max = 1;

  // The highest version that both speak.
  std::optional<std::uint8_t> Common(const VersionRange& other) const;
  friend bool operator==(const VersionRange&, const VersionRange&) = default;
};

// 128 random bits: fresh ones are never guessed and never repeat.
using Nonce = std::array<std::byte, 16>;

enum class MessageType : std::uint8_t {
  kHello = 1,       // Offerer: is anybody there?
  kReady = 2,       // Answerer: I am, and this is my nonce.
  kOffer = 3,       // Offerer: Noise message 1, candidates.
  kAnswer = 4,      // Answerer: Noise message 2, suite, candidates.
  kCandidates = 5,  // Either: more candidates, under the session's keys.
  kBye = 6,         // Either.
};

struct Message {
  // What every envelope holds, padded with zeros: 1,024 bytes less the
  // envelope's nonce and tag.
  static constexpr std::size_t kSize = 984;
  // Type, versions, reserved, from and to. The same in all versions.
  static constexpr std::size_t kHeaderSize = 36;

  MessageType type = MessageType::kHello;
  VersionRange versions;
  // Who speaks, and what of the other's it refers to; all zeros: nothing.
  Nonce from{};
  Nonce to{};

  Nonce offer_nonce{};                    // kOffer
  std::vector<crypto::Suite> suites;      // kOffer
  Bytes handshake;                        // kOffer, kAnswer: the Noise message
  Bytes sealed;                           // kCandidates: an envelope of its own
  ByeReason reason = ByeReason::kGaveUp;  // kBye

  // kSize bytes. REQUIRES: it fits, which 16 candidates always do.
  Bytes Encode() const;
  // nullopt if the bytes are no message, or one of a type or with a reason
  // that we don't know. Of a message in a version that we don't speak only the
  // header is read, and type tells which it would be.
  static std::optional<Message> Decode(ByteSpan bytes,
                                       const VersionRange& ours);
  // The first kHeaderSize bytes of Encode().
  std::array<std::byte, kHeaderSize> Header() const;

  friend bool operator==(const Message&, const Message&) = default;
};

// A list of candidates: count, then type u8, family u8 (4, 6), address, port,
// priority u32 each. Base, socket and scope stay at home.
// REQUIRES: candidates.size() <= ice::kMaxCandidates.
Bytes EncodeCandidates(std::span<const ice::Candidate> candidates);
// Reads one; fails the reader if it is none. Candidates of a type that is
// never signalled are left out.
std::vector<ice::Candidate> DecodeCandidates(ByteReader& reader);

// What follows the list: the speaker's NAT, nat.h. A length u16, then mapping,
// filtering, reading, allocation u8, two u16 of the port model, count u8 of
// IPv4 addresses; what a later version adds at its end is passed over.
Bytes EncodeNat(const ice::Nat& nat);
// Reads one; fails the reader if it is none. Values that are not known count as
// unknown; length 0 says that nothing is known.
ice::Nat DecodeNat(ByteReader& reader);

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MESSAGE_H_
