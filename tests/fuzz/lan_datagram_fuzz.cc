// What anybody on the local network multicasts: only what has the one size and
// begins like a topic that is listened to is taken, and made of it again it is
// the same.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/signaling/lan_datagram.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::signaling {
namespace {

void Drive(ByteSpan datagram) {
  static const std::array<std::string, 3> kTopics = {
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaabbbbbbbbbbbbbbbbbbbbbbbb",
      "zyxwvutsrqponmlkjihgfedcba765432"};
  const auto decoded = DecodeLanDatagram(datagram, kTopics);
  const bool wanted =
      datagram.size() == kLanDatagramSize &&
      std::ranges::any_of(kTopics, [&](const std::string &topic) {
        return topic.substr(0, kLanTagSize) ==
               AsText(datagram.first(kLanTagSize));
      });
  P2PCP_CHECK(decoded.has_value() == wanted);
  if (!decoded) return;
  P2PCP_CHECK(std::ranges::find(kTopics, decoded->topic) != kTopics.end());
  P2PCP_CHECK(std::ranges::equal(
      EncodeLanDatagram(decoded->topic, decoded->envelope), datagram));
}

}  // namespace
}  // namespace p2pcp::signaling

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data,
                                      std::size_t size) {
  p2pcp::signaling::Drive(p2pcp::fuzz::InputBytes(data, size));
  return 0;
}
