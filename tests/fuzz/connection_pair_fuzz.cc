// Two connections with a network between them that the input drives: which
// packet arrives when, twice, late or never, and how much time passes. When
// the input is used up the network is good again: then everything must arrive.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/packet_number.h"
#include "net/base/time.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"

namespace p2pcp {
namespace {

constexpr std::uint64_t kSize = 20'000;
constexpr std::uint64_t kBudget = 6'000;
constexpr int kMessages = 5;
// Inputs beyond this only take longer.
constexpr std::size_t kMaxOperations = 1000;
constexpr Duration kOneWay = 10ms;

std::byte PatternByte(std::uint64_t offset) {
  return static_cast<std::byte>((offset * 0x9e3779b97f4a7c15) >> 56);
}

class Source final : public ByteSource {
 public:
  Source() : bytes_(kSize) {
    for (std::uint64_t i = 0; i < kSize; ++i) bytes_[i] = PatternByte(i);
  }
  ByteSpan Read(StreamOffset offset, std::size_t max_size) override {
    P2PCP_CHECK(offset.value() < kSize && max_size > 0);
    if (!present) return {};
    return ByteSpan(bytes_).subspan(
        offset.value(),
        std::min<std::uint64_t>(max_size, kSize - offset.value()));
  }
  bool present = true;

 private:
  Bytes bytes_;
};

class Sink final : public ByteSink {
 public:
  Sink() : have_(kSize) {}
  bool WriteRun(StreamOffset offset, BytePieces bytes) override {
    Bytes whole(bytes.size());
    bytes.Take(whole);
    return Write(offset, whole);
  }
  bool Write(StreamOffset offset, ByteSpan bytes) override {
    if (full) return false;
    P2PCP_CHECK(offset.value() + bytes.size() <= kSize);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const std::uint64_t at = offset.value() + i;
      P2PCP_CHECK(!have_[at] && bytes[i] == PatternByte(at));
      have_[at] = 1;
    }
    received += bytes.size();
    held += bytes.size();
    P2PCP_CHECK(held <= kBudget);
    return true;
  }
  bool full = false;
  std::uint64_t received = 0;
  std::uint64_t held = 0;  // Not released yet.

 private:
  std::vector<char> have_;
};

// Packets of one PollRun().
constexpr std::size_t kMaxRun = 8;

struct Packet {
  PacketNumber number;
  Bytes payload;
};

Connection::Config ConfigOf(bool receives) {
  Connection::Config config;
  config.max_payload = 1000;
  config.receive_budget = receives ? kBudget : 0;
  config.initial_rtt = 2 * kOneWay;
  return config;
}

class Pair {
 public:
  Pair() {
    sides_[0].connection.emplace(now_, ConfigOf(false), &source_, nullptr);
    sides_[1].connection.emplace(now_, ConfigOf(true), nullptr, &sink_);
    sides_[0].connection->OfferBytes(StreamOffset(0), StreamOffset(kSize));
    for (Side& side : sides_) {
      for (int i = 0; i < kMessages; ++i) {
        side.connection->SendControl(Message(i));
      }
    }
    Drain();
  }

  void Drive(fuzz::FuzzInput input) {
    for (std::size_t i = 0; i < kMaxOperations && !input.empty(); ++i) {
      const std::uint8_t operation = input.TakeU8();
      Side& to = sides_[operation & 1];
      switch (operation >> 1 & 7) {
        case 0:
          Deliver(to, 0, true);
          break;
        case 1:  // What has gathered, together.
          DeliverFirst(to, 1 + (operation >> 4));
          break;
        case 2:  // Out of order.
          Deliver(to, input.TakeU8(), true);
          break;
        case 3:  // A copy, and perhaps again; the channel stops true replays.
          Deliver(to, input.TakeU8(), false);
          break;
        case 4:  // Lost.
          if (!to.incoming.empty()) to.incoming.pop_front();
          break;
        case 5:
          PassTime(input.TakeU8() * 1ms);
          break;
        case 6:
          source_.present = (operation & 16) != 0;
          if (source_.present) sides_[0].connection->OnSourceReady();
          sink_.full = (operation & 32) != 0;
          break;
        case 7:
          Release();
          if ((operation & 16) != 0) {
            to.connection->HandlePathChange(
                now_, Connection::kMinPayload + input.TakeU8());
          }
          break;
      }
      Drain();
      Check();
    }
  }

  // A good network: 10 ms each way, nothing lost.
  void Finish() {
    source_.present = true;
    sides_[0].connection->OnSourceReady();
    sink_.full = false;
    Release();
    Drain();
    for (int round = 0; round < 20'000 && !Done(); ++round) {
      for (Side& side : sides_) {
        DeliverFirst(side, side.incoming.size());
      }
      Release();
      PassTime(kOneWay);
      Drain();
      Check();
    }
    P2PCP_CHECK(Done());
  }

 private:
  struct Side {
    std::optional<Connection> connection;
    std::deque<Packet> incoming;
    std::vector<bool> seen;  // Numbers: the channel's replay window.
    std::uint64_t next_number = 0;
    std::size_t full_size = 0;  // Of the last full packet that it sent.
    int heard = 0;
  };

