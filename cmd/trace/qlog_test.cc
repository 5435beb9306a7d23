#include "cmd/trace/qlog.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cmd/trace/qlog_tracer.h"
#include "cmd/trace/trace_file.h"
#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "transfer/connection/connection.h"
#include "transfer/file/test_folder.h"
#include "transfer/wire/frames.h"

namespace p2pcp::cmd {
namespace {

using Json = nlohmann::json;

constexpr TimePoint kBegin{10s};

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// RFC 7464: each text between a record separator and a line feed.
std::vector<Json> Records(const std::string& text) {
  std::vector<Json> records;
  std::size_t at = 0;
  while (at < text.size()) {
    EXPECT_EQ(text[at], '\x1e') << at;
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) {
      ADD_FAILURE() << "cut off";
      break;
    }
    records.push_back(
        Json::parse(text.substr(at + 1, end - at - 1), nullptr, false));
    EXPECT_TRUE(records.back().is_object()) << text.substr(at, end - at);
    at = end + 1;
  }
  return records;
}

class QlogTest : public testing::Test {
 protected:
  std::unique_ptr<TraceFile> Create() {
    auto file = TraceFile::Create(folder_ / "trace.sqlog",
                                  QlogHeader(true, UnixTime(1'000s)));
    EXPECT_TRUE(file.ok());
    return *std::move(file);
  }
  std::string Text() { return ReadFile(folder_ / "trace.sqlog"); }

  file::TestFolder folder_;
};

TEST_F(QlogTest, BeginsWithTheHeaderOfAJsonTextSequence) {
  Create().reset();
  const std::vector<Json> records = Records(Text());
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]["qlog_version"], "0.3");
  EXPECT_EQ(records[0]["qlog_format"], "JSON-SEQ");
  const Json& trace = records[0]["trace"];
  EXPECT_EQ(trace["vantage_point"]["type"], "client");
  EXPECT_EQ(trace["common_fields"]["time_format"], "relative");
  EXPECT_EQ(trace["common_fields"]["reference_time"], 1'000'000);
}

TEST_F(QlogTest, HasARecordOfEachEvent) {
  {
    const auto file = Create();
    QlogTracer tracer(kBegin, file.get());
    tracer.OnDataSent(kBegin + 1500us, PacketNumber(7), 1000,
                      StreamOffset(4096), 991);
    Bytes payload(200);
    ByteWriter writer(payload);
    wire::WritePing(writer, {.lowest_unacked = PacketNumber(3)});
    wire::WriteCredit(writer, {.max_data = 77});
    wire::AckFrame ack;
    ack.ack_delay_microseconds = 1500;
    ack.range_count = 2;
    ack.ranges[0] = {PacketNumber(5), PacketNumber(7)};
    ack.ranges[1] = {PacketNumber(1), PacketNumber(2)};
    wire::WriteAck(writer, ack);
    const std::string secret = "name of a file";
    wire::WriteControl(writer, {.offset = 9, .bytes = AsBytes(secret)});
    tracer.OnPacketSent(kBegin + 2ms, PacketNumber(8), writer.written());
    tracer.OnPacketReceived(kBegin + 3ms, PacketNumber(1), writer.written());
    tracer.OnPacketLost(kBegin + 4ms, PacketNumber(7), 1000);
    ConnectionStats stats;
    stats.congestion_window = 32'000;
    stats.bytes_in_flight = 500;
    tracer.OnMetrics(kBegin + 5ms, stats, "slow_start");
    stats.smoothed_rtt = 51ms;
    stats.min_rtt = 50ms;
    stats.latest_rtt = 52ms;
    stats.pacing_rate = 1'000'000;
    tracer.OnMetrics(kBegin + 6ms, stats, "recovery");
    // A clock that is read in two places.
    tracer.OnPathChange(kBegin + 5ms, 1200);
  }
  const std::string text = Text();
  EXPECT_EQ(text.find("name of a file"), std::string::npos);
  const std::vector<Json> records = Records(text);
  ASSERT_EQ(records.size(), 10u);
  EXPECT_EQ(records[1], Json::parse(R"({"time":1.5,
      "name":"transport:packet_sent","data":{
        "header":{"packet_type":"1RTT","packet_number":7},
        "raw":{"length":1000},
        "frames":[{"frame_type":"stream","stream_id":0,"offset":4096,
                   "length":991}]}})"));
  const Json frames = Json::parse(R"([
      {"frame_type":"ping"},
      {"frame_type":"max_data","maximum":77},
      {"frame_type":"ack","ack_delay":1.5,"acked_ranges":[[5,7],[1,2]]},
      {"frame_type":"stream","stream_id":1,"offset":9,"length":14}])");
  EXPECT_EQ(records[2]["name"], "transport:packet_sent");
  EXPECT_EQ(records[2]["data"]["frames"], frames);
  EXPECT_EQ(records[3]["name"], "transport:packet_received");
  EXPECT_EQ(records[3]["data"]["frames"], frames);
  EXPECT_EQ(records[4]["name"], "recovery:packet_lost");
  EXPECT_EQ(records[4]["data"]["header"]["packet_number"], 7);
  EXPECT_EQ(records[5]["data"], Json({{"new", "slow_start"}}));
  EXPECT_EQ(records[6]["data"], Json::parse(R"({"congestion_window":32000,
      "bytes_in_flight":500})"));
  EXPECT_EQ(records[7]["data"],
            Json({{"old", "slow_start"}, {"new", "recovery"}}));
  EXPECT_EQ(records[8]["data"], Json::parse(R"({"congestion_window":32000,
      "bytes_in_flight":500,"smoothed_rtt":51.0,"min_rtt":50.0,
      "latest_rtt":52.0,"pacing_rate":8000000})"));
  EXPECT_EQ(records[9]["time"], 6.0);
  EXPECT_EQ(records[9]["data"]["new"], 1200);
}

TEST_F(QlogTest, APacketOfManyFramesFitsItsRecord) {
  Bytes payload(65'000);
  ByteWriter writer(payload);
  while (writer.remaining() > 100) {
    wire::WriteCredit(writer, {.max_data = 1});
  }
  {
    const auto file = Create();
    QlogTracer tracer(kBegin, file.get());
    for (int i = 0; i < 30; ++i) {
      tracer.OnPacketReceived(kBegin, PacketNumber(i), writer.written());
    }
    // Cut off, as a peer that means ill would.
    tracer.OnPacketReceived(kBegin, PacketNumber(99),
                            writer.written().first(1));
  }
  const std::vector<Json> records = Records(Text());
  ASSERT_EQ(records.size(), 32u);
  EXPECT_GT(records[1]["data"]["frames"].size(), 100u);
  EXPECT_TRUE(records[31]["data"]["frames"].empty());
}

TEST_F(QlogTest, CountsWhatTheWriterCouldNotTake) {
  constexpr int kEvents = 3'000'000;
  {
    const auto file = Create();
    QlogTracer tracer(kBegin, file.get());
    for (int i = 0; i < kEvents; ++i) {
      tracer.OnPacketLost(kBegin, PacketNumber(i), 1);
    }
    EXPECT_FALSE(file->TakeError().has_value());
  }
  const std::string text = Text();
  std::uint64_t events = 0;
  std::size_t at = 0;
  while ((at = text.find("recovery:packet_lost", at)) != std::string::npos) {
    ++events;
    ++at;
  }
  at = 0;
  while ((at = text.find("\"missed\":", at)) != std::string::npos) {
    at += 9;
    events += std::stoull(text.substr(at, 20));
  }
  EXPECT_EQ(events, std::uint64_t{kEvents});
}

TEST_F(QlogTest, AFullDiskEndsTheTraceWithOneError) {
  signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 200'000;
  setrlimit(RLIMIT_FSIZE, &small);
  const auto file = Create();
  {
    QlogTracer tracer(kBegin, file.get());
    std::optional<Error> error;
    // It goes on for as long as it is told to, whatever becomes of it.
    for (int i = 0; i < 100'000'000 && !error; ++i) {
      tracer.OnPacketLost(kBegin, PacketNumber(i), 1);
      if (i % 10'000 == 0) error = file->TakeError();
    }
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, ErrorCode::kCannotWrite);
    for (int i = 0; i < 100'000; ++i) {
      tracer.OnPacketLost(kBegin, PacketNumber(i), 1);
    }
  }
  EXPECT_FALSE(file->TakeError().has_value());
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(std::filesystem::file_size(folder_ / "trace.sqlog"), 200'000u);
}

TEST_F(QlogTest, NoFileIsOverwritten) {
  Create().reset();
  const auto again = TraceFile::Create(folder_ / "trace.sqlog", "x");
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, ErrorCode::kCannotWrite);
  EXPECT_NE(again.error().message.find("trace.sqlog"), std::string::npos);
}

}  // namespace
}  // namespace p2pcp::cmd
