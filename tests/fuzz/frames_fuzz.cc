// The payload of a packet: frames, and each of them written again.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/packet_number.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/wire/frames.h"
#include "transfer/wire/stream_offset.h"

namespace p2pcp::wire {
namespace {

// Larger than any frame whose bytes came from an input of libFuzzer's size.
constexpr std::size_t kRoom = 1 << 20;

void CheckAck(const AckFrame& ack) {
  P2PCP_CHECK(ack.range_count > 0 && ack.range_count <= kMaxAckRanges);
  const std::span<const AckRange> ranges = ack.Ranges();
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    P2PCP_CHECK(ranges[i].smallest <= ranges[i].largest);
    P2PCP_CHECK(ranges[i].largest.value() <= PacketNumber::kMax);
    if (i > 0) {
      P2PCP_CHECK(ranges[i - 1].smallest - ranges[i].largest >= 2);
    }
  }
}

bool Within(ByteSpan part, ByteSpan whole) {
  return part.data() >= whole.data() &&
         part.data() + part.size() <= whole.data() + whole.size();
}

bool SameBytes(ByteSpan a, ByteSpan b) { return AsText(a) == AsText(b); }

// Writes frame to out; how many bytes.
std::size_t Write(const Frame& frame, MutableByteSpan out) {
  ByteWriter writer(out);
  switch (frame.type) {
    case FrameType::kPing:
      WritePing(writer, frame.ping);
      break;
    case FrameType::kAck:
      P2PCP_CHECK(WriteAck(writer, frame.ack) == frame.ack.range_count);
      break;
    case FrameType::kControl:
      WriteControl(writer, frame.control);
      break;
    case FrameType::kCredit:
      WriteCredit(writer, frame.credit);
      break;
    case FrameType::kClose:
      WriteClose(writer, frame.close);
      break;
    case FrameType::kData:
    case FrameType::kDataAckNow:
      WriteDataHeader(out, frame.data.offset, frame.data.bytes.size(),
                      frame.data.ack_now);
      CopyBytes(frame.data.bytes, out.subspan(kDataHeaderSize));
      return kDataHeaderSize + frame.data.bytes.size();
    case FrameType::kPadding:
      P2PCP_CHECK(false);
  }
  P2PCP_CHECK(writer.ok());
  return writer.size();
}

void CheckEqual(const Frame& a, const Frame& b) {
  P2PCP_CHECK(a.type == b.type);
  switch (a.type) {
    case FrameType::kPing:
      P2PCP_CHECK(a.ping.lowest_unacked == b.ping.lowest_unacked);
      break;
    case FrameType::kAck:
      P2PCP_CHECK(
          a.ack.ack_delay_microseconds == b.ack.ack_delay_microseconds &&
          a.ack.receive_time_microseconds == b.ack.receive_time_microseconds &&
          a.ack.packets_received == b.ack.packets_received &&
          a.ack.bytes_received == b.ack.bytes_received &&
          a.ack.socket_drops == b.ack.socket_drops &&
          a.ack.max_data == b.ack.max_data &&
          a.ack.range_count == b.ack.range_count);
      for (std::size_t i = 0; i < a.ack.range_count; ++i) {
        P2PCP_CHECK(a.ack.ranges[i] == b.ack.ranges[i]);
      }
      break;
    case FrameType::kControl:
      P2PCP_CHECK(a.control.offset == b.control.offset &&
                  SameBytes(a.control.bytes, b.control.bytes));
      break;
    case FrameType::kCredit:
      P2PCP_CHECK(a.credit.max_data == b.credit.max_data);
      break;
    case FrameType::kClose:
      P2PCP_CHECK(a.close.code == b.close.code);
      break;
    case FrameType::kData:
    case FrameType::kDataAckNow:
      P2PCP_CHECK(a.data.offset == b.data.offset &&
                  a.data.ack_now == b.data.ack_now &&
                  SameBytes(a.data.bytes, b.data.bytes));
      break;
    case FrameType::kPadding:
      break;
  }
}

void Check(ByteSpan payload) {
  static std::vector<std::byte> room(kRoom);
  // Reused over all frames, as Frame's comment asks for.
  static Frame frame;
  static Frame again;
  FrameReader reader(payload);
  std::size_t frames = 0;
  DataFrame lone;
  const bool is_lone = ReadLoneData(payload, lone);
  for (;;) {
    const FrameReader::Result result = reader.Next(frame);
    if (frames == 0) {
      const bool fills =
          result == FrameReader::Result::kFrame &&
          frame.type == FrameType::kData && payload[0] != std::byte{0} &&
          frame.data.bytes.size() + kDataHeaderSize == payload.size();
      P2PCP_CHECK(is_lone == fills);
      P2PCP_CHECK(!is_lone || (lone.offset == frame.data.offset &&
                               SameBytes(lone.bytes, frame.data.bytes)));
    }
    if (result != FrameReader::Result::kFrame) return;
    P2PCP_CHECK(++frames <= payload.size());
    P2PCP_CHECK(frame.type != FrameType::kPadding);
    if (frame.type == FrameType::kAck) CheckAck(frame.ack);
    if (frame.type == FrameType::kControl) {
      P2PCP_CHECK(!frame.control.bytes.empty());
      P2PCP_CHECK(Within(frame.control.bytes, payload));
    }
    if (frame.type == FrameType::kData ||
        frame.type == FrameType::kDataAckNow) {
      P2PCP_CHECK(!frame.data.bytes.empty());
      P2PCP_CHECK(Within(frame.data.bytes, payload));
      P2PCP_CHECK(frame.data.offset.value() + frame.data.bytes.size() - 1 <=
                  StreamOffset::kMax);
    }
    const std::size_t size = Write(frame, room);
    FrameReader second(ByteSpan(room).first(size));
    P2PCP_CHECK(second.Next(again) == FrameReader::Result::kFrame);
    CheckEqual(frame, again);
    P2PCP_CHECK(second.Next(again) == FrameReader::Result::kEnd);
  }
}

}  // namespace
}  // namespace p2pcp::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size <= p2pcp::wire::kRoom / 2) {
    p2pcp::wire::Check(p2pcp::fuzz::InputBytes(data, size));
  }
  return 0;
}
