// A channel that is sent anything: garbage from strangers, and authentic
// packets with any content from any address by a peer that holds the keys.
// What it hands up was sealed by the peer; what it sends goes where it may, and
// to an address that has proven nothing no more than what came.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/check.h"
#include "net/base/packet_number.h"
#include "net/base/random.h"
#include "net/base/socket_address.h"
#include "net/base/time.h"
#include "net/channel/channel.h"
#include "net/channel/packet_header.h"
#include "net/channel/packet_protection.h"
#include "net/crypto/handshake.h"
#include "net/crypto/packet_cipher.h"
#include "net/ice/candidate.h"
#include "net/ice/probe.h"
#include "tests/fuzz/fuzz_input.h"

namespace p2pcp::channel {
namespace {

constexpr std::size_t kMaxOperations = 300;
// RFC 9000 section 8.1 allows 3.
constexpr std::uint64_t kAmplification = 1;

crypto::SessionKeys Keys(bool victim) {
  crypto::SessionKeys keys;
  keys.send.bytes.fill(victim ? std::byte{1} : std::byte{2});
  keys.receive.bytes.fill(victim ? std::byte{2} : std::byte{1});
  return keys;
}

// Some that may be probed, some that never may.
SocketAddress AddressOf(std::uint8_t index) {
  static constexpr const char* kAddresses[] = {
      "192.0.2.1:4000",      "192.0.2.1:4001", "203.0.113.9:50000",
      "198.51.100.7:1024",   "10.0.0.9:7000",  "[2001:db8::9]:4000",
      "255.255.255.255:999", "224.0.0.1:5000", "127.0.0.1:4000",
      "192.0.2.77:53",       "0.0.0.0:4000",   "203.0.113.9:443",
  };
  return *SocketAddress::Parse(kAddresses[index % std::size(kAddresses)]);
}

ice::Candidate Host(const SocketAddress& address) {
  return {.type = ice::CandidateType::kHost,
          .address = address,
          .base = address,
          .priority = ice::ComputePriority(ice::CandidateType::kHost, 65535),
          .socket = static_cast<std::uint8_t>(address.ip.is_v6() ? 1 : 0)};
}

class Arena {
 public:
  Arena()
      : peer_(ice::Role::kControlling, Keys(false),
              crypto::Suite::kChaCha20Poly1305),
        victim_(now_, {.role = ice::Role::kControlled, .keys = Keys(true)},
                random_) {
    const ice::Candidate local[] = {
        Host(*SocketAddress::Parse("192.0.2.2:4000")),
        Host(*SocketAddress::Parse("[2001:db8::2]:4000"))};
    victim_.AddLocalCandidates(now_, local);
    AddRemote(0);
    Drain();
  }

  void Drive(fuzz::FuzzInput input) {
    for (std::size_t i = 0; i < kMaxOperations && !input.empty(); ++i) {
      const std::uint8_t operation = input.TakeU8();
      const SocketAddress from = AddressOf(operation >> 3 & 15);
      switch (operation & 7) {
        case 0:  // A stranger's.
          Hand(from, ToBytes(input.TakeBytes(input.TakeU8())), std::nullopt);
          break;
        case 1: {
          const ByteSpan plaintext = input.TakeBytes(input.TakeU8());
          Hand(from, Seal(PacketType::kPayload, plaintext), plaintext);
          break;
        }
        case 2:
          Hand(from, Seal(PacketType::kProbe, input.TakeBytes(input.TakeU8())),
               std::nullopt);
          break;
        case 3:  // An honest answer.
          Answer(from, input.TakeU8());
          break;
        case 4:
          PassTime(input.TakeU16() * 1ms);
          break;
        case 5: {  // Sealed, then changed on the way.
          Bytes datagram = Seal(PacketType::kPayload, AsBytes("payload"));
          datagram[input.TakeU8() % datagram.size()] ^=
              static_cast<std::byte>(1 + input.TakeU8() % 255);
          Hand(from, std::move(datagram), std::nullopt);
          break;
        }
        case 6:  // An old one again, perhaps from elsewhere.
          if (!history_.empty()) {
            const Sealed old = history_[input.TakeU8() % history_.size()];
            // Taken once only, but perhaps now: it may not have come before.
            Hand(from, old.datagram,
                 old.type == PacketType::kPayload
                     ? std::optional<ByteSpan>(old.plaintext)
                     : std::nullopt);
          }
          break;
        case 7:
          AddRemote(operation >> 3 & 15);
          if (operation >> 7 != 0) DoubtMtu(input);
          break;
      }
      Drain();
    }
  }

 private:
  struct Sealed {
    Bytes datagram;
    PacketType type;
    Bytes plaintext;
  };

  // What the host and the transfer say of the size of datagrams.
  void DoubtMtu(fuzz::FuzzInput& input) {
    victim_.SetLinkMtu(now_, input.TakeU16());
    victim_.HandleTooBig(now_, input.TakeU16());
    victim_.SuspectMaxPayload(now_);
    P2PCP_CHECK(victim_.max_payload() >= Channel::kMinMaxPayload);
    P2PCP_CHECK(victim_.max_payload() <=
                Channel::kMaxDatagramSize - Channel::kOverhead);
  }

