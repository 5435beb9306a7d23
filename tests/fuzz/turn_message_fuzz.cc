// What a TURN server sends, at each stage of an allocation, and as a stream.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/turn/turn_client.h"
#include "net/turn/turn_message.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  namespace turn = p2pcp::turn;
  const p2pcp::ByteSpan input = p2pcp::fuzz::InputBytes(data, size);
  // As a stream: whatever is cut out of it lies within it.
  p2pcp::ByteSpan rest = input;
  while (const auto message = turn::StreamMessageSize(rest)) {
    if (*message == 0 || *message > rest.size()) break;
    P2PCP_CHECK(*message >= 4);
    rest = rest.subspan(*message);
  }
  // As a message, with the transaction's own id where there is room for one.
  p2pcp::SeededRandom random(1);
  p2pcp::TimePoint now{p2pcp::Duration(std::chrono::seconds(1))};
  turn::TurnClient client(now, {.user = "me", .password = "secret"}, random);
  p2pcp::Bytes out(turn::kMaxRequest);
  p2pcp::Bytes message(input.begin(), input.end());
  for (int i = 0; i < 8 && !client.failed(); ++i) {
    while (const auto sent = client.PollTransmit(now, out)) {
      P2PCP_CHECK(*sent <= out.size());
      if (message.size() < turn::kHeaderSize) continue;
      std::copy(out.begin() + 8, out.begin() + 20, message.begin() + 8);
    }
    if (const auto received = client.HandleMessage(now, message)) {
      P2PCP_CHECK(received->bytes.size() <= message.size());
      P2PCP_CHECK(received->bytes.empty() ||
                  (received->bytes.data() >= message.data() &&
                   received->bytes.data() + received->bytes.size() <=
                       message.data() + message.size()));
    }
    if (client.relayed()) {
      client.Permit(now, *p2pcp::SocketAddress::Parse("203.0.113.7:4000"));
    }
    if (const auto next = client.PollTimeout()) {
      now = std::max(now, *next);
      client.HandleTimeout(now);
    }
  }
  return 0;
}
