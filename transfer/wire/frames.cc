#include "transfer/wire/frames.h"

#include "net/base/check.h"

namespace p2pcp::wire {
namespace {

std::uint8_t ToByte(FrameType type) { return static_cast<std::uint8_t>(type); }

void ReadAck(ByteReader& reader, AckFrame& frame) {
  std::uint64_t largest = reader.ReadU48();
  frame.ack_delay_microseconds = reader.ReadVarint();
  frame.receive_time_microseconds = reader.ReadVarint();
  frame.packets_received = reader.ReadVarint();
  frame.bytes_received = reader.ReadVarint();
  frame.socket_drops = reader.ReadVarint();
  frame.max_data = reader.ReadVarint();
  const std::uint64_t count = reader.ReadVarint();
  if (count == 0 || count > kMaxAckRanges) {
    reader.Fail();
    return;
  }
  frame.range_count = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i > 0) {
      // One number at least lies between two ranges, and one at least in each.
      const std::uint64_t gap = reader.ReadVarint();
      if (gap + 2 > largest) {
        reader.Fail();
        return;
      }
      largest -= gap + 2;
    }
    const std::uint64_t more = reader.ReadVarint();
    if (!reader.ok() || more > largest) {
      reader.Fail();
      return;
    }
    frame.ranges[frame.range_count++] = {PacketNumber(largest - more),
                                         PacketNumber(largest)};
    largest -= more;
  }
}

// The DATA frame that payload begins with, but for ack_now. False: malformed.
bool ReadData(ByteSpan payload, DataFrame& frame) {
  if (payload.size() <= kDataHeaderSize) return false;
  const std::uint64_t offset = LoadBigEndian<6>(payload.data() + 1);
  const std::size_t size = LoadBigEndian<2>(payload.data() + 7);
  if (size == 0 || size > payload.size() - kDataHeaderSize ||
      offset > StreamOffset::kMax - size) {
    return false;
  }
  frame.offset = StreamOffset(offset);
  frame.bytes = payload.subspan(kDataHeaderSize, size);
  return true;
}

void ReadControl(ByteReader& reader, ControlFrame& frame) {
  frame.offset = reader.ReadVarint();
  frame.bytes = reader.ReadLengthPrefixed();
  if (frame.bytes.empty() || frame.offset > kMaxVarint - frame.bytes.size()) {
    reader.Fail();
  }
}

}  // namespace

FrameReader::Result FrameReader::Next(Frame& frame) {
  while (!rest_.empty() && rest_[0] == std::byte{0}) rest_ = rest_.subspan(1);
  if (rest_.empty()) return Result::kEnd;

  const auto type = static_cast<FrameType>(rest_[0]);
  frame.type = type;
  if (type == FrameType::kData || type == FrameType::kDataAckNow) {
    if (!ReadData(rest_, frame.data)) return Result::kMalformed;
    frame.data.ack_now = type == FrameType::kDataAckNow;
    rest_ = rest_.subspan(kDataHeaderSize + frame.data.bytes.size());
    return Result::kFrame;
  }

  ByteReader reader(rest_.subspan(1));
  switch (type) {
    case FrameType::kPing:
      frame.ping.lowest_unacked = PacketNumber(reader.ReadU48());
      break;
    case FrameType::kAck:
      ReadAck(reader, frame.ack);
      break;
    case FrameType::kControl:
      ReadControl(reader, frame.control);
      break;
    case FrameType::kCredit:
      frame.credit.max_data = reader.ReadVarint();
      break;
    case FrameType::kClose:
      frame.close.code = reader.ReadU16();
      break;
    case FrameType::kPadding:
    case FrameType::kData:
    case FrameType::kDataAckNow:
    default:  // Any byte can come from the network.
      return Result::kMalformed;
  }
  if (!reader.ok()) return Result::kMalformed;
  rest_ = reader.rest();
  return Result::kFrame;
}

bool ReadLoneData(ByteSpan payload, DataFrame& frame) {
  if (payload.empty() || payload[0] != std::byte{ToByte(FrameType::kData)} ||
      !ReadData(payload, frame)) {
    return false;
  }
  frame.ack_now = false;
  return kDataHeaderSize + frame.bytes.size() == payload.size();
}

void WritePing(ByteWriter& writer, const PingFrame& frame) {
  writer.WriteU8(ToByte(FrameType::kPing));
  writer.WriteU48(frame.lowest_unacked.value());
}

void WriteControl(ByteWriter& writer, const ControlFrame& frame) {
  P2PCP_CHECK(!frame.bytes.empty());
  writer.WriteU8(ToByte(FrameType::kControl));
  writer.WriteVarint(frame.offset);
  writer.WriteLengthPrefixed(frame.bytes);
}

void WriteCredit(ByteWriter& writer, const CreditFrame& frame) {
  writer.WriteU8(ToByte(FrameType::kCredit));
  writer.WriteVarint(frame.max_data);
}

void WriteClose(ByteWriter& writer, const CloseFrame& frame) {
  writer.WriteU8(ToByte(FrameType::kClose));
  writer.WriteU16(frame.code);
}

std::size_t WriteAck(ByteWriter& writer, const AckFrame& frame) {
  P2PCP_CHECK(frame.range_count > 0 && frame.range_count <= kMaxAckRanges);
  const auto more = [&](std::size_t i) {
    return static_cast<std::uint64_t>(frame.ranges[i].largest -
                                      frame.ranges[i].smallest);
  };
  const auto gap = [&](std::size_t i) {
    return static_cast<std::uint64_t>(frame.ranges[i - 1].smallest -
                                      frame.ranges[i].largest) -
           2;
  };
  std::size_t size =
      1 + 6 + VarintSize(frame.ack_delay_microseconds) +
      VarintSize(frame.receive_time_microseconds) +
      VarintSize(frame.packets_received) + VarintSize(frame.bytes_received) +
      VarintSize(frame.socket_drops) + VarintSize(frame.max_data) +
      VarintSize(frame.range_count) + VarintSize(more(0));
  if (size > writer.remaining()) return 0;
  std::size_t count = 1;
  for (; count < frame.range_count; ++count) {
    size += VarintSize(gap(count)) + VarintSize(more(count));
    if (size > writer.remaining()) break;
  }

  writer.WriteU8(ToByte(FrameType::kAck));
  writer.WriteU48(frame.ranges[0].largest.value());
  writer.WriteVarint(frame.ack_delay_microseconds);
  writer.WriteVarint(frame.receive_time_microseconds);
  writer.WriteVarint(frame.packets_received);
  writer.WriteVarint(frame.bytes_received);
  writer.WriteVarint(frame.socket_drops);
  writer.WriteVarint(frame.max_data);
  writer.WriteVarint(count);
  writer.WriteVarint(more(0));
  for (std::size_t i = 1; i < count; ++i) {
    writer.WriteVarint(gap(i));
    writer.WriteVarint(more(i));
  }
  return count;
}

void WriteDataHeader(MutableByteSpan out, StreamOffset offset, std::size_t size,
                     bool ack_now) {
  P2PCP_CHECK(out.size() >= kDataHeaderSize);
  P2PCP_CHECK(size > 0 && size <= 0xffff);
  P2PCP_CHECK(offset.value() <= StreamOffset::kMax - size);
  out[0] = static_cast<std::byte>(
      ToByte(ack_now ? FrameType::kDataAckNow : FrameType::kData));
  StoreBigEndian<6>(out.data() + 1, offset.value());
  StoreBigEndian<2>(out.data() + 7, size);
}

}  // namespace p2pcp::wire
