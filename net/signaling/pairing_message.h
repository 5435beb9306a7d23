// What two devices that share a pairing code say to each other, and its bytes
// inside the envelope. PAIRING.md has the diagrams and is the authority.

#ifndef P2PCP_NET_SIGNALING_PAIRING_MESSAGE_H_
#define P2PCP_NET_SIGNALING_PAIRING_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/crypto/cpace.h"
#include "net/crypto/envelope.h"
#include "net/signaling/message.h"

namespace p2pcp::signaling {

// The displayer shows the code, the enterer has typed it.
enum class PairingType : std::uint8_t {
  kRequest = 1,  // Enterer (m1): I have a code for this place.
  kShare = 2,    // Displayer (m2): Ya.
  kProof = 3,    // Enterer (m3): Yb, Tb, who I am.
  kAnswer = 4,   // Displayer (m4): Ta, who I am.
  kRefusal = 5,  // Displayer: no, and why. Not authenticated: a hint.
  kDone = 6,     // Enterer: the answer is here; whether it is kept.
};

enum class Refusal : std::uint8_t {
  kWrongCode = 0,
  kBurnt = 1,            // Too many wrong ones: the code is void.
  kUsed = 2,             // Somebody else was paired by it.
  kVersionMismatch = 3,  // No version or suite in common.
  kDeclined = 4,         // The displayer can't keep the enterer's key.
};

// The PAKE. 1: CPACE-RISTR255-SHA512.
enum class PairingSuite : std::uint8_t { kCpaceRistretto255 = 1 };

struct PairingMessage {
  // As Message::kSize: envelopes of both kinds are of one size.
  static constexpr std::size_t kSize = Message::kSize;
  static constexpr std::size_t kHeaderSize = Message::kHeaderSize;
  static constexpr std::size_t kMaxSuites = 16;
  // An identity: public key and signature, sealed.
  static constexpr std::size_t kIdentitySize = 32 + 64;
  using SealedIdentity =
      std::array<std::byte, kIdentitySize + crypto::kEnvelopeOverhead>;
  using DoneTag = std::array<std::byte, 32>;

  PairingType type = PairingType::kRequest;
  VersionRange versions;
  Nonce enterer{};    // r_b
  Nonce displayer{};  // r_a; all zeros: none.

  std::vector<std::uint8_t> suites;       // kRequest
  std::uint8_t version = 0;               // kShare
  std::uint8_t suite = 0;                 // kShare
  crypto::CpacePoint share{};             // kShare, kProof
  crypto::CpaceTag tag{};                 // kProof, kAnswer
  SealedIdentity identity{};              // kProof, kAnswer
  Refusal refusal = Refusal::kWrongCode;  // kRefusal
  bool kept = false;                      // kDone
  DoneTag done_tag{};                     // kDone

  // kSize bytes.
  Bytes Encode() const;
  // nullopt if the bytes are no message of a type that we know. Of a request
  // in a version that we don't speak only the header is read.
  static std::optional<PairingMessage> Decode(ByteSpan bytes,
                                              const VersionRange& ours);

  friend bool operator==(const PairingMessage&,
                         const PairingMessage&) = default;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_PAIRING_MESSAGE_H_
