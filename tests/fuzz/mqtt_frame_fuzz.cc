// What the MQTT child and its parent say to each other, from either: what is
// read is written again, and read again as the same.

#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/signaling/mqtt_wire.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using p2pcp::Bytes;
  using p2pcp::signaling::MqttFrame;
  const auto frame = MqttFrame::Decode(p2pcp::fuzz::InputBytes(data, size));
  if (!frame.has_value()) return 0;
  const Bytes written = MqttFrame::Encode(*frame);
  const auto again = MqttFrame::Decode(written);
  P2PCP_CHECK(again.has_value());
  P2PCP_CHECK(again->index() == frame->index());
  P2PCP_CHECK(MqttFrame::Encode(*again) == written);
  return 0;
}
