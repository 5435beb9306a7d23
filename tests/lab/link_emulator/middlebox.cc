#include "tests/lab/link_emulator/middlebox.h"

#include <algorithm>
#include <utility>

namespace p2pcp::lab {
namespace {

// Nobody stands there: the range for benchmarks (RFC 2544), the one for
// documentation (RFC 3849).
constexpr std::uint8_t kStrangerNet4[] = {198, 18};
constexpr std::uint8_t kStrangerNet6[] = {0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff};
// Invented datagrams a wake-up at most, so that a late wake-up makes no burst
// that stops everything else.
constexpr int kMaxInventedAtOnce = 64;
constexpr std::size_t kMaxInventedPayload = 1200;
// Of an invented datagram's first bytes, those that may be taken from a real
// one, so that it passes for one until its tag is checked: p2pcp's header.
constexpr std::size_t kBorrowedHeader = 12;

}  // namespace

bool Middlebox::Chance(double probability) {
  if (probability <= 0) return false;
  return probability >= 1 || random_.NextDouble() < probability;
}

void Middlebox::Remember(ByteSpan packet) {
  if (memory_.size() < kMemory) {
    memory_.push_back(ToBytes(packet));
    return;
  }
  memory_[next_slot_].assign(packet.begin(), packet.end());
  next_slot_ = (next_slot_ + 1) % kMemory;
}

void Middlebox::Handle(const Options& options, PacketPtr packet,
                       Outcome& outcome) {
  const bool active = options.flip > 0 || options.truncate > 0 ||
                      options.replay > 0 || options.reflect > 0 ||
                      options.strangers > 0 || options.forged > 0;
  std::optional<UdpLayout> layout;
  if (active) layout = FindUdp(packet->bytes());
  if (!layout) {
    outcome.forward.push_back(std::move(packet));
    return;
  }
  ++stats_.datagrams;
  Remember(packet->bytes());
  const std::size_t payload = packet->size - layout->payload();
  if (payload > 0 && Chance(options.flip)) {
    ++stats_.flipped;
    const std::uint64_t bits = 1 + random_.Below(8);
    for (std::uint64_t i = 0; i < bits; ++i) {
      packet->bytes()[layout->payload() + random_.Below(payload)] ^=
          std::byte{1} << static_cast<int>(random_.Below(8));
    }
    FinishUdp(*layout, packet->bytes());
  }
  if (payload > 0 && Chance(options.truncate)) {
    ++stats_.truncated;
    packet->size -= 1 + random_.Below(payload);
    FinishUdp(*layout, packet->bytes());
  }
  if (Chance(options.reflect)) {
    ++stats_.reflected;
    PacketPtr copy = pool_.Copy(packet->bytes());
    SwapEndpoints(*layout, copy->bytes());
    FinishUdp(*layout, copy->bytes());
    outcome.back.push_back(std::move(copy));
  }
  outcome.forward.push_back(std::move(packet));
  if (Chance(options.replay)) {
    ++stats_.replayed;
    outcome.forward.push_back(
        pool_.Copy(memory_[random_.Below(memory_.size())]));
  }
}

std::optional<TimePoint> Middlebox::PollTimeout(const Options& options) const {
  if (memory_.empty() || options.strangers + options.forged <= 0) {
    return std::nullopt;
  }
  return invent_at_;
}

void Middlebox::HandleTimeout(TimePoint now, const Options& options,
                              Outcome& outcome) {
  const double rate = options.strangers + options.forged;
  if (memory_.empty() || rate <= 0) return;
  const Duration interval(static_cast<std::int64_t>(1e9 / rate));
  for (int i = 0; invent_at_ <= now && i < kMaxInventedAtOnce; ++i) {
    const bool forged = random_.NextDouble() * rate < options.forged;
    outcome.forward.push_back(Invent(forged));
    ++stats_.invented;
    invent_at_ += interval;
  }
  // Time that was slept through is not made up for.
  invent_at_ = std::max(invent_at_, now);
}

PacketPtr Middlebox::Invent(bool forged) {
  const Bytes& model = memory_[random_.Below(memory_.size())];
  // What is in the memory has been recognised before.
  const UdpLayout layout = *FindUdp(model);
  PacketPtr packet = pool_.Get();
  const std::size_t room =
      std::min(pool_.capacity() - layout.payload(), kMaxInventedPayload);
  packet->size = layout.payload() + random_.Below(room + 1);
  random_.Fill(packet->bytes());
  CopyBytes(ByteSpan(model).first(layout.payload()), packet->bytes());
  // Half of them begin as the real one does.
  if (Chance(0.5)) {
    const std::size_t borrowed =
        std::min({kBorrowedHeader, model.size() - layout.payload(),
                  packet->size - layout.payload()});
    CopyBytes(ByteSpan(model).subspan(layout.payload(), borrowed),
              packet->bytes().subspan(layout.payload()));
  }
  if (!forged) {
    MutableByteSpan source = layout.v6 ? packet->bytes().subspan(8, 16)
                                       : packet->bytes().subspan(12, 4);
    random_.Fill(source);
    if (layout.v6) {
      CopyBytes(std::as_bytes(std::span(kStrangerNet6)), source);
    } else {
      CopyBytes(std::as_bytes(std::span(kStrangerNet4)), source);
    }
    random_.Fill(packet->bytes().subspan(layout.udp, 2));
  }
  FinishUdp(layout, packet->bytes());
  return packet;
}

}  // namespace p2pcp::lab
