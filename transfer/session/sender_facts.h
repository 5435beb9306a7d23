// What every sender tells its connection, and says of it at the end.

#ifndef P2PCP_TRANSFER_SESSION_SENDER_FACTS_H_
#define P2PCP_TRANSFER_SESSION_SENDER_FACTS_H_

#include "net/base/time.h"
#include "transfer/connection/connection.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/machine_watch.h"

namespace p2pcp {

// Config: of any kind of sender.
template <typename Config>
Connection::Config SenderConnectionConfig(const Config& config) {
  Connection::Config result;
  result.max_payload = config.max_payload;
  result.congestion = config.congestion;
  result.initial_rtt = config.initial_rtt;
  result.tracer = config.tracer;
  result.rate_limit = config.rate_limit;
  result.packet_overhead = config.packet_overhead;
  return result;
}

// What limited the transfer, which is over. any: something was transferred.
TransferReport SenderReport(TimePoint now, const Connection& connection,
                            const MachineWatch& machine,
                            const ReceiverReport& receiver, bool any);

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_SENDER_FACTS_H_
