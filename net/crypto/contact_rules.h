// What the user has laid down for one peer: the flags of a line of the contact
// book, words separated by commas:
//   ask            show what is offered and ask
//   max=BYTES      decline what is larger
//   out=FOLDER     where its files go; all but letters, digits and /._- as %XX
//   old-key        it knows this device by the key before the last rotation
// Words that later versions may add are kept as they were read.

#ifndef P2PCP_NET_CRYPTO_CONTACT_RULES_H_
#define P2PCP_NET_CRYPTO_CONTACT_RULES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace p2pcp::crypto {

struct ContactRules {
  // Of the text: a folder of some 300 characters in any script.
  static constexpr std::size_t kMaxText = 1024;

  bool ask = false;
  std::optional<std::uint64_t> max_size;  // Bytes, of all files together.
  std::string folder;                     // Empty: the user says, or here.
  bool knows_old_key = false;
  std::vector<std::string> others;

  // "" is no rule. nullopt where a word that is known makes no sense: a rule
  // that is not understood must not be passed over.
  static std::optional<ContactRules> Parse(std::string_view flags);
  // What Parse() reads as the same; may be longer than kMaxText.
  std::string ToString() const;

  friend bool operator==(const ContactRules&, const ContactRules&) = default;
};

}  // namespace p2pcp::crypto

#endif  // P2PCP_NET_CRYPTO_CONTACT_RULES_H_
