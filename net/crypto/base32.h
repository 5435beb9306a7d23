// Base32 (RFC 4648 section 6) in lower case and without padding: what keys,
// fingerprints and topics look like in text.

#ifndef P2PCP_NET_CRYPTO_BASE32_H_
#define P2PCP_NET_CRYPTO_BASE32_H_

#include <optional>
#include <string>
#include <string_view>

#include "net/base/bytes.h"

namespace p2pcp::crypto {

std::string Base32(ByteSpan bytes);

// Takes both cases. nullopt on any other character, on a length that no number
// of bytes gives, and where the unused bits at the end are not zero, so that
// each value has one text (but for its case).
std::optional<Bytes> Unbase32(std::string_view text);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_BASE32_H_
