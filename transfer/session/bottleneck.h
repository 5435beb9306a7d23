// What a transfer was limited by, from what both of its sides know.
//
// A sender knows what it waited for, but not why its peer was slow; a receiver
// knows whether its disk or its processor was behind, but not what the sender
// waited for. So the receiver tells what it knows of itself with its last
// message, the sender judges, and tells the verdict with its own (PROTOCOL.md).

#ifndef P2PCP_TRANSFER_SESSION_BOTTLENECK_H_
#define P2PCP_TRANSFER_SESSION_BOTTLENECK_H_

#include <cstdint>
#include <optional>

#include "net/base/time.h"

namespace p2pcp {

// Values are those on the wire.
enum class Bottleneck : std::uint8_t {
  kNone = 0,            // Nothing to be limited, or nobody knows.
  kPath = 1,            // What the network carries.
  kSenderDisk = 2,      // Bytes were not read in time.
  kReceiverDisk = 3,    // Bytes were not written in time, or not synced.
  kSenderCpu = 4,       // The sender's processor had no time left.
  kReceiverCpu = 5,     // The receiver's.
  kReceiverSocket = 6,  // Datagrams overflowed the receiver's socket buffer.
  kReceiverMemory = 7,  // The line holds more than the receiver's buffers.
  kSenderLimit = 8,     // The sender's user allowed no more.
};
inline constexpr std::uint8_t kHighestBottleneck = 8;

// What a driver measures of its process, which no core can. Totals since the
// process began.
struct Load {
  // Of the thread that drives the session: all that it did not spend waiting
  // for something to do.
  Duration busy{0};
  // Processor time of the other threads, which work for the disk.
  Duration disk_cpu{0};
};
class LoadMeter {
 public:
  virtual ~LoadMeter() = default;
  virtual Load Read() const = 0;
};

// One side's part of the transfer, from when bytes could flow. Without a
// LoadMeter `busy` and `disk_cpu` are 0.
struct MachineReport {
  Duration elapsed{0};
  Duration busy{0};
  Duration disk{0};  // The disk had something to do.
  Duration disk_cpu{0};
};
struct ReceiverReport {
  MachineReport machine;
  std::uint64_t socket_drops = 0;  // Datagrams, as in ConnectionStats.
};

// What the sender knows.
struct SenderFacts {
  MachineReport machine;
  // Parts of machine.elapsed, by SendLimit.
  Duration sending{0};
  Duration path{0};
  Duration credit{0};
  Duration source{0};
  Duration rate_limit{0};
  // From when all bytes had arrived until the receiver had verified and synced
  // them, less a round trip.
  Duration finishing{0};
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_lost = 0;
};

// receiver: none if it did not say.
Bottleneck Judge(const SenderFacts& sender,
                 const std::optional<ReceiverReport>& receiver);

// The run in numbers, as its sender saw it.
struct TransferReport {
  Bottleneck bottleneck = Bottleneck::kNone;
  std::uint64_t packets_sent = 0;
  std::uint64_t packets_lost = 0;  // Less those that arrived late.
  Duration smoothed_rtt{0};        // Zero: never measured.
  Duration min_rtt{0};
  std::uint64_t data_bytes_sent = 0;  // Including those sent again.
  std::uint64_t data_bytes_retransmitted = 0;

  friend bool operator==(const TransferReport&,
                         const TransferReport&) = default;
  // Parts, in [0, 1].
  double loss() const { return Part(packets_lost, packets_sent); }
  double retransmitted() const {
    return Part(data_bytes_retransmitted, data_bytes_sent);
  }

 private:
  static double Part(std::uint64_t part, std::uint64_t whole) {
    return part == 0 || whole == 0 ? 0
           : part >= whole
               ? 1
               : static_cast<double>(part) / static_cast<double>(whole);
  }
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_BOTTLENECK_H_
