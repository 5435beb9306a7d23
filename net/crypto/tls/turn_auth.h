// What STUN's long-term credentials want (RFC 8489 section 9.2), as all TURN
// servers know it: MD5 for the key, HMAC-SHA1 for the messages. Neither
// protects anything of ours: it pays for the use of a relay, which sees sealed
// packets only.

#ifndef P2PCP_NET_CRYPTO_TLS_TURN_AUTH_H_
#define P2PCP_NET_CRYPTO_TLS_TURN_AUTH_H_

#include <array>
#include <cstddef>
#include <string_view>

#include "net/base/bytes.h"

namespace p2pcp::crypto {

using TurnKey = std::array<std::byte, 16>;
using TurnMac = std::array<std::byte, 20>;

// MD5(user ":" realm ":" password).
TurnKey MakeTurnKey(std::string_view user, std::string_view realm,
                    std::string_view password);
// HMAC-SHA1 of a message up to its MESSAGE-INTEGRITY.
TurnMac MakeTurnMac(const TurnKey& key, ByteSpan message);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_TLS_TURN_AUTH_H_
