#include "cmd/bottleneck_text.h"

#include <fmt/format.h>

#include "cmd/text.h"
#include "net/base/time.h"

namespace p2pcp::cmd {
namespace {

std::string_view Words(Bottleneck bottleneck) {
  switch (bottleneck) {
    case Bottleneck::kNone:
      return "";
    case Bottleneck::kPath:
      return "the path";
    case Bottleneck::kSenderDisk:
      return "the sender's disk";
    case Bottleneck::kReceiverDisk:
      return "the receiver's disk";
    case Bottleneck::kSenderCpu:
      return "the sender's processor";
    case Bottleneck::kReceiverCpu:
      return "the receiver's processor";
    case Bottleneck::kReceiverSocket:
      return "the receiver's socket buffer";
    case Bottleneck::kReceiverMemory:
      return "the receiver's memory";
    case Bottleneck::kSenderLimit:
      return "the sender's --bwlimit";
  }
  return "";
}

}  // namespace

std::string_view BottleneckName(Bottleneck bottleneck) {
  switch (bottleneck) {
    case Bottleneck::kNone:
      return "unknown";
    case Bottleneck::kPath:
      return "path";
    case Bottleneck::kSenderDisk:
      return "sender_disk";
    case Bottleneck::kReceiverDisk:
      return "receiver_disk";
    case Bottleneck::kSenderCpu:
      return "sender_cpu";
    case Bottleneck::kReceiverCpu:
      return "receiver_cpu";
    case Bottleneck::kReceiverSocket:
      return "receiver_socket";
    case Bottleneck::kReceiverMemory:
      return "receiver_memory";
    case Bottleneck::kSenderLimit:
      return "sender_limit";
  }
  return "unknown";
}

std::string BottleneckSentence(const TransferReport& report,
                               double bytes_per_second) {
  if (report.bottleneck == Bottleneck::kNone) return "";
  std::string text = fmt::format("limited by {}: {}", Words(report.bottleneck),
                                 FormatBitRate(bytes_per_second));
  if (report.min_rtt > Duration::zero()) {
    text += " at " + FormatLatency(report.min_rtt);
  }
  return text + fmt::format(", {:.1f} % lost, {:.1f} % sent twice",
                            report.loss() * 100, report.retransmitted() * 100);
}

}  // namespace p2pcp::cmd
