// What a router answers by PCP or NAT-PMP, and what becomes of it.

#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/udp/pcp_message.h"
#include "net/udp/port_mapper.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using p2pcp::udp::PcpResponse;
  const p2pcp::ByteSpan datagram = p2pcp::fuzz::InputBytes(data, size);
  const auto response = p2pcp::udp::ReadPcpResponse(datagram);
  if (response && response->kind == PcpResponse::Kind::kPcpMap) {
    P2PCP_CHECK(response->version == 2 && size >= 60);
  }
  // The same at every stage of a mapper's life: it ends nowhere that can't be
  // sent to, and never spins.
  p2pcp::SeededRandom random(1);
  p2pcp::TimePoint now{p2pcp::Duration(std::chrono::seconds(1))};
  p2pcp::udp::PortMapper mapper(now, *p2pcp::IpAddress::Parse("10.0.0.2"), 4000,
                                random);
  std::byte out[p2pcp::udp::kPcpMapSize];
  for (int i = 0; i < 12; ++i) {
    while (mapper.PollTransmit(out)) {
    }
    mapper.HandleDatagram(now, datagram);
    if (const auto mapped = mapper.mapped()) {
      P2PCP_CHECK(mapped->port != 0 && !mapped->ip.IsUnspecified());
      P2PCP_CHECK(!mapped->ip.IsLoopback() && !mapped->ip.IsMulticast());
    }
    const auto next = mapper.PollTimeout();
    P2PCP_CHECK(next.has_value());
    now = *next;
    mapper.HandleTimeout(now);
    while (mapper.PollTransmit(out)) {
    }
    P2PCP_CHECK(*mapper.PollTimeout() > now);
  }
  return 0;
}
