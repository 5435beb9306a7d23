#include "net/ice/probe.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::ice {
namespace {

constexpr std::uint16_t kSelectedFlag = 1;

}  // namespace

void WriteProbe(const Probe& probe, MutableByteSpan out) {
  P2PCP_CHECK(out.size() >= Probe::kSize);
  ByteWriter writer(out);
  writer.WriteU64(probe.challenge);
  writer.WriteU64(probe.echo);
  writer.WriteU16(probe.selected ? kSelectedFlag : 0);
  writer.PadToEnd();
}

std::optional<Probe> ReadProbe(ByteSpan bytes) {
  ByteReader reader(bytes);
  Probe probe;
  probe.challenge = reader.ReadU64();
  probe.echo = reader.ReadU64();
  probe.selected = (reader.ReadU16() & kSelectedFlag) != 0;
  if (!reader.ok()) return std::nullopt;
  const ByteSpan padding = reader.rest();
  if (!std::ranges::all_of(padding,
                           [](std::byte b) { return b == std::byte{0}; })) {
    return std::nullopt;
  }
  return probe;
}

}  // namespace p2pcp::ice
