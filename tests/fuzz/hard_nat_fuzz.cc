// What is done about a hard NAT, where the servers lie, the peer says anything
// of its NAT and of its addresses, and sockets are opened late or not at all.
// What is guessed at is a public address of the peer's own naming, never faster
// than a guess a millisecond, and no more of it than its bounds; it never asks
// for more sockets than a process has, and never spins.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/connect/hard_nat.h"
#include "net/ice/candidate.h"
#include "net/ice/guess_stage.h"
#include "net/ice/nat.h"
#include "net/signaling/message.h"
#include "net/stun/behaviour.h"
#include "net/stun/binding_responder.h"
#include "net/stun/binding_transaction.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::connect {
namespace {

constexpr std::size_t kMaxOperations = 200;
// What fits into a process's 1,024 descriptors beside the rest.
constexpr int kMaxSockets = 256;

using fuzz::PublicAddress;

class World {
 public:
  explicit World(fuzz::FuzzInput input)
      : input_(input), nat_((input_.TakeU8() & 3) != 0, random_) {}

  void Run() {
    for (std::size_t i = 0; i < kMaxOperations && !input_.empty(); ++i) {
      const std::uint8_t operation = input_.TakeU8();
      switch (operation & 7) {
        case 0:
          RunFor(input_.TakeU8() * 1ms);
          break;
        case 1:
          RunFor(input_.TakeU8() * 20ms);
          break;
        case 2:
          Observe(operation >> 3);
          break;
        case 3:
          SetPeer((operation & 8) != 0, (operation & 16) != 0);
          break;
        case 4:
          if (in_session_ && nat_.wanted().guessing && (operation & 8) != 0) {
            nat_.HandleHit(now_);
          }
          if (in_session_) nat_.HandleHeard(now_);
          break;
        case 5:
          nat_.EndSession();
          in_session_ = false;
          break;
        case 6:
          Answer(operation >> 3);
          break;
        case 7:
          Open(operation >> 3);
          break;
      }
      Drain();
    }
    // Whatever it was told, it comes to rest by itself, but for what it waits
    // for.
    for (int i = 0; i < 100; ++i) {
      Open(31);
      RunFor(1s);
    }
    P2PCP_CHECK(!nat_.PollTimeout());
  }

 private:
  void Observe(std::size_t count) {
    std::vector<stun::Observation> seen;
    for (std::size_t i = 0; i < count % 4; ++i) {
      seen.push_back(
          {PublicAddress(static_cast<std::uint8_t>(i), 3478),
           PublicAddress(200 + input_.TakeU8() % 4, input_.TakeU16())});
    }
    nat_.SetObservations(
        now_, seen,
        count >= 16 ? std::optional(input_.TakeU16()) : std::nullopt);
  }

  // As a message carries it.
  void SetPeer(bool ready, bool fresh) {
    Bytes bytes = ToBytes(input_.TakeBytes(input_.TakeU8() % 64));
    ByteReader reader(bytes);
    const ice::Nat peer = signaling::DecodeNat(reader);
    std::vector<ice::Candidate> candidates;
    for (int i = input_.TakeU8() % 4; i > 0; --i) {
      ice::Candidate candidate;
      candidate.type = (input_.TakeU8() & 1) != 0
                           ? ice::CandidateType::kServerReflexive
                           : ice::CandidateType::kHost;
      candidate.address = {.ip = peer.external.empty()
                                     ? PublicAddress(input_.TakeU8(), 1).ip
                                     : peer.external.front(),
                           .port = input_.TakeU16()};
      candidates.push_back(candidate);
    }
    nat_.SetPeer(now_, peer, ready, candidates, fresh);
    in_session_ = true;
    for (const IpAddress &ip : peer.external) named_.push_back(ip);
  }

