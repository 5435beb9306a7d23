#include "transfer/session/sender_facts.h"

#include "transfer/connection/send_limits.h"

namespace p2pcp {

TransferReport SenderReport(TimePoint now, const Connection& connection,
                            const MachineWatch& machine,
                            const ReceiverReport& receiver, bool any) {
  const ConnectionStats& stats = connection.stats();
  const SendLimits& limits = connection.send_limits();
  TransferReport report;
  report.packets_sent = stats.packets_sent;
  report.packets_lost = stats.packets_lost - stats.packets_spuriously_lost;
  report.smoothed_rtt = stats.smoothed_rtt;
  report.min_rtt = stats.min_rtt;
  report.data_bytes_sent = stats.data_bytes_sent;
  report.data_bytes_retransmitted = stats.data_bytes_retransmitted;

  SenderFacts facts;
  facts.machine = machine.Report(now);
  facts.sending = limits.Spent(now, SendLimit::kSending);
  facts.path = limits.Spent(now, SendLimit::kPath);
  facts.credit = limits.Spent(now, SendLimit::kCredit);
  facts.source = limits.Spent(now, SendLimit::kSource);
  facts.rate_limit = limits.Spent(now, SendLimit::kRateLimit);
  // The receiver's word takes a round trip however fast it is.
  facts.finishing =
      limits.Spent(now, SendLimit::kFinished) - stats.smoothed_rtt;
  facts.packets_sent = report.packets_sent;
  facts.packets_lost = report.packets_lost;
  if (any) report.bottleneck = Judge(facts, receiver);
  return report;
}

}  // namespace p2pcp
