#include "cmd/trace/qlog.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "cmd/version.h"
#include "net/base/check.h"
#include "transfer/wire/frames.h"

namespace p2pcp::cmd {
namespace {

using Words = std::span<const std::uint64_t>;

// RFC 7464 section 2.2: each JSON text between these two.
constexpr char kRecordSeparator = '\x1e';
constexpr char kRecordEnd = '\n';

double Milliseconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) / 1e6;
}

class Line {
 public:
  Line(std::string& text, std::uint64_t time, std::string_view name)
      : text_(text) {
    // Microseconds, as the kernel hands packets over no finer.
    Add("{}{{\"time\":{:.3f},\"name\":\"{}\",\"data\":{{", kRecordSeparator,
        Milliseconds(time), name);
  }
  ~Line() { Add("}}}}{}", kRecordEnd); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  template <typename... Args>
  void Add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format,
                   std::forward<Args>(args)...);
  }

  void AddFrames(Words words) {
    Add(",\"frames\":[");
    const char* comma = "";
    while (!words.empty()) {
      const std::size_t size = TraceWordsOf(words[0]);
      P2PCP_CHECK(size >= 1 && size <= words.size());
      Add("{}", comma);
      AddFrame(static_cast<wire::FrameType>(TraceKindOf(words[0])),
               words.subspan(1, size - 1));
      comma = ",";
      words = words.subspan(size);
    }
    Add("]");
  }

 private:
  void AddFrame(wire::FrameType type, Words f) {
    switch (type) {
      case wire::FrameType::kPadding:
        return Add("{{\"frame_type\":\"padding\"}}");
      case wire::FrameType::kPing:
        return Add("{{\"frame_type\":\"ping\"}}");
      case wire::FrameType::kAck:
        return AddAck(f);
      case wire::FrameType::kControl:
        return AddStream(1, f);
      case wire::FrameType::kCredit:
        return Add("{{\"frame_type\":\"max_data\",\"maximum\":{}}}", f[0]);
      case wire::FrameType::kClose:
        return Add(
            "{{\"frame_type\":\"connection_close\",\"error_space\":"
            "\"application\",\"error_code\":{}}}",
            f[0]);
      case wire::FrameType::kData:
      case wire::FrameType::kDataAckNow:
        return AddStream(0, f);
    }
  }
  void AddStream(int id, Words f) {
    Add("{{\"frame_type\":\"stream\",\"stream_id\":{},\"offset\":{},"
        "\"length\":{}}}",
        id, f[0], f[1]);
  }
  void AddAck(Words f) {
    Add("{{\"frame_type\":\"ack\",\"ack_delay\":{:.3f},\"acked_ranges\":[",
        static_cast<double>(f[0]) / 1e3);
    for (std::size_t i = 1; i + 1 < f.size(); i += 2) {
      Add("{}[{},{}]", i == 1 ? "" : ",", f[i], f[i + 1]);
    }
    Add("]}}");
  }

  std::string& text_;
};

void FormatPacket(Line& line, std::uint64_t number, std::uint64_t size) {
  line.Add(
      "\"header\":{{\"packet_type\":\"1RTT\",\"packet_number\":{}}},"
      "\"raw\":{{\"length\":{}}}",
      number, size);
}

}  // namespace

std::string QlogHeader(bool sender, UnixTime begin) {
  using Json = nlohmann::ordered_json;
  const std::string title = std::string("p2pcp ") + (sender ? "send" : "recv");
  Json header;
  header["qlog_version"] = "0.3";
  header["qlog_format"] = "JSON-SEQ";
  header["title"] = title;
  Json& trace = header["trace"];
  trace["title"] = title;
  trace["vantage_point"] = {{"name", std::string("p2pcp ") + kVersion},
                            {"type", sender ? "client" : "server"}};
  trace["common_fields"] = {
      {"protocol_type", Json::array({"p2pcp"})},
      {"time_format", "relative"},
      {"reference_time", begin.time_since_epoch().count() * 1000}};
  return kRecordSeparator + header.dump() + kRecordEnd;
}

void QlogFormatter::Format(const TraceBlock& block, std::string& text) {
  Words words(block);
  while (!words.empty()) {
    const std::size_t size = TraceWordsOf(words[0]);
    P2PCP_CHECK(size >= 2 && size <= words.size());
    const auto kind = static_cast<TraceKind>(TraceKindOf(words[0]));
    const std::uint64_t time = words[1];
    const Words f = words.subspan(2, size - 2);
    words = words.subspan(size);
    switch (kind) {
      case TraceKind::kSent:
      case TraceKind::kReceived: {
        Line line(text, time,
                  kind == TraceKind::kSent ? "transport:packet_sent"
                                           : "transport:packet_received");
        FormatPacket(line, f[0], f[1]);
        line.AddFrames(f.subspan(2));
        break;
      }
      case TraceKind::kLost: {
        Line line(text, time, "recovery:packet_lost");
        FormatPacket(line, f[0], f[1]);
        break;
      }
      case TraceKind::kMetrics: {
        Line line(text, time, "recovery:metrics_updated");
        line.Add("\"congestion_window\":{},\"bytes_in_flight\":{}", f[3], f[4]);
        if (f[0] > 0) {
          line.Add(
              ",\"smoothed_rtt\":{:.3f},\"min_rtt\":{:.3f},"
              "\"latest_rtt\":{:.3f}",
              Milliseconds(f[0]), Milliseconds(f[1]), Milliseconds(f[2]));
        }
        // Bits a second.
        if (f[5] > 0) line.Add(",\"pacing_rate\":{}", f[5] * 8);
        break;
      }
      case TraceKind::kState: {
        const std::string_view state(reinterpret_cast<const char*>(f[0]), f[1]);
        Line line(text, time, "recovery:congestion_state_updated");
        if (!state_.empty()) line.Add("\"old\":\"{}\",", state_);
        line.Add("\"new\":\"{}\"", state);
        state_ = state;
        break;
      }
      case TraceKind::kPath: {
        Line line(text, time, "connectivity:mtu_updated");
        line.Add("\"new\":{},\"path_changed\":true", f[0]);
        break;
      }
      case TraceKind::kMissed: {
        Line line(text, time, "loglevel:warning");
        line.Add("\"message\":\"{} events were not recorded\",\"missed\":{}",
                 f[0], f[0]);
        break;
      }
    }
  }
}

}  // namespace p2pcp::cmd