  static Bytes Message(int i) {
    return Bytes(static_cast<std::size_t>(i) * 300, static_cast<std::byte>(i));
  }

  void Deliver(Side& to, std::size_t index, bool take) {
    if (to.incoming.empty()) return;
    index %= to.incoming.size();
    const auto at = to.incoming.begin() + static_cast<std::ptrdiff_t>(index);
    const Packet packet = *at;
    if (take) to.incoming.erase(at);
    const std::uint64_t number = packet.number.value();
    if (number >= to.seen.size()) to.seen.resize(number + 1);
    if (to.seen[number]) return;
    to.seen[number] = true;
    to.connection->HandlePacket(now_, packet.number, packet.payload);
  }

  void DeliverFirst(Side& to, std::size_t count) {
    std::vector<Packet> packets;
    std::vector<Connection::Received> received;
    for (; count > 0 && !to.incoming.empty(); --count) {
      packets.push_back(std::move(to.incoming.front()));
      to.incoming.pop_front();
    }
    for (const Packet& packet : packets) {
      const std::uint64_t number = packet.number.value();
      if (number >= to.seen.size()) to.seen.resize(number + 1);
      if (to.seen[number]) continue;
      to.seen[number] = true;
      received.push_back({packet.number, packet.payload});
    }
    to.connection->HandlePackets(now_, received);
  }

  void PassTime(Duration time) {
    const TimePoint until = now_ + time;
    for (;;) {
      TimePoint next = until;
      for (const Side& side : sides_) {
        const auto deadline = side.connection->PollTimeout();
        if (deadline) next = std::min(next, std::max(*deadline, now_));
      }
      // A connection that wants to be called for ever would not get past here.
      P2PCP_CHECK(++calls_ < 10'000'000);
      now_ = next;
      for (Side& side : sides_) {
        const auto deadline = side.connection->PollTimeout();
        if (deadline && *deadline <= now_) side.connection->HandleTimeout(now_);
      }
      Drain();
      if (next == until) return;
    }
  }

  void DrainRun(Side& from, Side& to) {
    const std::size_t size = from.full_size;
    if (size == 0) return;
    run_.resize(kMaxRun * size);
    const Connection::Run run = from.connection->PollRun(
        now_, PacketNumber(from.next_number), kMaxRun, size, size, run_);
    P2PCP_CHECK(run.count <= kMaxRun &&
                run.data.size() == run.count * run.data_size);
    for (std::size_t i = 0; i < run.count; ++i) {
      P2PCP_CHECK(run.frames_size + run.data_size == size);
      Bytes payload =
          ToBytes(ByteSpan(run_).subspan(i * size, run.frames_size));
      const ByteSpan data = run.data.subspan(i * run.data_size, run.data_size);
      payload.insert(payload.end(), data.begin(), data.end());
      to.incoming.push_back(
          {PacketNumber(from.next_number++), std::move(payload)});
    }
  }

  void Drain() {
    for (std::size_t i = 0; i < 2; ++i) {
      Side& from = sides_[i];
      Side& to = sides_[1 - i];
      while (auto message = from.connection->PollControl()) {
        P2PCP_CHECK(from.heard < kMessages);
        P2PCP_CHECK(*message == Message(from.heard));
        ++from.heard;
      }
      for (;;) {
        DrainRun(from, to);
        const auto packet = from.connection->PollTransmit(
            now_, PacketNumber(from.next_number), out_);
        if (!packet) break;
        P2PCP_CHECK(packet->size() > 0);
        if (packet->full) from.full_size = packet->size();
        Bytes payload = ToBytes(ByteSpan(out_).first(packet->frames_size));
        payload.insert(payload.end(), packet->data.begin(), packet->data.end());
        to.incoming.push_back(
            {PacketNumber(from.next_number), std::move(payload)});
        // Numbers skip, where the channel uses some for itself.
        from.next_number += 1 + from.next_number % 7 / 6;
      }
    }
  }

  void Release() {
    sides_[1].connection->ReleaseBytes(sink_.held);
    sink_.held = 0;
  }

  void Check() const {
    for (const Side& side : sides_) {
      P2PCP_CHECK(!side.connection->error());
      const ConnectionStats& stats = side.connection->stats();
      P2PCP_CHECK(stats.bytes_in_flight <= stats.bytes_sent);
      P2PCP_CHECK(stats.data_bytes_acknowledged <= kSize);
    }
    P2PCP_CHECK(sides_[0].connection->stats().data_bytes_acknowledged <=
                sink_.received);
  }

  bool Done() const {
    return sink_.received == kSize &&
           sides_[0].connection->AllBytesAcknowledged() &&
           sides_[0].heard == kMessages && sides_[1].heard == kMessages &&
           sides_[0].connection->ControlAcknowledged() &&
           sides_[1].connection->ControlAcknowledged();
  }

  TimePoint now_{1s};
  Source source_;
  Sink sink_;
  Side sides_[2];
  Bytes out_ = Bytes(Connection::kMaxPayload);
  Bytes run_;
  std::uint64_t calls_ = 0;
};

}  // namespace
}  // namespace p2pcp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  p2pcp::Pair pair;
  pair.Drive(p2pcp::fuzz::FuzzInput(p2pcp::fuzz::InputBytes(data, size)));
  pair.Finish();
  return 0;
}
