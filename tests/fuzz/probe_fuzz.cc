// What a connectivity check carries, once it is decrypted.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/ice/probe.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using p2pcp::ice::Probe;
  const p2pcp::ByteSpan input = p2pcp::fuzz::InputBytes(data, size);
  const std::optional<Probe> probe = p2pcp::ice::ReadProbe(input);
  if (!probe) return 0;
  P2PCP_CHECK(input.size() >= Probe::kSize);
  P2PCP_CHECK(std::all_of(input.begin() + Probe::kSize, input.end(),
                          [](std::byte b) { return b == std::byte{0}; }));
  p2pcp::Bytes written(input.size(), std::byte{0xff});
  p2pcp::ice::WriteProbe(*probe, written);
  P2PCP_CHECK(p2pcp::ice::ReadProbe(written) == probe);
  return 0;
}
