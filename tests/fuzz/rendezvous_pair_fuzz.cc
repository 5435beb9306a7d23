// Two peers that hold the right keys, and a broker that the input drives: which
// message arrives when, twice, late, damaged or never, who starts again, and
// how much time passes. When the input is used up the broker is honest: then
// they meet, with the same keys on both sides.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/crypto/handshake.h"
#include "net/crypto/identity.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"
#include "net/signaling/rendezvous.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::signaling {
namespace {

constexpr std::size_t kMaxOperations = 300;
constexpr std::size_t kMaxQueue = 1000;
constexpr Duration kOneWay = 50ms;
// The driver gives up looking for a path after this long.
constexpr Duration kNoPathAfter = 13s;
constexpr UnixTime kNoon{std::chrono::seconds(1772625600)};

const crypto::Identity& IdentityOf(int side) {
  static const std::vector<crypto::Identity> identities = [] {
    SeededRandom random(1);
    std::vector<crypto::Identity> made;
    made.push_back(crypto::Identity::Generate(random));
    made.push_back(crypto::Identity::Generate(random));
    return made;
  }();
  return identities[static_cast<std::size_t>(side)];
}

struct Message {
  std::string topic;
  Bytes payload;
};

class Meeting {
 public:
  Meeting() {
    for (int side = 0; side < 2; ++side) Start(side);
  }

  void Drive(fuzz::FuzzInput input) {
    for (std::size_t i = 0; i < kMaxOperations && !input.empty(); ++i) {
      const std::uint8_t operation = input.TakeU8();
      const int side = operation & 1;
      std::deque<Message>& queue = sides_[side].incoming;
      switch (operation >> 1 & 7) {
        case 0:
        case 1:
          Deliver(side, 0, true);
          break;
        case 2:  // Out of order.
          Deliver(side, input.TakeU8(), true);
          break;
        case 3:  // A copy.
          Deliver(side, input.TakeU8(), false);
          break;
        case 4:  // Lost.
          if (!queue.empty()) queue.pop_front();
          break;
        case 5:
          PassTime(input.TakeU8() * 100ms);
          break;
        case 6:
          if ((operation & 16) != 0) {
            Start(side);
          } else if (!queue.empty()) {  // Damaged.
            Bytes& payload = queue.front().payload;
            payload[input.TakeU16() % payload.size()] ^= std::byte{0x40};
          }
          break;
        case 7:
          if ((operation & 16) != 0) {
            sides_[side].established.reset();
            sides_[side].rendezvous->SetBusy(now_, false);
          } else {
            SetCandidates(side, input.TakeU8());
          }
          break;
      }
      Drain();
    }
  }

  void Finish() {
    for (int round = 0; round < 4000 && !Agreed(); ++round) {
      for (int side = 0; side < 2; ++side) {
        const std::size_t count = sides_[side].incoming.size();
        for (std::size_t i = 0; i < count; ++i) Deliver(side, 0, true);
        Side& self = sides_[side];
        if (self.established && now_ >= self.established_at + kNoPathAfter) {
          self.established.reset();
          self.rendezvous->SetBusy(now_, false);
        }
      }
      PassTime(kOneWay);
      Drain();
    }
    P2PCP_CHECK(Agreed());
    const crypto::SessionKeys& a = sides_[0].established->keys;
    const crypto::SessionKeys& b = sides_[1].established->keys;
    P2PCP_CHECK(a.send == b.receive && a.receive == b.send);
    P2PCP_CHECK(sides_[0].established->suite == sides_[1].established->suite);
  }

 private:
  struct Side {
    std::unique_ptr<SeededRandom> random;
    std::unique_ptr<Rendezvous> rendezvous;
    std::deque<Message> incoming;
    std::optional<Rendezvous::Established> established;
    TimePoint established_at;
  };

  UnixTime Wall() const {
    return kNoon +
           std::chrono::floor<std::chrono::seconds>(now_.time_since_epoch());
  }

