// What an ACK costs both ends, for windows and loss rates: a window of packets
// is always in flight, one in so many gets lost, an ACK comes when one is due,
// and what is lost is sent again.
//
//   bazel run -c opt //transfer/recovery:acks_benchmark
//
// The time of an item is that of a packet: recorded, acknowledged or declared
// lost at both ends. It must not grow with the window (but for the processor's
// caches, which 24 bytes a packet outgrow).

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "transfer/recovery/ack_tracker.h"
#include "transfer/recovery/congestion_controller.h"
#include "transfer/recovery/loss_detection.h"
#include "transfer/recovery/range_set.h"
#include "transfer/recovery/sent_packets.h"
#include "transfer/wire/frames.h"

namespace p2pcp {
namespace {

constexpr std::size_t kSize = 1'400;

class NoController final : public CongestionController {
 public:
  void OnPacketSent(const SentEvent&) override {}
  void OnAck(const AckEvent&) override {}
  void OnLoss(const LossEvent&) override {}
  void OnSpurious(const SpuriousEvent&) override {}
  void OnPathChange(TimePoint, std::size_t) override {}
  void OnPacketSizeChange(std::size_t) override {}
  std::uint64_t window() const override { return 0; }
  std::uint64_t pacing_rate(Duration) const override { return 0; }
  std::uint64_t bandwidth(Duration) const override { return 0; }
};

// Which bytes have arrived and which are to be sent again, as a connection
// keeps them.
class Bytes final : public LossDetection::Handler {
 public:
  void OnPacketAcked(PacketNumber, const SentPacket& packet) override {
    acked_.Insert(packet.offset, packet.offset + packet.length);
    if (!lost_.empty()) {
      lost_.Erase(packet.offset, packet.offset + packet.length);
    }
  }
  void OnPacketLost(PacketNumber, const SentPacket& packet) override {
    lost_.Insert(packet.offset, packet.offset + packet.length);
  }
  std::uint64_t Next() {
    if (lost_.empty()) {
      next_ += kSize;
      return next_ - kSize;
    }
    const std::uint64_t offset = lost_.Front().begin;
    lost_.PopFront(kSize);
    return offset;
  }

 private:
  RangeSet acked_;
  RangeSet lost_;
  std::uint64_t next_ = 0;
};

void BM_Acks(benchmark::State& state) {
  const auto window = static_cast<std::uint64_t>(state.range(0));
  const auto loss_per_mille = static_cast<std::uint64_t>(state.range(1));
  // A packet each microsecond, or 11 Gbit/s.
  constexpr Duration kSpacing = 1us;
  const Duration rtt = static_cast<std::int64_t>(window) * kSpacing;
  NoController controller;
  Bytes bytes;
  TimePoint now{1s};
  LossDetection sender(rtt, &controller, &bytes);
  AckTracker receiver(now);
  receiver.set_rtt(rtt);
  RangeSet received;
  std::vector<std::uint64_t> offsets(2 * window);
  p2pcp::Bytes buffer(1'400);
  wire::Frame frame;
  std::uint64_t random = 88172645463325252;
  std::uint64_t number = 0;
  std::uint64_t acks = 0;
  std::uint64_t ack_bytes = 0;
  const auto step = [&] {
    now += kSpacing;
    const std::uint64_t offset = bytes.Next();
    offsets[number % offsets.size()] = offset;
    SentPacket packet;
    packet.content = SentPacket::kData;
    packet.offset = offset;
    packet.length = packet.size = kSize;
    sender.OnPacketSent(now, PacketNumber(number++), packet);
    if (number < window) return;
    // The way back takes no time.
    const std::uint64_t arrived = number - window;
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    if (random % 1000 >= loss_per_mille) {
      receiver.OnPacketReceived(now, PacketNumber(arrived), kSize, true, false);
      const std::uint64_t at = offsets[arrived % offsets.size()];
      received.Insert(at, at + kSize);
    }
    if (receiver.Due(now)) {
      ByteWriter writer(buffer);
      receiver.WriteAck(now, writer, 0, 0);
      ++acks;
      ack_bytes += writer.size();
      wire::FrameReader reader(writer.written());
      reader.Next(frame);
      sender.OnAckReceived(now, frame.ack);
    }
    if (sender.deadline() <= now) sender.OnTimeout(now);
  };
  while (number < 3 * window) step();
  acks = ack_bytes = 0;
  for (auto _ : state) {
    step();
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["packets/ack"] =
      static_cast<double>(state.iterations()) / static_cast<double>(acks);
  state.counters["bytes/ack"] =
      static_cast<double>(ack_bytes) / static_cast<double>(acks);
}
BENCHMARK(BM_Acks)
    ->ArgNames({"window", "loss_per_mille"})
    ->ArgsProduct({{1 << 10, 1 << 13, 1 << 15, 1 << 17}, {0, 10, 100}});

}  // namespace
}  // namespace p2pcp

BENCHMARK_MAIN();