  // What was wanted stands, or some of it.
  void Open(std::size_t most) {
    const ExtraSockets &wanted = nat_.wanted();
    if (wanted.generation == opened_) return;
    opened_ = wanted.generation;
    requests_.clear();
    P2PCP_CHECK(wanted.count >= 0 && wanted.count <= kMaxSockets);
    if (wanted.count == 0 && !wanted.guessing) return;
    const std::size_t count =
        most >= 31 ? static_cast<std::size_t>(wanted.count)
                   : most % (1 + static_cast<std::size_t>(wanted.count));
    std::vector<std::uint16_t> ports;
    for (std::size_t i = 0; i < count; ++i) ports.push_back(next_port_++);
    sockets_ = static_cast<int>(count);
    nat_.HandleOpened(now_, ports);
  }

  void RunFor(Duration time) {
    const TimePoint end = now_ + time;
    int still = 0;  // Turns without time moving: a timer that never ends.
    while (const auto due = nat_.PollTimeout()) {
      if (*due > end) break;
      still = *due > now_ ? 0 : still + 1;
      P2PCP_CHECK(still < 100);
      now_ = std::max(now_, *due);
      nat_.HandleTimeout(now_);
      Drain();
    }
    now_ = end;
    nat_.HandleTimeout(now_);
    Drain();
  }

  void Drain() {
    std::array<std::byte, stun::kMaxRequestSize> out;
    while (const auto transmit = nat_.PollTransmit(now_, out)) {
      const int socket = transmit->socket;
      if (transmit->size > 0) {
        P2PCP_CHECK(socket >= 0 && socket < sockets_);
        requests_.push_back(
            {*transmit, ToBytes(ByteSpan(out).first(transmit->size))});
        continue;
      }
      P2PCP_CHECK(in_session_);
      P2PCP_CHECK(socket < sockets_ && socket >= HardNat::kFreshSocket);
      const IpAddress &ip = transmit->to.ip;
      P2PCP_CHECK(std::ranges::find(named_, ip) != named_.end());
      P2PCP_CHECK(ice::IsProbeable(transmit->to, false));
      P2PCP_CHECK(ip.is_v4() && !ip.IsPrivate() && !ip.IsLoopback());
      ++sent_;
    }
    // The bounds of a stage, and what a second forgets; a late timer sends five
    // at once, at most.
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(now_ - begin_);
    P2PCP_CHECK(sent_ <= ice::kMaxProbes + seconds.count());
    P2PCP_CHECK(nat_.probes() == sent_);
    if (nat_.TakeFresh()) ++fresh_;
  }

  // A server answers, or somebody who is none.
  void Answer(std::uint8_t how) {
    if (requests_.empty()) return;
    const auto [transmit, request] = requests_.back();
    requests_.pop_back();
    std::array<std::byte, stun::BindingResponder::kMaxResponseSize> answer;
    const std::size_t size = responder_.HandleDatagram(
        PublicAddress(200 + how % 4, input_.TakeU16()), request, answer);
    const bool stranger = how >= 28;
    const bool taken = nat_.HandleStun(
        now_, transmit.socket, stranger ? PublicAddress(9, 3478) : transmit.to,
        ByteSpan(answer).first(size));
    P2PCP_CHECK(!(taken && stranger));
  }

  fuzz::FuzzInput input_;
  SeededRandom random_{1};
  HardNat nat_;
  stun::BindingResponder responder_;
  const TimePoint begin_{1s};
  TimePoint now_ = begin_;
  std::uint32_t opened_ = 0;
  int sockets_ = 0;
  std::uint16_t next_port_ = 40'000;
  bool in_session_ = false;
  std::vector<IpAddress> named_;
  std::vector<std::pair<HardNat::Transmit, Bytes>> requests_;
  int sent_ = 0;
  int fresh_ = 0;
};

}  // namespace
}  // namespace p2pcp::connect

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data,
                                      std::size_t size) {
  return p2pcp::fuzz::RunArena<p2pcp::connect::World>(data, size);
}
