#include "transfer/wire/frames.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "net/base/random.h"

namespace p2pcp::wire {
namespace {

using Result = FrameReader::Result;

// The frames of the golden bytes below, as PROTOCOL.md shows them.
AckFrame SomeAck() {
  AckFrame ack;
  ack.ack_delay_microseconds = 5;
  ack.receive_time_microseconds = 70'000;
  ack.packets_received = 17;
  ack.bytes_received = 20'000;
  ack.socket_drops = 0;
  ack.max_data = 16'777'216;
  ack.range_count = 3;
  ack.ranges[0] = {PacketNumber(0x1000), PacketNumber(0x100a)};
  ack.ranges[1] = {PacketNumber(0xffe), PacketNumber(0xffe)};
  ack.ranges[2] = {PacketNumber(3), PacketNumber(100)};
  return ack;
}

template <typename Write>
Bytes Written(Write write) {
  Bytes buffer(2000);
  ByteWriter writer(buffer);
  write(writer);
  EXPECT_TRUE(writer.ok());
  return ToBytes(writer.written());
}

Bytes DataBytes(StreamOffset offset, ByteSpan data, bool ack_now) {
  Bytes bytes(kDataHeaderSize);
  WriteDataHeader(bytes, offset, data.size(), ack_now);
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

std::vector<Bytes> OneOfEach() {
  return {
      Written([](ByteWriter& w) {
        WritePing(w, {.lowest_unacked = PacketNumber(0x0102030405)});
      }),
      Written([](ByteWriter& w) { EXPECT_EQ(WriteAck(w, SomeAck()), 3u); }),
      Written([](ByteWriter& w) {
        WriteControl(w, {.offset = 300, .bytes = AsBytes("hello")});
      }),
      Written([](ByteWriter& w) { WriteCredit(w, {.max_data = 1 << 20}); }),
      Written([](ByteWriter& w) { WriteClose(w, {.code = 0x0a0b}); }),
      DataBytes(StreamOffset(0x123456789a), AsBytes("abc"), false),
      DataBytes(StreamOffset(0), AsBytes("z"), true),
  };
}

TEST(Frames, GoldenBytes) {
  const std::vector<std::string> golden = {
      // PING: type, lowest unacked
      "01"
      "000102030405",
      // ACK: type, largest, delay, receive time, packets, bytes, drops, credit,
      // 3 ranges: 10 more; gap 0, 0 more; gap 3992, 97 more
      "02"
      "00000000100a"
      "05"
      "80011170"
      "11"
      "80004e20"
      "00"
      "81000000"
      "03"
      "0a"
      "00"
      "00"
      "4f98"
      "4061",
      // CONTROL: type, offset 300, 5 bytes
      "03"
      "412c"
      "05"
      "68656c6c6f",
      // CREDIT: type, 1 MiB
      "04"
      "80100000",
      // CLOSE: type, code
      "05"
      "0a0b",
      // DATA: type, offset, 3 bytes
      "10"
      "00123456789a"
      "0003"
      "616263",
      // DATA that wants an ACK at once
      "11"
      "000000000000"
      "0001"
      "7a",
  };
  const std::vector<Bytes> frames = OneOfEach();
  ASSERT_EQ(frames.size(), golden.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(Hex(frames[i]), golden[i]) << i;
  }
}

TEST(Frames, RoundTripAllInOnePayload) {
  Bytes payload;
  for (const Bytes& frame : OneOfEach()) {
    payload.insert(payload.end(), frame.begin(), frame.end());
    payload.push_back(std::byte{0});  // PADDING between any two.
  }
  FrameReader reader(payload);
  Frame frame;
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  EXPECT_EQ(frame.type, FrameType::kPing);
  EXPECT_EQ(frame.ping.lowest_unacked, PacketNumber(0x0102030405));
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  EXPECT_EQ(frame.type, FrameType::kAck);
  const AckFrame want = SomeAck();
  EXPECT_EQ(frame.ack.ack_delay_microseconds, want.ack_delay_microseconds);
  EXPECT_EQ(frame.ack.receive_time_microseconds,
            want.receive_time_microseconds);
  EXPECT_EQ(frame.ack.packets_received, want.packets_received);
  EXPECT_EQ(frame.ack.bytes_received, want.bytes_received);
  EXPECT_EQ(frame.ack.socket_drops, want.socket_drops);
  EXPECT_EQ(frame.ack.max_data, want.max_data);
  ASSERT_EQ(frame.ack.range_count, 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(frame.ack.ranges[i], want.ranges[i]) << i;
  }
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  EXPECT_EQ(frame.type, FrameType::kControl);
  EXPECT_EQ(frame.control.offset, 300u);
  EXPECT_EQ(AsText(frame.control.bytes), "hello");
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  EXPECT_EQ(frame.type, FrameType::kCredit);
  EXPECT_EQ(frame.credit.max_data, 1u << 20);
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  EXPECT_EQ(frame.type, FrameType::kClose);
  EXPECT_EQ(frame.close.code, 0x0a0b);
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  EXPECT_EQ(frame.type, FrameType::kData);
  EXPECT_EQ(frame.data.offset, StreamOffset(0x123456789a));
  EXPECT_EQ(AsText(frame.data.bytes), "abc");
  EXPECT_FALSE(frame.data.ack_now);
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  EXPECT_EQ(AsText(frame.data.bytes), "z");
  EXPECT_TRUE(frame.data.ack_now);
  EXPECT_EQ(reader.Next(frame), Result::kEnd);
}

TEST(Frames, LoneDataIsOneFrameThatFillsThePayload) {
  const Bytes data = Unhex("a1a2a3");
  Bytes payload = DataBytes(StreamOffset(7), data, false);
  DataFrame frame;
  ASSERT_TRUE(ReadLoneData(payload, frame));
  EXPECT_EQ(frame.offset, StreamOffset(7));
  EXPECT_EQ(Hex(frame.bytes), "a1a2a3");
  EXPECT_FALSE(frame.ack_now);

  for (std::size_t size = 0; size < payload.size(); ++size) {
    EXPECT_FALSE(ReadLoneData(ByteSpan(payload).first(size), frame));
  }
  payload.push_back(std::byte{0});  // PADDING.
  EXPECT_FALSE(ReadLoneData(payload, frame));
  EXPECT_FALSE(ReadLoneData(DataBytes(StreamOffset(7), data, true), frame));
  payload.pop_back();
  payload[0] = std::byte{0x03};
  EXPECT_FALSE(ReadLoneData(payload, frame));
}

TEST(Frames, EveryTruncationIsMalformed) {
  for (const Bytes& whole : OneOfEach()) {
    for (std::size_t size = 1; size < whole.size(); ++size) {
      // A copy, so that a sanitizer sees any read beyond it.
      const Bytes cut(whole.begin(),
                      whole.begin() + static_cast<std::ptrdiff_t>(size));
      FrameReader reader(cut);
      Frame frame;
      EXPECT_EQ(reader.Next(frame), Result::kMalformed)
          << Hex(whole) << " cut to " << size;
    }
  }
}

TEST(Frames, WriterNeverWritesBeyondItsBuffer) {
  for (std::size_t size = 0; size < 40; ++size) {
    Bytes buffer(size);
    ByteWriter writer(buffer);
    const std::size_t ranges = WriteAck(writer, SomeAck());
    EXPECT_TRUE(writer.ok());
    if (ranges == 0) {
      EXPECT_EQ(writer.size(), 0u);
    } else {
      Frame frame;
      FrameReader reader(writer.written());
      ASSERT_EQ(reader.Next(frame), Result::kFrame);
      EXPECT_EQ(frame.ack.range_count, ranges);
      EXPECT_EQ(reader.Next(frame), Result::kEnd);
    }
  }
}

TEST(Frames, ForbiddenValuesAreMalformed) {
  const std::vector<std::string> bad = {
      "06",
      "0f",
      "12",
      "ff",  // unknown types
      "10"
      "000000000000"
      "0000"
      "00",  // DATA without bytes
      "10"
      "ffffffffffff"
      "0001"
      "00",  // DATA beyond the last offset
      "03"
      "00"
      "00"
      "00",  // CONTROL without bytes
      "03"
      "ffffffffffffffff"
      "01"
      "00",  // CONTROL beyond the last offset
      "02"
      "000000000000"
      "00"
      "00"
      "00"
      "00"
      "00"
      "00"
      "00"
      "00",  // 0 ranges
      "02"
      "000000000005"
      "00"
      "00"
      "00"
      "00"
      "00"
      "00"
      "01"
      "06",  // below 0
      "02"
      "000000000005"
      "00"
      "00"
      "00"
      "00"
      "00"
      "00"
      "02"
      "01"
      "03"
      "00",
      "02"
      "000000000005"
      "00"
      "00"
      "00"
      "00"
      "00"
      "00"
      "02"
      "01"
      "ffffffffffffffff"
      "00",
  };
  for (const std::string& hex : bad) {
    const Bytes bytes = Unhex(hex);
    ASSERT_FALSE(bytes.empty()) << hex;
    FrameReader reader(bytes);
    Frame frame;
    EXPECT_EQ(reader.Next(frame), Result::kMalformed) << hex;
  }
  // 257 ranges.
  Bytes many = Unhex(
      "02"
      "000000001000"
      "00"
      "00"
      "00"
      "00"
      "00"
      "00"
      "4101");
  many.resize(many.size() + 600);
  FrameReader reader(many);
  Frame frame;
  EXPECT_EQ(reader.Next(frame), Result::kMalformed);
}

TEST(Frames, LargestValuesRoundTrip) {
  AckFrame ack;
  ack.ack_delay_microseconds = kMaxVarint;
  ack.receive_time_microseconds = kMaxVarint;
  ack.packets_received = kMaxVarint;
  ack.bytes_received = kMaxVarint;
  ack.socket_drops = kMaxVarint;
  ack.max_data = kMaxVarint;
  ack.range_count = kMaxAckRanges;
  std::uint64_t number = PacketNumber::kMax;
  for (std::size_t i = 0; i < kMaxAckRanges; ++i) {
    ack.ranges[i] = {PacketNumber(number - i), PacketNumber(number)};
    number -= 2 * i + 2;
  }
  Bytes buffer(4000);
  ByteWriter writer(buffer);
  ASSERT_EQ(WriteAck(writer, ack), kMaxAckRanges);
  FrameReader reader(writer.written());
  Frame frame;
  ASSERT_EQ(reader.Next(frame), Result::kFrame);
  EXPECT_EQ(frame.ack.bytes_received, kMaxVarint);
  ASSERT_EQ(frame.ack.range_count, kMaxAckRanges);
  for (std::size_t i = 0; i < kMaxAckRanges; ++i) {
    EXPECT_EQ(frame.ack.ranges[i], ack.ranges[i]) << i;
  }
}

TEST(Frames, RandomBytesNeverReadOutOfBounds) {
  SeededRandom random(20240611);
  Frame frame;
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes(random.Below(80));
    random.Fill(bytes);
    if (!bytes.empty() && i % 2 == 0) {
      bytes[0] = static_cast<std::byte>(random.Below(0x12));
    }
    FrameReader reader(bytes);
    while (reader.Next(frame) == Result::kFrame) {
    }
  }
}

}  // namespace
}  // namespace p2pcp::wire
