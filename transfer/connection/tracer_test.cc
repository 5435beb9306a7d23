#include "transfer/connection/tracer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "transfer/connection/connection.h"
#include "transfer/connection/pair.h"
#include "transfer/wire/frames.h"

namespace p2pcp {
namespace {

// Keeps everything, and checks that times don't go back.
class Record final : public ConnectionTracer {
 public:
  void OnPacketSent(TimePoint now, PacketNumber number,
                    ByteSpan payload) override {
    At(now);
    EXPECT_TRUE(sent.emplace(number.value(), payload.size()).second);
    wire::FrameReader reader(payload);
    wire::Frame frame;
    wire::FrameReader::Result result;
    while ((result = reader.Next(frame)) == wire::FrameReader::Result::kFrame) {
      EXPECT_NE(frame.type, wire::FrameType::kData);
    }
    EXPECT_EQ(result, wire::FrameReader::Result::kEnd);
  }
  void OnDataSent(TimePoint now, PacketNumber number, std::size_t size,
                  StreamOffset, std::size_t length) override {
    At(now);
    EXPECT_EQ(size, wire::kDataHeaderSize + length);
    EXPECT_TRUE(sent.emplace(number.value(), size).second);
    data += length;
  }
  void OnPacketReceived(TimePoint now, PacketNumber,
                        ByteSpan payload) override {
    At(now);
    ++received;
    received_bytes += payload.size();
  }
  void OnPacketLost(TimePoint now, PacketNumber number,
                    std::size_t size) override {
    At(now);
    EXPECT_TRUE(lost.insert(number.value()).second);
    EXPECT_EQ(sent.at(number.value()), size);
  }
  void OnMetrics(TimePoint now, const ConnectionStats& stats,
                 std::string_view state) override {
    At(now);
    EXPECT_GT(stats.congestion_window, 0u);
    states.insert(std::string(state));
    last_rtt = stats.smoothed_rtt;
  }
  void OnPathChange(TimePoint now, std::size_t max_payload) override {
    At(now);
    paths.push_back(max_payload);
  }

  std::map<std::uint64_t, std::size_t> sent;
  std::uint64_t data = 0;
  std::uint64_t received = 0;
  std::uint64_t received_bytes = 0;
  std::set<std::uint64_t> lost;
  std::set<std::string> states;
  Duration last_rtt{0};
  std::vector<std::size_t> paths;

 private:
  void At(TimePoint now) {
    EXPECT_GE(now, last_);
    last_ = now;
  }
  TimePoint last_;
};

TEST(ConnectionTracer, IsToldAllThatTheCountersCount) {
  Record record;
  Pair pair({.link = {.loss = 0.03, .rate = 2'000'000}, .tracer = &record});
  ASSERT_TRUE(pair.Transfer(4 << 20, 100s));
  pair.sender().HandlePathChange(pair.now(), 1'000);
  pair.sender().Close(pair.now(), 0);
  pair.RunUntil([] { return false; }, 1s);
  const ConnectionStats& stats = pair.sender().stats();
  EXPECT_EQ(record.sent.size(), stats.packets_sent);
  std::uint64_t bytes = 0;
  for (const auto& [number, size] : record.sent) bytes += size;
  EXPECT_EQ(bytes, stats.bytes_sent);
  EXPECT_EQ(record.received, stats.packets_received);
  EXPECT_EQ(record.received_bytes, stats.bytes_received);
  EXPECT_EQ(record.lost.size(), stats.packets_lost);
  EXPECT_GT(record.lost.size(), 50u);
  EXPECT_GE(record.data, stats.data_bytes_sent);
  EXPECT_EQ(record.last_rtt, stats.smoothed_rtt);
  EXPECT_EQ(record.paths, std::vector<std::size_t>{1'000});
  EXPECT_TRUE(record.states.contains("slow_start"));
  EXPECT_TRUE(record.states.contains("congestion_avoidance"));
}

}  // namespace
}  // namespace p2pcp
