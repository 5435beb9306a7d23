#include "tests/sim/line.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "net/base/check.h"
#include "net/base/packet_number.h"
#include "net/base/socket_address.h"

namespace p2pcp::sim {
namespace {

constexpr std::size_t kNumberSize = 6;
// What Packet::WireSize() counts besides the payload.
constexpr std::size_t kWireOverhead = Line::kOverhead + 28;

// Zeros, always in memory.
class ZeroSource final : public ByteSource {
 public:
  ByteSpan Read(StreamOffset, std::size_t max_size) override {
    return ByteSpan(zeros_).first(std::min(max_size, zeros_.size()));
  }

 private:
  const Bytes zeros_ = Bytes(Line::kMaxPayload);
};

}  // namespace

Policer::Policer(Simulator& simulator, std::uint64_t rate, std::size_t bucket,
                 PacketSink& to)
    : simulator_(simulator),
      rate_(static_cast<double>(rate)),
      bucket_(static_cast<double>(bucket)),
      to_(to),
      tokens_(bucket_),
      filled_(simulator.now()) {}

void Policer::Receive(PacketPtr packet) {
  if (rate_ > 0) {
    const std::chrono::duration<double> passed = simulator_.now() - filled_;
    tokens_ = std::min(bucket_, tokens_ + rate_ * passed.count());
    filled_ = simulator_.now();
    const auto size = static_cast<double>(packet->WireSize());
    if (tokens_ < size) {
      ++drops_;
      return;
    }
    tokens_ -= size;
  }
  to_.Receive(std::move(packet));
}

// A sender, a receiver, and the receiver's way back.
class Line::Flow final : public PacketSink, public ByteSink {
 public:
  Flow(Line& line, std::uint16_t port, const FlowOptions& options)
      : line_(line),
        port_(port),
        bytes_(options.bytes),
        backward_(line.simulator_, line.options_.backward, *this),
        ends_{End(0), End(1)} {
    Connection::Config config;
    config.max_payload = kMaxPayload;
    config.congestion = options.congestion;
    config.rate_limit = options.rate_limit;
    config.packet_overhead = kWireOverhead;
    // As the channel has measured it.
    config.initial_rtt = std::max<Duration>(
        line.options_.forward.delay + line.options_.backward.delay, 1ms);
    config.tracer = options.tracer;
    const TimePoint now = line.simulator_.now();
    ends_[0].connection.emplace(now, config, &source_, nullptr);
    config.rate_limit = 0;
    config.tracer = nullptr;
    config.receive_budget = options.receive_budget;
    ends_[1].connection.emplace(now, config, nullptr, this);
    for (End& end : ends_) {
      end.first_number = end.next_number = options.first_number;
      end.timer = line.simulator_.AddTimer([this, &end] {
        end.connection->HandleTimeout(line_.simulator_.now());
        Turn(end);
      });
    }
    ends_[0].connection->OfferBytes(
        StreamOffset(options.first_offset),
        StreamOffset(options.first_offset + options.bytes));
    for (End& end : ends_) Turn(end);
  }

  // From the queue.
  void ReceiveData(PacketPtr packet) { Handle(ends_[1], *packet); }
  // An ACK has come back.
  void Receive(PacketPtr packet) override { Handle(ends_[0], *packet); }

  const ConnectionStats& stats(std::size_t end) const {
    return ends_[end].connection->stats();
  }
  std::uint64_t received() const { return received_; }
  std::optional<TimePoint> finished() const { return finished_; }
  Link& backward() { return backward_; }

 private:
  struct End {
    explicit End(int number) : index(number) {}
    const int index;
    std::optional<Connection> connection;
    std::uint64_t first_number = 0;
    std::uint64_t next_number = 0;
    Simulator::TimerId timer{};
    std::vector<bool> seen;  // By number, from the first on.
  };

  bool Write(StreamOffset, ByteSpan bytes) override {
    received_ += bytes.size();
    if (received_ == bytes_) finished_ = line_.simulator_.now();
    release_ += bytes.size();
    return true;
  }

