// Six digits that two users compare, to see that nobody stands between them.

#ifndef P2PCP_NET_CRYPTO_VERIFY_DIGITS_H_
#define P2PCP_NET_CRYPTO_VERIFY_DIGITS_H_

#include <string>

#include "net/crypto/key.h"

namespace p2pcp::crypto {

// The same on both sides of one pairing, and 1 time in 10^6 on two sides that
// are paired with somebody in between. That somebody knows both secrets and
// could try one pairing after the other until the digits agree, so they are
// made costly: Argon2id takes 64 MiB and some tenths of a second.
std::string VerifyDigits(const Psk& psk);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_VERIFY_DIGITS_H_