  // A new process, which replaces the one that was there.
  void Start(int side) {
    Side& self = sides_[side];
    self.established.reset();
    self.random = std::make_unique<SeededRandom>(next_seed_++);
    self.rendezvous = std::make_unique<Rendezvous>(
        now_, Wall(),
        Rendezvous::Config{.role = side == 0 ? Role::kOfferer : Role::kAnswerer,
                           .self = &IdentityOf(side),
                           .peer = IdentityOf(1 - side).public_key(),
                           .psk = std::nullopt,
                           .suites = {crypto::Suite::kAes256Gcm,
                                      crypto::Suite::kChaCha20Poly1305},
                           .versions = {}},
        *self.random);
    SetCandidates(side, 1);
    self.rendezvous->HandleSubscribed(now_, Wall());
    Drain();
  }

  void SetCandidates(int side, std::uint8_t count) {
    std::vector<ice::Candidate> candidates;
    for (std::uint8_t i = 0; i < count % 20 + 1; ++i) {
      ice::Candidate candidate;
      candidate.address = {.ip = IpAddress::V4({192, 0, 2, i}), .port = 4000};
      candidate.base = candidate.address;
      candidate.priority = i;
      candidates.push_back(candidate);
    }
    sides_[side].rendezvous->SetLocalCandidates(now_, std::move(candidates));
  }

  void Deliver(int side, std::size_t index, bool take) {
    std::deque<Message>& queue = sides_[side].incoming;
    if (queue.empty()) return;
    index %= queue.size();
    const auto at = queue.begin() + static_cast<std::ptrdiff_t>(index);
    const Message message = *at;
    if (take) queue.erase(at);
    sides_[side].rendezvous->HandleMessage(now_, Wall(), message.topic,
                                           message.payload);
    Drain();
  }

  void PassTime(Duration time) {
    const TimePoint until = now_ + time;
    for (int step = 0;; ++step) {
      P2PCP_CHECK(step < 10'000);
      TimePoint next = until;
      for (const Side& side : sides_) {
        const auto deadline = side.rendezvous->PollTimeout();
        if (deadline) next = std::min(next, std::max(*deadline, now_));
      }
      now_ = next;
      for (Side& side : sides_) {
        const auto deadline = side.rendezvous->PollTimeout();
        if (deadline && *deadline <= now_) {
          side.rendezvous->HandleTimeout(now_, Wall());
        }
      }
      Drain();
      if (next == until) return;
    }
  }

  void Drain() {
    for (int i = 0; i < 2; ++i) {
      Side& self = sides_[i];
      if (!self.rendezvous) continue;
      int published = 0;
      while (auto publish = self.rendezvous->PollPublish()) {
        P2PCP_CHECK(++published < 100);
        P2PCP_CHECK(publish->payload.size() == Rendezvous::kMessageSize);
        std::deque<Message>& queue = sides_[1 - i].incoming;
        if (queue.size() < kMaxQueue) {
          queue.push_back(
              {std::move(publish->topic), std::move(publish->payload)});
        }
      }
      while (auto event = self.rendezvous->PollEvent()) {
        // Nobody here has the wrong key, declines, or speaks another version.
        P2PCP_CHECK(!std::holds_alternative<Rendezvous::Failed>(*event));
        if (auto* established = std::get_if<Rendezvous::Established>(&*event)) {
          P2PCP_CHECK(!established->candidates.empty());
          P2PCP_CHECK(established->candidates.size() <= ice::kMaxCandidates);
          self.established = std::move(*established);
          self.established_at = now_;
        } else if (std::holds_alternative<Rendezvous::Superseded>(*event) ||
                   std::holds_alternative<Rendezvous::PeerLeft>(*event)) {
          self.established.reset();
        }
      }
    }
  }

  // Both hold the keys of the same session.
  bool Agreed() const {
    return sides_[0].established && sides_[1].established &&
           sides_[0].established->keys.handshake_hash ==
               sides_[1].established->keys.handshake_hash;
  }

  TimePoint now_{1s};
  std::uint64_t next_seed_ = 1;
  Side sides_[2];
};

}  // namespace
}  // namespace p2pcp::signaling

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  p2pcp::signaling::Meeting meeting;
  meeting.Drive(p2pcp::fuzz::FuzzInput(p2pcp::fuzz::InputBytes(data, size)));
  meeting.Finish();
  return 0;
}
