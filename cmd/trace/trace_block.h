// TraceBlock: what a tracer notes on the hot thread and a writer makes text of
// on another: records of 64-bit words, one behind the other.
//
//   word 0: kind (8 bits), words of the record, this one included
//   word 1: nanoseconds since the trace began
//   kSent, kReceived: number, size of the payload, frames
//   kLost:            number, size of the payload
//   kMetrics:         smoothed, least, latest RTT (ns), congestion window,
//                     bytes in flight, pacing rate (bytes/s, 0: none)
//   kState:           address and length of a string of static storage
//   kPath:            bytes that a payload may have
//   kMissed:          records that found no room before this one
//
// A frame is: type (8 bits), words of the frame, this one included; then
//   DATA, CONTROL: offset, length;  CREDIT: max_data;  PING: lowest unacked;
//   CLOSE: code;  ACK: delay (us), smallest and largest number of each range

#ifndef P2PCP_CMD_TRACE_TRACE_BLOCK_H_
#define P2PCP_CMD_TRACE_TRACE_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace p2pcp::cmd {

enum class TraceKind : std::uint8_t {
  kSent,
  kReceived,
  kLost,
  kMetrics,
  kState,
  kPath,
  kMissed,
};

using TraceBlock = std::vector<std::uint64_t>;

// 64 KiB: about 900 packets.
inline constexpr std::size_t kTraceBlockWords = 8192;

constexpr std::uint64_t TraceHead(std::uint8_t kind, std::size_t words) {
  return kind | static_cast<std::uint64_t>(words) << 8;
}
constexpr std::uint8_t TraceKindOf(std::uint64_t head) {
  return static_cast<std::uint8_t>(head);
}
constexpr std::size_t TraceWordsOf(std::uint64_t head) {
  return static_cast<std::size_t>(head >> 8);
}

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_TRACE_TRACE_BLOCK_H_
