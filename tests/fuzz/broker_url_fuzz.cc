// URLs of brokers, from the command line or a configuration file.

#include <cstddef>
#include <cstdint>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/result.h"
#include "net/signaling/broker_url.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using p2pcp::signaling::Broker;
  const p2pcp::Result<Broker> broker = p2pcp::signaling::ParseBroker(
      p2pcp::AsText(p2pcp::fuzz::InputBytes(data, size)));
  if (!broker.ok()) {
    P2PCP_CHECK(!broker.error().message.empty());
    return 0;
  }
  P2PCP_CHECK(!broker->host.empty());
  P2PCP_CHECK(broker->port != 0);
  P2PCP_CHECK(broker->password.empty());
  // What is printed is a URL of the same broker, but for the user.
  Broker expected = *broker;
  expected.user.clear();
  const p2pcp::Result<Broker> again =
      p2pcp::signaling::ParseBroker(broker->ToString());
  P2PCP_CHECK(again.ok() && *again == expected);
  return 0;
}