  void Handle(End& end, const Packet& packet) {
    const ByteSpan bytes = packet.bytes;
    const std::uint64_t number = ByteReader(bytes).ReadU48();
    const std::uint64_t index = number - end.first_number;
    if (index >= end.seen.size()) end.seen.resize(2 * index + 64);
    if (end.seen[index]) return;
    end.seen[index] = true;
    end.connection->HandlePacket(
        line_.simulator_.now(), PacketNumber(number),
        bytes.subspan(kNumberSize, bytes.size() - Line::kOverhead));
    if (release_ > 0) {
      end.connection->ReleaseBytes(release_);
      release_ = 0;
    }
    P2PCP_CHECK(!end.connection->error());
    Turn(end);
  }

  void Turn(End& end) {
    Simulator& simulator = line_.simulator_;
    for (;;) {
      const auto packet = end.connection->PollTransmit(
          simulator.now(), PacketNumber(end.next_number), out_);
      if (!packet) break;
      PacketPtr datagram = simulator.packets().Get();
      datagram->from = {};
      datagram->to = {.ip = {}, .port = port_};
      datagram->hop_limit = kDefaultHopLimit;
      datagram->bytes.resize(packet->size() + Line::kOverhead);
      const MutableByteSpan bytes = datagram->bytes;
      ByteWriter(bytes.first(kNumberSize)).WriteU48(end.next_number);
      CopyBytes(ByteSpan(out_).first(packet->frames_size),
                bytes.subspan(kNumberSize));
      CopyBytes(packet->data, bytes.subspan(kNumberSize + packet->frames_size));
      ++end.next_number;
      if (end.index == 0) {
        line_.policer_->Receive(std::move(datagram));
      } else {
        backward_.Receive(std::move(datagram));
      }
    }
    simulator.SetTimer(end.timer, end.connection->PollTimeout());
  }

  Line& line_;
  const std::uint16_t port_;
  const std::uint64_t bytes_;
  ZeroSource source_;
  Link backward_;
  End ends_[2];
  Bytes out_ = Bytes(Line::kMaxPayload);
  std::uint64_t received_ = 0;
  std::uint64_t release_ = 0;
  std::optional<TimePoint> finished_;
};

Line::Line(const LineOptions& options)
    : options_(options), simulator_(options.seed) {
  forward_ = std::make_unique<Link>(simulator_, options.forward, demux_);
  policer_ = std::make_unique<Policer>(simulator_, options.policer_rate,
                                       options.policer_bucket, *forward_);
  Sample();
}

Line::~Line() = default;

void Line::Demux::Receive(PacketPtr packet) {
  const std::size_t flow = packet->to.port - 1u;
  line_.flows_[flow]->ReceiveData(std::move(packet));
}

std::size_t Line::AddFlow(const FlowOptions& options) {
  const auto port = static_cast<std::uint16_t>(flows_.size() + 1);
  flows_.push_back(std::make_unique<Flow>(*this, port, options));
  return flows_.size() - 1;
}

void Line::set_up(bool up) {
  forward_->set_up(up);
  for (const auto& flow : flows_) flow->backward().set_up(up);
}

const ConnectionStats& Line::stats(std::size_t flow) const {
  return flows_[flow]->stats(0);
}
const ConnectionStats& Line::receiver_stats(std::size_t flow) const {
  return flows_[flow]->stats(1);
}
std::uint64_t Line::received(std::size_t flow) const {
  return flows_[flow]->received();
}
std::optional<TimePoint> Line::finished(std::size_t flow) const {
  return flows_[flow]->finished();
}

bool Line::RunUntilFinished(std::size_t flow, Duration limit) {
  simulator_.RunUntil([&] { return finished(flow).has_value(); },
                      simulator_.now() + limit);
  return finished(flow).has_value();
}

void Line::Sample() {
  queue_.push_back(forward_->QueueingDelay());
  simulator_.ScheduleIn(1ms, [this] { Sample(); });
}

Duration Line::mean_queue() const {
  return std::accumulate(queue_.begin(), queue_.end(), Duration(0)) /
         static_cast<std::int64_t>(queue_.size());
}

Duration Line::queue_percentile(double part) const {
  std::vector<Duration> sorted = queue_;
  const auto at =
      sorted.begin() + static_cast<std::ptrdiff_t>(
                           part * static_cast<double>(sorted.size() - 1));
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

}  // namespace p2pcp::sim
