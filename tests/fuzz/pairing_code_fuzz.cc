// A pairing code as somebody typed it, or as a file holds it.

#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/result.h"
#include "net/crypto/pairing_code.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using p2pcp::crypto::PairingCode;
  const auto code =
      PairingCode::Parse(p2pcp::AsText(p2pcp::fuzz::InputBytes(data, size)));
  if (!code.ok()) {
    P2PCP_CHECK(!code.error().message.empty());
    return 0;
  }
  P2PCP_CHECK(code->nameplate().size() == PairingCode::kNameplateSize);
  P2PCP_CHECK(code->ToString() == code->nameplate() + "-" + code->Secret());
  const auto again = PairingCode::Parse(code->ToString());
  P2PCP_CHECK(again.ok() && *again == *code);
  return 0;
}
