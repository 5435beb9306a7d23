// CPace, a balanced PAKE: draft-irtf-cfrg-cpace-21, suite
// CPACE-RISTR255-SHA512, in the setting with an initiator (A) and a responder
// (B). Two who share a weak secret get a strong key; whoever does not know the
// secret can try one guess a run, and learns nothing from listening.
//
// The key confirmation of section 10.4 is part of it. What is sent when, and
// how many guesses are allowed, is the caller's affair.

#ifndef P2PCP_NET_CRYPTO_CPACE_H_
#define P2PCP_NET_CRYPTO_CPACE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/crypto/key.h"

namespace p2pcp::crypto {

// An element of ristretto255 (RFC 9496), encoded.
using CpacePoint = std::array<std::byte, 32>;
// HMAC-SHA-512.
using CpaceTag = std::array<std::byte, 64>;

// What both sides must have in common.
struct CpaceInputs {
  ByteSpan secret;   // PRS
  ByteSpan channel;  // CI: who talks to whom, and what for.
  ByteSpan session;  // sid: never the same twice.
};

// What a run gives, the same on both sides if their inputs and what they saw
// were the same. Wiped with it; copies too, each by itself.
class CpaceSecret {
 public:
  static constexpr std::size_t kSize = 64;

  CpaceSecret(const CpaceSecret&) = default;
  CpaceSecret& operator=(const CpaceSecret&) = default;
  ~CpaceSecret() {
    Wipe(isk_);
    Wipe(mac_key_);
  }

  // ISK: for deriving keys from, never to be used as one.
  ByteSpan isk() const { return isk_; }

  // What proves that its sender has the secret, and saw what we saw: each side
  // sends the tag of its own share and associated data.
  CpaceTag Tag(const CpacePoint& share, ByteSpan associated_data) const;
  // In constant time.
  bool Verify(const CpacePoint& share, ByteSpan associated_data,
              ByteSpan tag) const;

 private:
  friend class Cpace;
  CpaceSecret() = default;

  std::array<std::byte, kSize> isk_{};
  std::array<std::byte, kSize> mac_key_{};
};

// One side of one run.
class Cpace {
 public:
  enum class Role : std::uint8_t { kInitiator, kResponder };

  // associated_data is sent in clear beside the share and is bound to the key.
  Cpace(Role role, const CpaceInputs& inputs, ByteSpan associated_data,
        Random& random);

  const CpacePoint& share() const { return share_; }
  ByteSpan associated_data() const { return associated_data_; }

  // nullopt if the peer's share is no element or the neutral one: the run is
  // to be aborted (section 7.2).
  std::optional<CpaceSecret> Finish(const CpacePoint& peer_share,
                                    ByteSpan peer_associated_data) const;

 private:
  Role role_;
  Bytes session_;
  Bytes associated_data_;
  Key scalar_;
  CpacePoint share_{};
};

// calculate_generator of section 8.3.
CpacePoint CpaceGenerator(const CpaceInputs& inputs);

// scalar_mult_vfy of section 8.3; false where that is the neutral element.
[[nodiscard]] bool CpaceMultiply(const Key& scalar, const CpacePoint& point,
                                 Key& product);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_CPACE_H_
