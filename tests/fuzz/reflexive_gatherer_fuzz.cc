// Servers that are asked for our addresses and for how the NAT filters, some of
// which lie, and a network that loses, repeats and invents. Requests go to
// servers that were named and to nobody else, not to the other address that a
// server claims to have; what is believed the asked one has said; and no
// datagram makes it ask.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/connect/reflexive_gatherer.h"
#include "net/stun/binding_transaction.h"
#include "net/stun/message.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::connect {
namespace {

constexpr std::size_t kMaxOperations = 200;
constexpr std::size_t kMaxKept = 64;

class World {
 public:
  explicit World(fuzz::FuzzInput input) : input_(input) {}

  void Run() {
    for (std::size_t i = 0; i < kMaxOperations && !input_.empty(); ++i) {
      const std::uint8_t operation = input_.TakeU8();
      const std::uint8_t which = operation >> 3;
      switch (operation & 7) {
        case 0:
          now_ += input_.TakeU8() * 10ms;
          gatherer_.HandleTimeout(now_);
          break;
        case 1:
          AddServer(which);
          break;
        case 2:
        case 3:
          Answer(which);
          break;
        case 4:
          Hand(At(which), input_.TakeU8() & 1,
               input_.TakeBytes(input_.TakeU8()));
          break;
        case 5:
          if (which >= 24) gatherer_.Stop();
          break;
        case 6:
          if (which >= 16) gatherer_.Refresh(now_);
          break;
        case 7:
          if (!requests_.empty()) requests_.erase(requests_.begin());
          break;
      }
      Drain();
    }
    // Every server anew in its time, and no more often than that.
    gatherer_.HandleTimeout(now_);
    Drain();
    sent_ = 0;
    const TimePoint end = now_ + 3 * ReflexiveGatherer::kRefresh;
    while (const auto due = gatherer_.PollTimeout()) {
      if (*due > end) break;
      P2PCP_CHECK(*due > now_);
      now_ = *due;
      gatherer_.HandleTimeout(now_);
      Drain();
    }
    // Both questions about the filter, once.
    P2PCP_CHECK(sent_ <= stun::kMaxRequests * (4 * servers_.size() + 2));
  }

 private:
  struct Request {
    ReflexiveGatherer::Transmit transmit;
    Bytes bytes;
  };

  // Few hosts, few ports, both families: what collides is of interest.
  static SocketAddress At(std::uint8_t which) {
    const std::uint16_t port = (which & 4) != 0 ? 3478 : 3479;
    if ((which & 24) == 24) {
      std::array<std::byte, 16> ip{std::byte{0x20}, std::byte{1}};
      ip[15] = static_cast<std::byte>(which & 3);
      return {.ip = *IpAddress::FromBytes(ip), .port = port};
    }
    return fuzz::PublicAddress(which & 3, port);
  }

  void AddServer(std::uint8_t which) {
    const std::uint8_t socket = input_.TakeU8() & 1;
    gatherer_.AddServer(now_, At(which), socket);
    if (servers_.size() < ReflexiveGatherer::kMaxServers &&
        !IsServer(At(which), socket)) {
      servers_.emplace_back(At(which), socket);
    }
  }

  bool IsServer(const SocketAddress &address, std::uint8_t socket) const {
    return std::ranges::find(servers_, std::pair(address, socket)) !=
           servers_.end();
  }

  // To the request that was sent last, from where it went or from elsewhere.
  void Answer(std::uint8_t which) {
    if (requests_.empty()) return;
    const Request &request = requests_.back();
    const auto asked = stun::Parse(request.bytes);
    P2PCP_CHECK(asked.has_value());
    stun::Message answer;
    answer.message_class = (which & 7) == 7
                               ? stun::MessageClass::kErrorResponse
                               : stun::MessageClass::kSuccessResponse;
    answer.transaction_id = asked->transaction_id;
    if (answer.message_class == stun::MessageClass::kErrorResponse) {
      answer.error = stun::ErrorCode{.code = 420, .reason = ""};
    } else {
      answer.xor_mapped_address = At(input_.TakeU8() & 31);
      answer.xor_mapped_address->port = input_.TakeU16();
    }
    if ((which & 8) != 0) answer.other_address = At(input_.TakeU8() & 31);
    std::array<std::byte, 128> bytes;
    const std::size_t size = stun::Encode(answer, bytes);
    const SocketAddress from =
        (which & 16) != 0 ? At(input_.TakeU8() & 31) : request.transmit.to;
    Hand(from, request.transmit.socket, ByteSpan(bytes).first(size));
  }

  void Hand(const SocketAddress &from, std::uint8_t socket, ByteSpan bytes) {
    const auto before = gatherer_.mappings();
    const bool taken = gatherer_.HandleDatagram(now_, socket, from, bytes);
    const auto after = gatherer_.mappings();
    for (std::size_t i = 0; i < after.size(); ++i) {
      const bool old = std::ranges::any_of(before, [&](const auto &mapping) {
        return mapping.server == after[i].server &&
               mapping.socket == after[i].socket &&
               mapping.mapped == after[i].mapped;
      });
      P2PCP_CHECK(old || (taken && after[i].server == from &&
                          after[i].socket == socket));
    }
  }

  void Drain() {
    std::array<std::byte, stun::kMaxRequestSize> out;
    while (const auto transmit = gatherer_.PollTransmit(now_, out)) {
      P2PCP_CHECK(IsServer(transmit->to, transmit->socket));
      ++sent_;
      if (requests_.size() == kMaxKept) requests_.erase(requests_.begin());
      requests_.push_back(
          {*transmit, ToBytes(ByteSpan(out).first(transmit->size))});
    }
    while (const auto mapping = gatherer_.PollMapping()) {
      P2PCP_CHECK(IsServer(mapping->server, mapping->socket));
    }
    const auto due = gatherer_.PollTimeout();
    P2PCP_CHECK(!due || *due >= now_);
  }

  fuzz::FuzzInput input_;
  SeededRandom random_{1};
  ReflexiveGatherer gatherer_{random_};
  TimePoint now_{1s};
  std::vector<std::pair<SocketAddress, std::uint8_t>> servers_;
  std::vector<Request> requests_;
  std::size_t sent_ = 0;
};

}  // namespace
}  // namespace p2pcp::connect

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data,
                                      std::size_t size) {
  return p2pcp::fuzz::RunArena<p2pcp::connect::World>(data, size);
}
