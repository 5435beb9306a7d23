// Text and bytes of public keys: typed by people, or from a peer.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/crypto/public_key.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using p2pcp::crypto::PublicKey;
  const p2pcp::ByteSpan input = p2pcp::fuzz::InputBytes(data, size);
  for (const std::optional<PublicKey>& key :
       {PublicKey::Parse(p2pcp::AsText(input)), PublicKey::FromBytes(input)}) {
    if (!key) continue;
    const std::optional<PublicKey> again = PublicKey::Parse(key->ToString());
    P2PCP_CHECK(again && *again == *key);
    P2PCP_CHECK(!p2pcp::crypto::Fingerprint(*key).empty());
  }
  return 0;
}
