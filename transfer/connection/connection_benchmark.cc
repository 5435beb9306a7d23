// What the protocol costs per packet, without encryption, sockets and disks:
// two connections in one process, joined by memory, with a link of a given
// round trip and loss.
//
//   bazel run -c opt //transfer/connection:connection_benchmark
//
// packets/s counts data packets that went all the way: sent, received, placed
// and acknowledged, on one core for both sides.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"

namespace p2pcp {
namespace {

constexpr std::size_t kMaxPayload = 1'444;
constexpr std::size_t kTrain = 44;
constexpr std::size_t kBuffer = 256 * 1024;

class MemorySource final : public ByteSource {
 public:
  ByteSpan Read(StreamOffset offset, std::size_t max_size) override {
    const std::size_t at = offset.value() % kBuffer;
    return ByteSpan(buffer_).subspan(at, std::min(max_size, kBuffer - at));
  }

 private:
  Bytes buffer_ = Bytes(kBuffer);
};

// Takes note of the bytes and drops them: placing is the disk's cost.
class CountingSink final : public ByteSink {
 public:
  bool Write(StreamOffset, ByteSpan bytes) override {
    unreleased += bytes.size();
    return true;
  }
  std::uint64_t unreleased = 0;
};

// A packet under way: only its frames lie in its slot. The data, whatever it
// is, is not copied: that is the cipher's work.
struct Flying {
  TimePoint arrival;
  PacketNumber number;
  std::size_t size;
};

// 512 MiB through the link.
void BM_Pair(benchmark::State& state) {
  const Duration rtt = std::chrono::microseconds(state.range(0));
  const auto loss_per_mille = static_cast<std::uint64_t>(state.range(1));
  // Payloads of packets under way, in a ring as large as any window here.
  constexpr std::size_t kSlots = 1 << 15;
  std::vector<std::array<std::byte, kMaxPayload>> slots(kSlots);
  std::vector<Bytes> back_bytes(4096, Bytes(kMaxPayload));
  std::uint64_t packets = 0;
  std::uint64_t acks = 0;
  for (auto _ : state) {
    TimePoint now{1s};
    MemorySource source;
    CountingSink sink;
    Connection sender(now, {.max_payload = kMaxPayload, .initial_rtt = rtt},
                      &source, nullptr);
    Connection receiver(now,
                        {.max_payload = kMaxPayload,
                         .receive_budget = std::uint64_t{1} << 40,
                         .initial_rtt = rtt},
                        nullptr, &sink);
    std::uint64_t numbers[2] = {0, 0};
    std::deque<Flying> forward, back;
    std::uint64_t random = 88172645463325252;
    sender.OfferBytes(StreamOffset(0), StreamOffset(std::uint64_t{512} << 20));
    while (!sender.AllBytesAcknowledged()) {
      bool moved = false;
      for (std::size_t i = 0; i < kTrain && forward.size() < kSlots; ++i) {
        const PacketNumber number(numbers[0]);
        auto& slot = slots[numbers[0] % kSlots];
        const auto packet = sender.PollTransmit(now, number, slot);
        if (!packet) break;
        moved = true;
        ++numbers[0];
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if (random % 1000 < loss_per_mille) continue;
        forward.push_back({now + rtt / 2, number, packet->size()});
      }
      while (forward.size() > 0 && forward.front().arrival <= now) {
        const Flying& flying = forward.front();
        receiver.HandlePacket(
            now, flying.number,
            ByteSpan(slots[flying.number.value() % kSlots]).first(flying.size));
        forward.pop_front();
      }
      receiver.ReleaseBytes(sink.unreleased);
      sink.unreleased = 0;
      for (;;) {
        const PacketNumber number(numbers[1]);
        Bytes& bytes = back_bytes[numbers[1] % back_bytes.size()];
        const auto packet = receiver.PollTransmit(now, number, bytes);
        if (!packet) break;
        ++numbers[1];
        ++acks;
        back.push_back({now + rtt / 2, number, packet->size()});
      }
      while (back.size() > 0 && back.front().arrival <= now) {
        const Flying& flying = back.front();
        sender.HandlePacket(
            now, flying.number,
            ByteSpan(back_bytes[flying.number.value() % back_bytes.size()])
                .first(flying.size));
        back.pop_front();
      }
      std::optional<TimePoint> next;
      const auto consider = [&](std::optional<TimePoint> time) {
        if (time && (!next || *time < *next)) next = time;
      };
      for (Connection* end : {&sender, &receiver}) {
        auto timeout = end->PollTimeout();
        if (timeout && *timeout <= now) {
          end->HandleTimeout(now);
          timeout = end->PollTimeout();
        }
        consider(timeout);
      }
      if (!forward.empty()) consider(forward.front().arrival);
      if (!back.empty()) consider(back.front().arrival);
      // A train of 44 packets lasts 5.2 us at 100 Gbit/s; else on to whatever
      // comes first.
      now += 5us;
      if (!moved && next && *next > now) now = *next;
    }
    packets += sender.stats().packets_sent;
  }
  state.counters["packets/s"] = benchmark::Counter(static_cast<double>(packets),
                                                   benchmark::Counter::kIsRate);
  state.counters["packets/ack"] =
      static_cast<double>(packets) / static_cast<double>(acks);
}
BENCHMARK(BM_Pair)
    ->ArgNames({"rtt_us", "loss_per_mille"})
    ->Args({100, 0})
    ->Args({1'000, 0})
    ->Args({10'000, 0})
    ->Args({1'000, 10})
    ->Args({1'000, 100})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace p2pcp

BENCHMARK_MAIN();
