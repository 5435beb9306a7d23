#include "net/crypto/sodium.h"

#include <sodium.h>

#include "net/base/check.h"

namespace p2pcp::crypto {

void InitSodium() {
  static const bool ready = sodium_init() >= 0;
  P2PCP_CHECK(ready);
}

}  // namespace p2pcp::crypto
