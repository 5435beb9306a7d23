// The clear header of a packet.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/packet_number.h"
#include "net/channel/packet_header.h"
#include "net/stun/message.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using p2pcp::channel::PacketHeader;
  const p2pcp::ByteSpan datagram = p2pcp::fuzz::InputBytes(data, size);
  const bool ours = p2pcp::channel::IsPacket(datagram);
  // One socket for both: never taken for both.
  P2PCP_CHECK(!ours || !p2pcp::stun::IsStunMessage(datagram));
  const std::optional<PacketHeader> header =
      p2pcp::channel::ReadPacketHeader(datagram);
  if (!header) return 0;
  P2PCP_CHECK(ours);
  P2PCP_CHECK(header->number.value() <= p2pcp::PacketNumber::kMax);
  std::array<std::byte, PacketHeader::kSize> written;
  p2pcp::channel::WritePacketHeader(*header, written);
  P2PCP_CHECK(std::equal(written.begin(), written.end(), datagram.begin()));
  return 0;
}
