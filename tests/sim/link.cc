#include "tests/sim/link.h"

#include <algorithm>
#include <utility>

namespace p2pcp::sim {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

}  // namespace

void Link::Receive(PacketPtr packet) {
  ++stats_.received;
  const std::size_t size = packet->WireSize();
  if (size > options_.mtu) {
    ++stats_.mtu_drops;
    return;
  }
  if (!up_ || Lose()) {
    ++stats_.lost;
    return;
  }
  TimePoint at = simulator_.now();
  if (options_.rate > 0) {
    const Duration waiting = QueueingDelay();
    // Room for this packet is there once no more than the rest waits.
    if (size > options_.queue_bytes ||
        waiting > TimeToSend(options_.queue_bytes - size)) {
      ++stats_.queue_drops;
      return;
    }
    at += waiting + TimeToSend(size);
    idle_at_ = at;
  }
  at += options_.delay;
  if (options_.jitter > Duration::zero()) {
    at += Duration(static_cast<std::int64_t>(simulator_.random().Below(
        static_cast<std::uint64_t>(options_.jitter.count()) + 1)));
  }
  if (Chance(options_.flip)) {
    ++stats_.corrupted;
    if (!packet->bytes.empty()) {
      const std::uint64_t bit =
          simulator_.random().Below(packet->bytes.size() * 8);
      packet->bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    }
  }
  if (Chance(options_.truncate)) {
    ++stats_.corrupted;
    if (!packet->bytes.empty()) {
      packet->bytes.resize(simulator_.random().Below(packet->bytes.size()));
    }
  }
  if (Chance(options_.reorder)) {
    ++stats_.reordered;
    at += options_.reorder_delay;
  } else {
    in_order_at_ = at = std::max(at, in_order_at_);
  }
  if (Chance(options_.duplicate)) {
    ++stats_.duplicated;
    Send(at + options_.duplicate_delay, simulator_.packets().Copy(*packet));
  }
  Send(at, std::move(packet));
}

Duration Link::QueueingDelay() const {
  return std::max(Duration::zero(), idle_at_ - simulator_.now());
}

Duration Link::TimeToSend(std::size_t bytes) const {
  return Duration(
      static_cast<std::int64_t>(bytes * kNanosecondsPerSecond / options_.rate));
}

bool Link::Chance(double probability) {
  return probability > 0 && simulator_.random().NextDouble() < probability;
}

bool Link::Lose() {
  if (options_.bursts.enter > 0) {
    bad_ =
        bad_ ? !Chance(options_.bursts.leave) : Chance(options_.bursts.enter);
    if (bad_ && Chance(options_.bursts.loss)) return true;
  }
  return Chance(options_.loss);
}

void Link::Send(TimePoint at, PacketPtr packet) {
  ++stats_.delivered;
  stats_.bytes += packet->WireSize();
  simulator_.Deliver(at, to_, std::move(packet));
}

}  // namespace p2pcp::sim
