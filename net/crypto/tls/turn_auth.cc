#include "net/crypto/tls/turn_auth.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>

#include "net/base/check.h"

namespace p2pcp::crypto {

TurnKey MakeTurnKey(std::string_view user, std::string_view realm,
                    std::string_view password) {
  std::string text;
  text.append(user).append(":").append(realm).append(":").append(password);
  TurnKey key = {};
  unsigned size = 0;
  P2PCP_CHECK(EVP_Digest(text.data(), text.size(),
                         reinterpret_cast<unsigned char*>(key.data()), &size,
                         EVP_md5(), nullptr) == 1 &&
              size == key.size());
  return key;
}

TurnMac MakeTurnMac(const TurnKey& key, ByteSpan message) {
  TurnMac mac = {};
  unsigned size = 0;
  P2PCP_CHECK(HMAC(EVP_sha1(), key.data(), static_cast<int>(key.size()),
                   reinterpret_cast<const unsigned char*>(message.data()),
                   message.size(), reinterpret_cast<unsigned char*>(mac.data()),
                   &size) != nullptr &&
              size == mac.size());
  return mac;
}

}  // namespace p2pcp::crypto
