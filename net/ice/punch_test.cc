// Two agents, two NATs and a lossy network, all in memory on virtual time.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/base/random.h"
#include "net/ice/agent.h"
#include "net/ice/virtual_network.h"

namespace p2pcp::ice {
namespace {

constexpr TimePoint kStart{1s};
constexpr Duration kOneWay = 20ms;
constexpr std::size_t kProbeSize = 46;

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

// One end: an agent on one socket, with what STUN would have told it.
struct End {
  End(Role role, std::string_view local, Random& random)
      : local(At(local)),
        agent({.role = role, .probe_size = kProbeSize}, random) {}

  SocketAddress local;
  Agent agent;
  std::optional<TimePoint> selected;
  bool failed = false;
  int packets = 0;
};

class Punch {
 public:
  Punch(std::optional<NatKind> a, std::optional<NatKind> b,
        std::uint64_t seed = 1, bool same_lan = false)
      : random_(seed), network_(kOneWay) {
    Add(Role::kControlling, "10.1.0.2:5000", "203.0.113.10", a);
    if (same_lan) nats_.push_back(nats_[0]);
    Add(Role::kControlled, "10.1.0.3:6000", "192.0.2.10", b);
    for (int i = 0; i < 2; ++i) {
      network_.AddHost(
          ends_[i]->local.ip, nats_[i].get(),
          [this, i](TimePoint now, const VirtualDatagram& datagram) {
            Receive(now, *ends_[i], datagram);
          });
    }
  }

  // Exchanges candidates; side 1's arrive `lead` later than side 0's.
  void Start(Duration lead = 0ms) {
    ends_[1]->agent.AddRemoteCandidates(kStart, Candidates(0));
    later_ = {kStart + lead, Candidates(1)};
  }

  // False if that many steps did not bring the end.
  void RunUntil(TimePoint end) {
    for (int step = 0; step < 20'000; ++step) {
      TimePoint next = end;
      const auto consider = [&next](std::optional<TimePoint> time) {
        if (time) next = std::min(next, *time);
      };
      for (auto& e : ends_) consider(e->agent.PollTimeout());
      consider(network_.NextArrival());
      if (later_) consider(later_->first);
      now_ = std::max(now_, next);
      if (later_ && now_ >= later_->first) {
        ends_[0]->agent.AddRemoteCandidates(now_, later_->second);
        later_.reset();
      }
      network_.Deliver(now_);
      for (auto& e : ends_) {
        e->agent.HandleTimeout(now_);
        Flush(*e);
      }
      if (now_ >= end) return;
    }
    FAIL() << "does not come to rest";
  }

  End& a() { return *ends_[0]; }
  End& b() { return *ends_[1]; }
  VirtualNetwork& network() { return network_; }
  bool both() const { return ends_[0]->selected && ends_[1]->selected; }
  // Whether what each side has chosen leads to the other.
  bool Agree() {
    if (!both()) return false;
    for (int i = 0; i < 2; ++i) {
      int arrived = 0;
      pong_ = &arrived;
      network_.tap = nullptr;
      network_.Send(now_, {.from = ends_[i]->local,
                           .to = ends_[i]->agent.selected()->remote(),
                           .bytes = Bytes{std::byte{'!'}}});
      network_.Deliver(now_ + kOneWay);
      pong_ = nullptr;
      if (arrived != 1) return false;
    }
    return true;
  }

 private:
  void Add(Role role, std::string_view local, std::string_view nat,
           std::optional<NatKind> kind) {
    ends_.push_back(std::make_unique<End>(role, local, random_));
    nats_.push_back(
        kind ? std::make_unique<VirtualNat>(*kind, *IpAddress::Parse(nat))
             : nullptr);
    const std::size_t i = ends_.size() - 1;
    ends_[i]->agent.AddLocalCandidates(kStart, Candidates(i));
  }