  void AddRemote(std::uint8_t index) {
    ice::Candidate candidate = Host(AddressOf(index));
    candidate.base = {};
    candidate.socket = 0;
    candidates_.insert(candidate.address);
    victim_.AddRemoteCandidates(now_, std::span(&candidate, 1));
  }

  Bytes Seal(PacketType type, ByteSpan plaintext) {
    Bytes datagram(plaintext.size() + PacketProtection::kOverhead);
    datagram.resize(peer_.Seal(type, plaintext, {}, datagram));
    history_.push_back({datagram, type, ToBytes(plaintext)});
    return datagram;
  }

  // expected: the payload that must come out, if anything does.
  void Hand(const SocketAddress& from, Bytes datagram,
            std::optional<ByteSpan> expected) {
    received_[from] += datagram.size();
    heard_.insert(from);
    const std::uint8_t socket = from.ip.is_v6() ? 1 : 0;
    const auto payload = victim_.HandleDatagram(now_, socket, from, datagram);
    if (!payload) return;
    P2PCP_CHECK(expected.has_value());
    P2PCP_CHECK(AsText(payload->bytes) == AsText(*expected));
    P2PCP_CHECK(payloads_.insert(payload->number).second);
  }

  // Echoes what the victim asked last at this address.
  void Answer(const SocketAddress& from, std::uint8_t flags) {
    const auto challenge = challenges_.find(from);
    if (challenge == challenges_.end()) return;
    std::array<std::byte, ice::Probe::kSize> plaintext;
    ice::WriteProbe({.challenge = next_challenge_++,
                     .echo = challenge->second,
                     .selected = (flags & 1) != 0},
                    plaintext);
    proven_.insert(from);
    Hand(from, Seal(PacketType::kProbe, plaintext), std::nullopt);
  }

  void PassTime(Duration time) {
    const TimePoint until = now_ + time;
    for (int step = 0;; ++step) {
      P2PCP_CHECK(step < 100'000);
      const TimePoint next = std::min(
          until, std::max(now_, victim_.PollTimeout().value_or(until)));
      now_ = next;
      victim_.HandleTimeout(now_);
      Drain();
      if (next == until) return;
    }
  }

  void Drain() {
    std::array<std::byte, Channel::kMaxDatagramSize> out;
    for (int packets = 0;; ++packets) {
      P2PCP_CHECK(packets < 1000);
      const auto transmit = victim_.PollTransmit(now_, out);
      if (!transmit) break;
      CheckSent(transmit->to, transmit->size);
      Read(transmit->to, MutableByteSpan(out).first(transmit->size));
    }
    while (const auto event = victim_.PollEvent()) {
      const bool final =
          event->type == EventType::kLost || event->type == EventType::kFailed;
      P2PCP_CHECK(!over_);
      over_ = final;
    }
    if (victim_.connected()) {
      // The path is one that was proven in both directions.
      const Path path = victim_.path();
      P2PCP_CHECK(proven_.contains(path.remote));
      const std::size_t size =
          victim_.SealPayload(now_, AsBytes("from the victim"), {}, out);
      CheckSent(path.remote, size);
    }
  }

  void CheckSent(const SocketAddress& to, std::size_t size) {
    // Loopback only where something came from: then the peer is on this host.
    P2PCP_CHECK(ice::IsProbeable(to, heard_.contains(to)));
    P2PCP_CHECK(candidates_.contains(to) || heard_.contains(to));
    if (proven_.contains(to) || candidates_.contains(to)) return;
    sent_[to] += size;
    P2PCP_CHECK(sent_[to] <= kAmplification * received_[to]);
  }

  // The peer opens what came, to learn the challenge.
  void Read(const SocketAddress& to, MutableByteSpan datagram) {
    const auto packet = peer_.Open(datagram);
    P2PCP_CHECK(packet.has_value());
    if (packet->type != PacketType::kProbe) return;
    const auto probe = ice::ReadProbe(packet->plaintext);
    P2PCP_CHECK(probe.has_value());
    if (probe->challenge != 0) challenges_[to] = probe->challenge;
  }

  TimePoint now_{1s};
  SeededRandom random_{1};
  PacketProtection peer_;
  Channel victim_;
  bool over_ = false;
  std::vector<Sealed> history_;
  std::set<PacketNumber> payloads_;
  std::set<SocketAddress> candidates_;
  std::set<SocketAddress> heard_;
  std::set<SocketAddress> proven_;
  std::map<SocketAddress, std::uint64_t> received_;
  std::map<SocketAddress, std::uint64_t> sent_;
  std::map<SocketAddress, std::uint64_t> challenges_;
  std::uint64_t next_challenge_ = 1;
};

}  // namespace
}  // namespace p2pcp::channel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  p2pcp::channel::Arena arena;
  arena.Drive(p2pcp::fuzz::FuzzInput(p2pcp::fuzz::InputBytes(data, size)));
  return 0;
}
