// How a NAT chooses the outside ports of its mappings, inferred from those of
// some fresh sockets: what makes the next one guessable.

#ifndef P2PCP_NET_ICE_PORT_MODEL_H_
#define P2PCP_NET_ICE_PORT_MODEL_H_

#include <cstdint>
#include <span>
#include <string>

namespace p2pcp::ice {

enum class PortAllocation : std::uint8_t {
  kUnknown = 0,
  kPreserving = 1,  // The inside port.
  kSequential = 2,  // The last one plus a step.
  kBlock = 3,       // Any within a range that is worth guessing in.
  kRandom = 4,
};

struct PortModel {
  PortAllocation allocation = PortAllocation::kUnknown;
  // kSequential: the port seen last, and how much further the next one is.
  std::uint16_t last = 0;
  std::int16_t step = 0;
  // kBlock: the lowest and the highest port.
  std::uint16_t low = 0;
  std::uint16_t high = 0;

  // Ports of the block.
  int size() const { return high - low + 1; }

  friend bool operator==(const PortModel&, const PortModel&) = default;
};

// "one after the other from 20017", "within 30720-31231", "random", ...
std::string ToString(const PortModel& model);

struct PortSample {
  std::uint16_t local = 0;
  std::uint16_t external = 0;
};

// So many fresh sockets are asked about: of a block that 16 ports were drawn
// from, they span 15/17 on average.
inline constexpr int kPortSamples = 16;
// Fewer say nothing.
inline constexpr int kMinPortSamples = 6;
// A wider range is as good as all ports.
inline constexpr int kMaxBlockSize = 8192;
// How far apart two ports of a sequence may be: step times the flows of others
// that came in between.
inline constexpr int kMaxSequenceGap = 32;

// samples: in the order in which the sockets first sent.
PortModel InferPortModel(std::span<const PortSample> samples);

}  // namespace p2pcp::ice

#endif  // P2PCP_NET_ICE_PORT_MODEL_H_