  std::vector<Candidate> Candidates(std::size_t i) {
    const SocketAddress local = ends_[i]->local;
    std::vector<Candidate> candidates = {
        {.type = CandidateType::kHost,
         .address = local,
         .base = local,
         .priority = ComputePriority(CandidateType::kHost, 1),
         .socket = 0}};
    if (nats_[i]) {
      candidates.push_back(
          {.type = CandidateType::kServerReflexive,
           .address = nats_[i]->Outbound(local, At("198.51.100.1:3478")),
           .base = local,
           .priority = ComputePriority(CandidateType::kServerReflexive, 1),
           .socket = 0});
    }
    return candidates;
  }

  void Receive(TimePoint now, End& end, const VirtualDatagram& datagram) {
    if (pong_) {
      if (datagram.bytes.size() == 1) ++*pong_;
      return;
    }
    const auto probe = ReadProbe(datagram.bytes);
    ASSERT_TRUE(probe.has_value());
    end.agent.HandleProbe(now, 0, datagram.from, kProbeSize, *probe);
    Flush(end);
  }

  void Flush(End& end) {
    while (auto transmit = end.agent.PollTransmit(now_)) {
      Bytes bytes(Probe::kSize);
      WriteProbe(transmit->probe, bytes);
      network_.Send(
          now_,
          {.from = end.local, .to = transmit->to, .bytes = std::move(bytes)});
      ++end.packets;
    }
    while (auto event = end.agent.PollEvent()) {
      if (*event == Agent::Event::kFailed) end.failed = true;
      if (*event == Agent::Event::kSelected && !end.selected) {
        end.selected = now_;
      }
    }
    const auto next = end.agent.PollTimeout();
    EXPECT_TRUE(!next || *next > now_) << "would spin";
  }

