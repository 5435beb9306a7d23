// The code that two people tell each other once: 4821-acid-bagel-crumb. Four
// digits say where to meet (public), three words are the secret. Always drawn,
// never chosen.

#ifndef P2PCP_NET_CRYPTO_PAIRING_CODE_H_
#define P2PCP_NET_CRYPTO_PAIRING_CODE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/base/random.h"
#include "net/base/result.h"
#include "net/crypto/key.h"

namespace p2pcp::crypto {

// The secret is wiped with it; copies too, each by itself.
class PairingCode {
 public:
  // Four digits, leading zeros included.
  static constexpr std::size_t kNameplateSize = 4;
  static constexpr std::size_t kWords = 3;
  // What Parse() looks at; more is no code.
  static constexpr std::size_t kMaxTextSize = 128;

  static PairingCode Generate(Random& random);
  // Takes either case, blanks, dots and the like around and between the parts,
  // and words cut short where only one begins like that. kUsage with what is
  // wrong, which never repeats what was given: it may be a secret.
  static Result<PairingCode> Parse(std::string_view text);

  PairingCode(const PairingCode&) = default;
  PairingCode& operator=(const PairingCode&) = default;
  ~PairingCode();

  // "4821": anybody may know it.
  std::string nameplate() const;
  // "4821-acid-bagel-crumb": to be shown, and to be wiped after use.
  std::string ToString() const;
  // "acid-bagel-crumb": what CPace takes; to be wiped after use.
  std::string Secret() const;

  friend bool operator==(const PairingCode&, const PairingCode&) = default;

 private:
  PairingCode() = default;

  std::uint16_t nameplate_ = 0;
  std::array<std::uint16_t, kWords> words_{};
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_PAIRING_CODE_H_
