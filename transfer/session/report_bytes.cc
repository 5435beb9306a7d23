#include "transfer/session/report_bytes.h"

#include <algorithm>
#include <chrono>

#include "net/base/time.h"

namespace p2pcp::message {
namespace {

// Microseconds; what no transfer lasts is cut off.
Duration ReadDuration(ByteReader& reader) {
  constexpr std::uint64_t kMax = std::uint64_t{1} << 50;
  return std::chrono::microseconds(std::min(reader.ReadVarint(), kMax));
}
void WriteDuration(ByteWriter& writer, Duration duration) {
  writer.WriteVarint(
      static_cast<std::uint64_t>(std::max<Duration>(duration, 0ns) / 1us));
}
// Counters are far from a varint's 62 bits.
void WriteCount(ByteWriter& writer, std::uint64_t count) {
  writer.WriteVarint(std::min(count, kMaxVarint));
}

}  // namespace

ReceiverReport ReadReceiverReport(ByteReader& reader) {
  ReceiverReport report;
  report.machine.elapsed = ReadDuration(reader);
  report.machine.busy = ReadDuration(reader);
  report.machine.disk = ReadDuration(reader);
  report.machine.disk_cpu = ReadDuration(reader);
  report.socket_drops = reader.ReadVarint();
  return report;
}

void WriteReceiverReport(ByteWriter& writer, const ReceiverReport& report) {
  WriteDuration(writer, report.machine.elapsed);
  WriteDuration(writer, report.machine.busy);
  WriteDuration(writer, report.machine.disk);
  WriteDuration(writer, report.machine.disk_cpu);
  WriteCount(writer, report.socket_drops);
}

TransferReport ReadTransferReport(ByteReader& reader) {
  TransferReport report;
  const std::uint8_t bottleneck = reader.ReadU8();
  if (bottleneck <= kHighestBottleneck) {
    report.bottleneck = static_cast<Bottleneck>(bottleneck);
  }
  report.packets_sent = reader.ReadVarint();
  report.packets_lost = reader.ReadVarint();
  report.smoothed_rtt = ReadDuration(reader);
  report.min_rtt = ReadDuration(reader);
  report.data_bytes_sent = reader.ReadVarint();
  report.data_bytes_retransmitted = reader.ReadVarint();
  return report;
}

void WriteTransferReport(ByteWriter& writer, const TransferReport& report) {
  writer.WriteU8(static_cast<std::uint8_t>(report.bottleneck));
  WriteCount(writer, report.packets_sent);
  WriteCount(writer, report.packets_lost);
  WriteDuration(writer, report.smoothed_rtt);
  WriteDuration(writer, report.min_rtt);
  WriteCount(writer, report.data_bytes_sent);
  WriteCount(writer, report.data_bytes_retransmitted);
}

}  // namespace p2pcp::message