  SeededRandom random_;
  VirtualNetwork network_;
  std::vector<std::shared_ptr<VirtualNat>> nats_;
  std::vector<std::unique_ptr<End>> ends_;
  std::optional<std::pair<TimePoint, std::vector<Candidate>>> later_;
  TimePoint now_ = kStart;
  int* pong_ = nullptr;
};

constexpr std::array kCones = {NatKind::kFullCone, NatKind::kAddressRestricted,
                               NatKind::kPortRestricted};

TEST(HolePunching, ConnectsAllConesWithinOneRoundTrip) {
  for (const NatKind a : kCones) {
    for (const NatKind b : kCones) {
      SCOPED_TRACE(std::to_string(static_cast<int>(a)) + " x " +
                   std::to_string(static_cast<int>(b)));
      Punch punch(a, b);
      punch.Start();
      punch.RunUntil(kStart + 3s);
      EXPECT_TRUE(punch.Agree());
      // One round trip, the spacing of two first checks, and for the controlled
      // side the packet that nominates.
      EXPECT_LE(*punch.a().selected, kStart + 2 * kOneWay + 3 * kTa);
      EXPECT_LE(*punch.b().selected, kStart + 3 * kOneWay + 3 * kTa);
    }
  }
}

// A's first packets find B's NAT shut; B's answer comes 100 ms later.
TEST(HolePunching, ConnectsConesWhicheverSideIsFirst) {
  for (const NatKind a : kCones) {
    for (const NatKind b : kCones) {
      Punch punch(a, b);
      punch.Start(/*lead=*/100ms);
      punch.RunUntil(kStart + 3s);
      EXPECT_TRUE(punch.Agree());
    }
  }
}

// The symmetric side's real port is learnt from its packets, by proof.
TEST(HolePunching, ConnectsASymmetricNatToOneThatFiltersByAddressAtMost) {
  for (const NatKind other :
       {NatKind::kFullCone, NatKind::kAddressRestricted}) {
    for (const bool swap : {false, true}) {
      Punch punch(swap ? other : NatKind::kSymmetric,
                  swap ? NatKind::kSymmetric : other);
      punch.Start();
      punch.RunUntil(kStart + 3s);
      EXPECT_TRUE(punch.Agree());
      const End& cone = swap ? punch.a() : punch.b();
      EXPECT_EQ(cone.agent.selected()->remote_type(),
                CandidateType::kPeerReflexive);
    }
  }
}

// No NAT here hairpins: only the host candidates lead anywhere.
TEST(HolePunching, ConnectsNeighboursBehindOneNatDirectly) {
  for (const NatKind kind : {NatKind::kPortRestricted, NatKind::kSymmetric}) {
    Punch punch(kind, kind, /*seed=*/1, /*same_lan=*/true);
    punch.Start();
    punch.RunUntil(kStart + 1s);
    EXPECT_TRUE(punch.Agree());
    EXPECT_EQ(punch.a().agent.selected()->remote(), punch.b().local);
    EXPECT_LE(*punch.a().selected, kStart + 2 * kOneWay + kTa);
  }
}

TEST(HolePunching, ConnectsHostsOnThePublicNetwork) {
  Punch open(std::nullopt, std::nullopt);
  open.Start();
  open.RunUntil(kStart + 1s);
  EXPECT_TRUE(open.Agree());
  Punch half(std::nullopt, NatKind::kSymmetric);
  half.Start();
  half.RunUntil(kStart + 1s);
  EXPECT_TRUE(half.Agree());
}

// Without guessing ports this pair has no way; it must end.
TEST(HolePunching, FailsInTimeBetweenSymmetricNats) {
  Punch punch(NatKind::kSymmetric, NatKind::kSymmetric);
  punch.Start();
  punch.RunUntil(kStart + 15s);
  EXPECT_TRUE(punch.a().failed);
  EXPECT_TRUE(punch.b().failed);
  EXPECT_FALSE(punch.a().selected.has_value());
  EXPECT_LE(punch.a().packets, 40);
}

// Whatever single packet is lost, nobody waits for ever.
TEST(HolePunching, SurvivesTheLossOfAnySinglePacket) {
  for (int lost = 0; lost < 40; ++lost) {
    SCOPED_TRACE(lost);
    Punch punch(NatKind::kPortRestricted, NatKind::kPortRestricted);
    int count = 0;
    punch.network().tap = [&](TimePoint, VirtualDatagram&) {
      return count++ == lost;
    };
    punch.Start();
    punch.RunUntil(kStart + 400ms);
    EXPECT_TRUE(punch.Agree());
  }
}

// Bursts: k packets from the i-th on, of one direction or of both.
TEST(HolePunching, SurvivesBurstsOfLoss) {
  for (int first = 0; first < 12; ++first) {
    for (const int length : {2, 4, 8}) {
      for (int direction = 0; direction < 3; ++direction) {
        SCOPED_TRACE(testing::Message()
                     << first << " " << length << " " << direction);
        Punch punch(NatKind::kPortRestricted, NatKind::kPortRestricted);
        int count = 0;
        punch.network().tap = [&](TimePoint, VirtualDatagram& datagram) {
          const bool from_a =
              datagram.from.ip == *IpAddress::Parse("203.0.113.10");
          if (direction != 2 && from_a != (direction == 0)) return false;
          const int index = count++;
          return index >= first && index < first + length;
        };
        punch.Start();
        punch.RunUntil(kStart + 9s);
        EXPECT_TRUE(punch.Agree());
      }
    }
  }
}

TEST(HolePunching, ConnectsAtThirtyPercentLoss) {
  std::vector<Duration> times;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE(seed);
    Punch punch(NatKind::kPortRestricted, NatKind::kPortRestricted, seed);
    SeededRandom loss(seed + 1000);
    punch.network().tap = [&](TimePoint, VirtualDatagram&) {
      return loss.Below(10) < 3;
    };
    punch.Start();
    punch.RunUntil(kStart + 12s);
    ASSERT_TRUE(punch.Agree());
    times.push_back(std::max(*punch.a().selected, *punch.b().selected) -
                    kStart);
  }
  std::ranges::sort(times);
  EXPECT_LE(times[times.size() / 2], 200ms);
  EXPECT_LE(times[times.size() * 99 / 100], 2s);
}

TEST(HolePunching, FallsSilentOnceBothKnow) {
  Punch punch(NatKind::kPortRestricted, NatKind::kPortRestricted);
  punch.Start();
  punch.RunUntil(kStart + 12s);
  const auto sent = punch.network().sent();
  EXPECT_LE(sent, 60u);
  punch.RunUntil(kStart + 60s);
  EXPECT_EQ(punch.network().sent(), sent);
}

}  // namespace
}  // namespace p2pcp::ice
