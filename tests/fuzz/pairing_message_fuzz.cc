// What a pairing's envelope holds, once it is opened: an input is a message
// without its padding.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/signaling/message.h"
#include "net/signaling/pairing_message.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using p2pcp::signaling::PairingMessage;
  const p2pcp::signaling::VersionRange ours = {1, 2};
  const p2pcp::ByteSpan input = p2pcp::fuzz::InputBytes(data, size);
  if (size != PairingMessage::kSize) {
    P2PCP_CHECK(!PairingMessage::Decode(input, ours));
  }
  p2pcp::Bytes padded(PairingMessage::kSize);
  const std::size_t used = std::min(input.size(), padded.size());
  p2pcp::CopyBytes(input.first(used), padded);
  const std::optional<PairingMessage> message =
      PairingMessage::Decode(padded, ours);
  if (!message) return 0;
  P2PCP_CHECK(message->suites.size() <= PairingMessage::kMaxSuites);
  P2PCP_CHECK(message->versions.min <= message->versions.max);
  P2PCP_CHECK(PairingMessage::Decode(message->Encode(), ours) == message);
  return 0;
}
