// The words that pairing codes are made of: short, common, easy to say.

#ifndef P2PCP_NET_CRYPTO_CODE_WORDS_H_
#define P2PCP_NET_CRYPTO_CODE_WORDS_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace p2pcp::crypto {

// Three of them have 31.0 bits.
inline constexpr std::size_t kCodeWordCount = 1295;
// A word may be cut short to this where no other begins like it.
inline constexpr std::size_t kMinCodeWordPrefix = 2;

// Lower case. REQUIRES: index < kCodeWordCount.
std::string_view CodeWord(std::size_t index);

// Which word this is, or the only one that begins like this; nullopt if there
// is none, or more than one. text is in lower case.
std::optional<std::size_t> FindCodeWord(std::string_view text);

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_CODE_WORDS_H_
