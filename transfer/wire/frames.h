// The frames codec: what a packet's payload consists of once the channel has
// decrypted it. PROTOCOL.md beside this file is the authority; the diagrams
// there are not repeated here.
//
// A payload is one or more frames back to back. FrameReader takes one apart
// without allocating; the Write* functions put frames behind each other.

#ifndef P2PCP_TRANSFER_WIRE_FRAMES_H_
#define P2PCP_TRANSFER_WIRE_FRAMES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "transfer/wire/stream_offset.h"

namespace p2pcp::wire {

enum class FrameType : std::uint8_t {
  kPadding = 0x00,
  kPing = 0x01,
  kAck = 0x02,
  kControl = 0x03,
  kCredit = 0x04,
  kClose = 0x05,
  kData = 0x10,
  kDataAckNow = 0x11,
};

// Ranges of one ACK frame at most: beyond that the oldest are left out. (At 270
// ranges another implementation spent 57 % of its time on them.)
inline constexpr std::size_t kMaxAckRanges = 256;

// Bytes of a DATA frame before its data: type, offset, length.
inline constexpr std::size_t kDataHeaderSize = 1 + 6 + 2;

// A receiver never delays an ACK for longer than this, on purpose.
inline constexpr std::uint64_t kMaxAckDelayMicroseconds = 10'000;

// Numbers smallest..largest, both included.
struct AckRange {
  PacketNumber smallest;
  PacketNumber largest;

  friend bool operator==(const AckRange&, const AckRange&) = default;
};

struct PingFrame {
  // The sender awaits no acknowledgement of any number below.
  PacketNumber lowest_unacked;
};

struct AckFrame {
  // Between the arrival of the largest number and the sending of this frame.
  std::uint64_t ack_delay_microseconds = 0;
  // When the largest number arrived, on the receiver's clock since the start of
  // its connection.
  std::uint64_t receive_time_microseconds = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t bytes_received = 0;
  // Datagrams that the receiver's own socket dropped.
  std::uint64_t socket_drops = 0;
  // As in a CREDIT frame.
  std::uint64_t max_data = 0;
  // Newest first, disjoint, with at least one number between two of them.
  std::size_t range_count = 0;
  std::array<AckRange, kMaxAckRanges> ranges;

  std::span<const AckRange> Ranges() const {
    return std::span(ranges).first(range_count);
  }
};

struct ControlFrame {
  std::uint64_t offset = 0;  // In the control stream.
  ByteSpan bytes;            // At least one.
};

struct CreditFrame {
  std::uint64_t max_data = 0;
};

struct CloseFrame {
  std::uint16_t code = 0;
};

struct DataFrame {
  StreamOffset offset;
  ByteSpan bytes;  // At least one; the last one's offset is <= kMax.
  bool ack_now = false;
};

// One frame; only the member that the type names is meaningful. Large (an ACK's
// ranges), so made once and filled again and again.
struct Frame {
  FrameType type = FrameType::kPadding;
  PingFrame ping;
  AckFrame ack;
  ControlFrame control;
  CreditFrame credit;
  CloseFrame close;
  DataFrame data;
};

class FrameReader {
 public:
  enum class Result : std::uint8_t { kFrame, kEnd, kMalformed };

  // Frames refer into payload.
  explicit FrameReader(ByteSpan payload) : rest_(payload) {}

  // The next frame. Runs of PADDING are skipped. kMalformed: an unknown type, a
  // frame that goes on beyond the payload, or values that PROTOCOL.md forbids;
  // the reader is then of no further use.
  Result Next(Frame& frame);

 private:
  ByteSpan rest_;
};

// Whether the payload is one DATA frame and nothing else, which asks for no
// ACK, as in most packets of a bulk transfer; if so, that frame.
bool ReadLoneData(ByteSpan payload, DataFrame& frame);

// Each of these writes one frame, or leaves the writer !ok() if it doesn't fit.
void WritePing(ByteWriter& writer, const PingFrame& frame);
void WriteControl(ByteWriter& writer, const ControlFrame& frame);
void WriteCredit(ByteWriter& writer, const CreditFrame& frame);
void WriteClose(ByteWriter& writer, const CloseFrame& frame);

// Writes the newest ranges that fit; how many. 0: not even the newest did, and
// nothing was written. REQUIRES: frame.range_count > 0.
std::size_t WriteAck(ByteWriter& writer, const AckFrame& frame);

// The header of a DATA frame whose size bytes of data are to follow it.
// REQUIRES: out.size() >= kDataHeaderSize, 0 < size <= 65535.
void WriteDataHeader(MutableByteSpan out, StreamOffset offset, std::size_t size,
                     bool ack_now);

}  // namespace p2pcp::wire

#endif  // P2PCP_TRANSFER_WIRE_FRAMES_H_
