// What a Connection does with single packets: hostile ones above all. Transfers
// over links are in pair_test.

#include "transfer/connection/connection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "net/base/random.h"
#include "transfer/connection/pair.h"

namespace p2pcp {
namespace {

constexpr TimePoint kStart{1s};
constexpr std::size_t kPayload = 1'172;

// One connection, and the test as its peer.
class ConnectionTest : public ::testing::Test {
 protected:
  void Handle(ByteSpan payload) {
    receiver_.HandlePacket(now_, PacketNumber(next_in_++), payload);
  }
  void HandleHex(std::string_view hex) { Handle(Unhex(hex)); }
  template <typename Write>
  void HandleFrame(Write write) {
    Bytes buffer(kPayload);
    ByteWriter writer(buffer);
    write(writer);
    Handle(writer.written());
  }
  void HandleData(std::uint64_t offset, std::size_t size) {
    Bytes payload(wire::kDataHeaderSize + size);
    wire::WriteDataHeader(payload, StreamOffset(offset), size, false);
    for (std::size_t i = 0; i < size; ++i) {
      payload[wire::kDataHeaderSize + i] = PatternByte(offset + i);
    }
    Handle(payload);
  }
  // Frame types of all that it sends now.
  std::vector<wire::FrameType> Sent() {
    std::vector<wire::FrameType> types;
    Bytes out(kPayload);
    while (const auto packet =
               receiver_.PollTransmit(now_, PacketNumber(next_out_), out)) {
      ++next_out_;
      wire::FrameReader reader(ByteSpan(out).first(packet->frames_size));
      EXPECT_TRUE(packet->data.empty());
      while (reader.Next(frame_) == wire::FrameReader::Result::kFrame) {
        types.push_back(frame_.type);
      }
    }
    return types;
  }
  void ExpectViolation() {
    ASSERT_TRUE(receiver_.error().has_value());
    EXPECT_EQ(receiver_.error()->code, ErrorCode::kMalformed);
    EXPECT_TRUE(receiver_.closed());
    const auto types = Sent();
    ASSERT_EQ(types.size(), 3u);
    for (const auto type : types) EXPECT_EQ(type, wire::FrameType::kClose);
    EXPECT_EQ(frame_.close.code, Connection::kCloseProtocolViolation);
    EXPECT_FALSE(receiver_.PollTimeout().has_value());
    // Whatever else comes is not even looked at.
    HandleData(0, 100);
    EXPECT_TRUE(Sent().empty());
  }

