// The messages of a session: what is read is written so that it is read the
// same again.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/session/messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using p2pcp::message::Message;
  // Connection::kMaxControlMessage: longer ones do not come.
  if (size > 16 * 1024) return 0;
  const p2pcp::ByteSpan input = p2pcp::fuzz::InputBytes(data, size);
  const std::optional<Message> message = p2pcp::message::Parse(input);
  if (!message) return 0;
  const p2pcp::Bytes written = p2pcp::message::Serialize(*message);
  const std::optional<Message> again = p2pcp::message::Parse(written);
  P2PCP_CHECK(again && again->index() == message->index());
  P2PCP_CHECK(p2pcp::message::Serialize(*again) == written);
  return 0;
}
