#include "tests/sim/attacker.h"

#include <algorithm>
#include <utility>

#include "net/base/random.h"

namespace p2pcp::sim {
namespace {

// The clear header of a packet (net/channel).
constexpr std::size_t kHeaderSize = 12;
// The attacker invents up to so many bytes.
constexpr std::uint64_t kMaxInvented = 1500;

}  // namespace

void Attacker::Attack(PacketPtr packet, bool outbound) {
  Random& random = simulator_.random();
  PacketPool& pool = simulator_.packets();
  if (Chance(options_.replay)) {
    for (int i = 0; i < options_.copies; ++i) {
      const Duration delay(static_cast<std::int64_t>(random.Below(
          static_cast<std::uint64_t>(options_.replay_delay.count()) + 1)));
      PacketSink& sink = outbound ? to_outside_ : to_inside_;
      simulator_.Deliver(simulator_.now() + delay, sink, pool.Copy(*packet));
      ++tampered_;
    }
  }
  if (Chance(options_.reflect)) {
    PacketPtr copy = pool.Copy(*packet);
    std::swap(copy->from, copy->to);
    Emit(std::move(copy), !outbound);
    ++tampered_;
  }
  if (Chance(options_.invent)) {
    PacketPtr copy = pool.Copy(*packet);
    // Half of them behind the true header, so that they reach the decryption.
    const std::size_t kept =
        random.Below(2) == 0 ? 0 : std::min(kHeaderSize, copy->bytes.size());
    copy->bytes.resize(kept + random.Below(kMaxInvented));
    random.Fill(MutableByteSpan(copy->bytes).subspan(kept));
    Emit(std::move(copy), outbound);
    ++tampered_;
  }
  if (!packet->bytes.empty() && Chance(options_.flip)) {
    const std::uint64_t bits = 1 + random.Below(8);
    for (std::uint64_t i = 0; i < bits; ++i) {
      const std::uint64_t bit = random.Below(packet->bytes.size() * 8);
      packet->bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    }
    ++tampered_;
  }
  if (!packet->bytes.empty() && Chance(options_.truncate)) {
    packet->bytes.resize(random.Below(packet->bytes.size()));
    ++tampered_;
  }
  Emit(std::move(packet), outbound);
}

void Attacker::Emit(PacketPtr packet, bool outbound) {
  if (outbound) {
    SendOutside(std::move(packet));
  } else {
    SendInside(std::move(packet));
  }
}

bool Attacker::Chance(double probability) {
  return probability > 0 && simulator_.random().NextDouble() < probability;
}

}  // namespace p2pcp::sim
