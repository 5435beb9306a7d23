// ConnectionTracer: what a connection tells to whoever keeps a record of it.
//
// A connection without one pays for a comparison with null where it would call
// it, and nothing else.

#ifndef P2PCP_TRANSFER_CONNECTION_TRACER_H_
#define P2PCP_TRANSFER_CONNECTION_TRACER_H_

#include <cstddef>
#include <string_view>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "transfer/wire/stream_offset.h"

namespace p2pcp {

struct ConnectionStats;

// Called from inside the connection's methods, which it must not call back. It
// must not block. Spans are valid during the call only; what is in them may
// come from a peer that means ill, and be malformed.
class ConnectionTracer {
 public:
  virtual ~ConnectionTracer() = default;

  // A payload of these frames, and one of a DATA frame alone. Together they
  // count as ConnectionStats::packets_sent does.
  virtual void OnPacketSent(TimePoint now, PacketNumber number,
                            ByteSpan payload) = 0;
  virtual void OnDataSent(TimePoint now, PacketNumber number, std::size_t size,
                          StreamOffset offset, std::size_t length) = 0;
  // Counts as ConnectionStats::packets_received does.
  virtual void OnPacketReceived(TimePoint now, PacketNumber number,
                                ByteSpan payload) = 0;
  virtual void OnPacketLost(TimePoint now, PacketNumber number,
                            std::size_t size) = 0;
  // After each ACK, timeout and path change. state: the congestion
  // controller's phase, a string of static storage; may be empty.
  virtual void OnMetrics(TimePoint now, const ConnectionStats& stats,
                         std::string_view state) = 0;
  // max_payload: what a packet may have from now on.
  virtual void OnPathChange(TimePoint now, std::size_t max_payload) = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_CONNECTION_TRACER_H_
