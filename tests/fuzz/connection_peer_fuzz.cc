// A connection whose peer holds the key and means ill: any payload, any packet
// number, at any time. It may be refused, but nothing may break, nothing may
// grow without bound, and nothing may be sent that the peer did not allow.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/packet_number.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"

namespace p2pcp {
namespace {

constexpr std::uint64_t kSize = 1 << 20;
constexpr std::uint64_t kBudget = 64 << 10;
constexpr std::size_t kMaxOperations = 500;
// Packets that may be sent in answer to one input: a window and some.
constexpr int kMaxPackets = 5000;

class Zeros final : public ByteSource {
 public:
  ByteSpan Read(StreamOffset offset, std::size_t max_size) override {
    P2PCP_CHECK(offset.value() < kSize && max_size > 0);
    return ByteSpan(bytes_).first(std::min<std::uint64_t>(
        {max_size, bytes_.size(), kSize - offset.value()}));
  }

 private:
  Bytes bytes_ = Bytes(4096);
};

class Sink final : public ByteSink {
 public:
  bool Write(StreamOffset offset, ByteSpan bytes) override {
    // As the session's: offsets beyond the transfer are refused.
    if (offset.value() + bytes.size() > kSize) return false;
    held += bytes.size();
    P2PCP_CHECK(held <= kBudget);
    return true;
  }
  std::uint64_t held = 0;
};

// The numbers that the channel lets through: each once.
class ReplayFilter {
 public:
  bool Pass(std::uint64_t number) {
    if (std::find(seen_.begin(), seen_.end(), number) != seen_.end()) {
      return false;
    }
    seen_.push_back(number);
    return true;
  }

 private:
  std::vector<std::uint64_t> seen_;
};

void Run(fuzz::FuzzInput input, bool sender) {
  TimePoint now(1s);
  Zeros source;
  Sink sink;
  Connection::Config config;
  config.receive_budget = sender ? 0 : kBudget;
  Connection connection(now, config, sender ? &source : nullptr,
                        sender ? nullptr : &sink);
  if (sender) connection.OfferBytes(StreamOffset(0), StreamOffset(kSize));
  ReplayFilter filter;
  Bytes out(Connection::kMaxPayload);
  std::uint64_t number = 0;
  std::uint64_t sent = 0;

  for (std::size_t i = 0; i < kMaxOperations && !input.empty(); ++i) {
    const std::uint8_t operation = input.TakeU8();
    switch (operation & 3) {
      case 0:
      case 1: {
        number += operation >> 4;
        const std::uint64_t at = (operation & 4) != 0
                                     ? input.TakeU64() & PacketNumber::kMax
                                     : number;
        const ByteSpan payload = input.TakeBytes(
            (operation & 8) != 0 ? input.TakeU16() : input.TakeU8());
        // In a buffer of its own, so that reading beyond it is seen.
        const Bytes copy = ToBytes(payload);
        if (filter.Pass(at)) {
          connection.HandlePacket(now, PacketNumber(at), copy);
        }
        break;
      }
      case 2:
        now += input.TakeU16() * 100us;
        break;
      case 3:
        if (!sender) {
          connection.ReleaseBytes(sink.held);
          sink.held = 0;
        }
        if (connection.ControlRoom() > 100) {
          connection.SendControl(Bytes(operation));
        }
        break;
    }
    if (const auto deadline = connection.PollTimeout();
        deadline && *deadline <= now) {
      connection.HandleTimeout(now);
    }
    while (connection.PollControl()) {
    }
    int packets = 0;
    while (const auto packet =
               connection.PollTransmit(now, PacketNumber(sent), out)) {
      P2PCP_CHECK(packet->size() > 0 && packet->size() <= config.max_payload);
      P2PCP_CHECK(++packets < kMaxPackets);
      ++sent;
    }
    const ConnectionStats& stats = connection.stats();
    P2PCP_CHECK(stats.data_bytes_acknowledged <= kSize);
    P2PCP_CHECK(stats.bytes_in_flight <= stats.bytes_sent);
    if (connection.error()) {
      P2PCP_CHECK(connection.error()->code == ErrorCode::kMalformed);
      P2PCP_CHECK(connection.closed());
    }
  }
}

}  // namespace
}  // namespace p2pcp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  p2pcp::fuzz::FuzzInput input(p2pcp::fuzz::InputBytes(data, size));
  const bool sender = (input.TakeU8() & 1) != 0;
  p2pcp::Run(input, sender);
  return 0;
}