  TimePoint now_ = kStart;
  SeededRandom random_{1};
  PatternSink sink_{&random_, 0};
  Connection receiver_{kStart,
                       {.max_payload = kPayload,
                        .receive_budget = 10'000,
                        .congestion = Congestion::kCubic,
                        .initial_rtt = 50ms},
                       nullptr,
                       &sink_};
  std::uint64_t next_in_ = 0;
  std::uint64_t next_out_ = 0;
  wire::Frame frame_;
};

// ACKs and control must pass whatever becomes of a path that took large packets
// once: nobody would notice that an ACK got lost for its size.
TEST(ConnectionSize, AllButDataFitsAnyPath) {
  constexpr std::size_t kLarge = 8'944;
  Connection connection(kStart, {.max_payload = kLarge, .initial_rtt = 50ms},
                        nullptr, nullptr);
  connection.SendControl(Bytes(connection.ControlRoom()));
  // Every second packet is missing, so an ACK has as much to name as it can.
  Bytes ping(16);
  ByteWriter writer(ping);
  wire::WritePing(writer, {.lowest_unacked = PacketNumber(0)});
  for (std::uint64_t n = 0; n < 1000; ++n) {
    connection.HandlePacket(kStart + 1s, PacketNumber(n * 1'000'000),
                            writer.written());
  }
  Bytes out(kLarge);
  std::size_t largest = 0;
  std::uint64_t number = 0;
  while (const auto packet = connection.PollTransmit(
             kStart + 1s, PacketNumber(number++), out)) {
    largest = std::max(largest, packet->size());
  }
  EXPECT_GT(number, 10u);
  EXPECT_LE(largest, Connection::kBasePayload);
}

TEST_F(ConnectionTest, AReceiverAnnouncesItsCreditFirst) {
  EXPECT_EQ(Sent(), std::vector{wire::FrameType::kCredit});
  EXPECT_EQ(frame_.credit.max_data, 10'000u);
  EXPECT_TRUE(Sent().empty());
}

TEST_F(ConnectionTest, AcknowledgesDataWithTheCreditOfNow) {
  Sent();
  HandleData(0, 1000);
  HandleData(1000, 1000);
  EXPECT_EQ(Sent(), std::vector{wire::FrameType::kAck});
  EXPECT_EQ(frame_.ack.max_data, 10'000u);
  EXPECT_EQ(frame_.ack.range_count, 1u);
  EXPECT_EQ(frame_.ack.ranges[0].smallest, PacketNumber(0));
  EXPECT_EQ(frame_.ack.ranges[0].largest, PacketNumber(1));
  receiver_.ReleaseBytes(2000);
  EXPECT_EQ(Sent(), std::vector{wire::FrameType::kCredit});
  EXPECT_EQ(frame_.credit.max_data, 12'000u);
}

TEST_F(ConnectionTest, TheSamePacketNumberCountsOnce) {
  HandleData(0, 1000);
  --next_in_;
  HandleData(1000, 1000);
  EXPECT_EQ(sink_.written.size(), 1000u);
}

TEST_F(ConnectionTest, AnEmptyPacketIsAViolation) {
  Handle({});
  ExpectViolation();
}

TEST_F(ConnectionTest, AnUnknownFrameIsAViolation) {
  HandleHex("7f");
  ExpectViolation();
}

TEST_F(ConnectionTest, ATruncatedFrameIsAViolation) {
  HandleHex("1000000000000000ff00");
  ExpectViolation();
}

TEST_F(ConnectionTest, AnAckOfAPacketNeverSentIsAViolation) {
  Sent();
  HandleFrame([](ByteWriter& writer) {
    wire::AckFrame ack;
    ack.range_count = 1;
    ack.ranges[0] = {PacketNumber(0), PacketNumber(1)};
    wire::WriteAck(writer, ack);
  });
  ExpectViolation();
}

TEST_F(ConnectionTest, DataBeyondTheCreditIsAViolation) {
  for (int i = 0; i < 10; ++i) {
    HandleData(static_cast<std::uint64_t>(i) * 2000, 1000);
  }
  ASSERT_FALSE(receiver_.error().has_value());
  HandleData(100'000, 1);
  ExpectViolation();
}

TEST_F(ConnectionTest, ControlBytesBeyondTheWindowAreAViolation) {
  HandleFrame([](ByteWriter& writer) {
    wire::WriteControl(writer, {.offset = 1 << 30, .bytes = AsBytes("x")});
  });
  ExpectViolation();
}

TEST_F(ConnectionTest, AControlMessageTooLongIsAViolation) {
  HandleFrame([](ByteWriter& writer) {
    const Bytes length = Unhex("ffff");
    wire::WriteControl(writer, {.offset = 0, .bytes = length});
  });
  ExpectViolation();
}

TEST_F(ConnectionTest, DataForASenderIsAViolation) {
  PatternSource source(Duration(0), &now_);
  Connection sender(kStart, {.max_payload = kPayload}, &source, nullptr);
  Bytes payload(wire::kDataHeaderSize + 1);
  wire::WriteDataHeader(payload, StreamOffset(0), 1, false);
  sender.HandlePacket(now_, PacketNumber(0), payload);
  EXPECT_TRUE(sender.error().has_value());
}

// Authenticated nonsense of every kind: whatever it says, nothing aborts.
TEST_F(ConnectionTest, RandomFramesNeverAbort) {
  SeededRandom random(99);
  std::uint64_t violations = 0;
  for (int round = 0; round < 3000; ++round) {
    PatternSink sink(&random, 0.1);
    PatternSource source(Duration(0), &now_);
    TimePoint now = kStart;
    Connection connection(now,
                          {.max_payload = kPayload, .receive_budget = 1 << 20},
                          &source, &sink);
    connection.OfferBytes(StreamOffset(0), StreamOffset(1 << 20));
    std::uint64_t number = 0;
    Bytes out(kPayload);
    for (int i = 0; i < 30; ++i) {
      while (const auto packet =
                 connection.PollTransmit(now, PacketNumber(number), out)) {
        number += 1 + random.Below(2);
      }
      Bytes buffer(kPayload);
      ByteWriter writer(buffer);
      switch (random.Below(6)) {
        case 0: {
          wire::AckFrame ack;
          ack.max_data = random.Below(1 << 20);
          ack.ack_delay_microseconds = random.NextU64() & kMaxVarint;
          std::uint64_t largest = random.Below(number + 2);
          ack.range_count = 1 + random.Below(4);
          for (std::size_t r = 0; r < ack.range_count; ++r) {
            const std::uint64_t more = random.Below(largest + 1);
            ack.ranges[r] = {PacketNumber(largest - more),
                             PacketNumber(largest)};
            if (largest < more + 2) {
              ack.range_count = r + 1;
              break;
            }
            largest -= more + 2;
          }
          wire::WriteAck(writer, ack);
          break;
        }
        case 1:
          wire::WriteControl(
              writer, {.offset = random.Below(600), .bytes = AsBytes("abcd")});
          break;
        case 2:
          wire::WriteCredit(writer, {.max_data = random.Below(1 << 20)});
          break;
        case 3:
          wire::WritePing(writer, {.lowest_unacked = PacketNumber(
                                       random.Below(PacketNumber::kMax))});
          break;
        case 4: {
          Bytes data(wire::kDataHeaderSize + 100);
          wire::WriteDataHeader(data, StreamOffset(random.Below(1 << 22)), 100,
                                random.Below(2) == 0);
          writer.WriteBytes(data);
          break;
        }
        default: {
          Bytes noise(1 + random.Below(40));
          random.Fill(noise);
          noise[0] = static_cast<std::byte>(random.Below(0x12));
          writer.WriteBytes(noise);
          break;
        }
      }
      connection.HandlePacket(now, PacketNumber(random.Below(100)),
                              writer.written());
      while (connection.PollControl()) {
      }
      now += Duration(static_cast<std::int64_t>(random.Below(20'000'000)));
      connection.HandleTimeout(now);
    }
    if (connection.error()) ++violations;
  }
  EXPECT_GT(violations, 100u);
  EXPECT_LT(violations, 3000u);
}

TEST_F(ConnectionTest, CloseIsToldThreeTimesAndAgainToWhoGoesOn) {
  Sent();
  receiver_.Close(now_, 7);
  EXPECT_TRUE(receiver_.closed());
  EXPECT_EQ(Sent().size(), 3u);
  EXPECT_EQ(frame_.close.code, 7);
  HandleData(0, 100);
  EXPECT_TRUE(Sent().empty());  // At once would only feed a flood.
  now_ += 60ms;
  HandleData(100, 100);
  EXPECT_EQ(Sent(), std::vector{wire::FrameType::kClose});
  for (int i = 0; i < 100; ++i) {
    now_ += 60ms;
    HandleData(0, 100);
    Sent();
  }
  EXPECT_EQ(next_out_, 1 + 16u);
  EXPECT_EQ(sink_.written.size(), 0u);
}

TEST_F(ConnectionTest, AfterThePeersCloseNothingIsSent) {
  HandleData(0, 100);
  HandleFrame(
      [](ByteWriter& writer) { wire::WriteClose(writer, {.code = 3}); });
  EXPECT_EQ(receiver_.peer_close(), 3);
  EXPECT_TRUE(receiver_.closed());
  EXPECT_FALSE(receiver_.error().has_value());
  EXPECT_TRUE(Sent().empty());
  EXPECT_FALSE(receiver_.PollTimeout().has_value());
}

// A peer that scatters its packet numbers makes ACKs as long as they can be.
TEST_F(ConnectionTest, TheLongestAckLeavesRoomForTheRest) {
  Sent();
  receiver_.SendControl(AsBytes("hello"));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    HandleData(i, 1);
    next_in_ += std::uint64_t{1} << 36;
  }
  receiver_.ReleaseBytes(1000);
  HandleData(1000, 1000);
  receiver_.ReleaseBytes(1000);
  HandleFrame([](ByteWriter& writer) { wire::WritePing(writer, {}); });
  const auto types = Sent();
  EXPECT_EQ(std::count(types.begin(), types.end(), wire::FrameType::kCredit),
            1);
  EXPECT_EQ(std::count(types.begin(), types.end(), wire::FrameType::kControl),
            1);
  EXPECT_GT(frame_.ack.range_count, 100u);
  EXPECT_LT(frame_.ack.range_count, wire::kMaxAckRanges);
}

TEST_F(ConnectionTest, SocketDropsAreTold) {
  Sent();
  receiver_.SetSocketDrops(42);
  HandleData(0, 100);
  HandleData(100, 100);
  EXPECT_EQ(Sent(), std::vector{wire::FrameType::kAck});
  EXPECT_EQ(frame_.ack.socket_drops, 42u);
}

}  // namespace
}  // namespace p2pcp
