// Addresses that change under a channel, and attackers who pretend it.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "net/channel/channel_pair.h"

namespace p2pcp::channel {
namespace {

using ice::NatKind;
using ice::VirtualDatagram;

IpAddress Ip(std::string_view text) { return *IpAddress::Parse(text); }
SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

const IpAddress kNatA = Ip("203.0.113.10");
const IpAddress kSecondNatA = Ip("203.0.113.99");

// Both ends send a line every 20 ms, as a transfer with its acknowledgements
// does.
void Talk(ChannelPair& pair, Duration duration) {
  const TimePoint end = pair.now() + duration;
  while (pair.now() < end) {
    pair.SendText(pair.a(), "from a");
    pair.SendText(pair.b(), "from b");
    pair.RunFor(20ms);
  }
}

// Whether what each end sends now arrives.
bool Flows(ChannelPair& pair) {
  const std::string tag = std::to_string(pair.now().time_since_epoch().count());
  if (!pair.SendText(pair.a(), tag) || !pair.SendText(pair.b(), tag)) {
    return false;
  }
  pair.RunFor(4 * kOneWay);
  return std::ranges::count(pair.a().payloads, tag) == 1 &&
         std::ranges::count(pair.b().payloads, tag) == 1;
}

TEST(Migration, FollowsAPeerWhoseNatForgotIt) {
  for (const bool a_moves : {true, false}) {
    SCOPED_TRACE(a_moves);
    ChannelPair pair({.nat_a = a_moves ? NatKind::kPortRestricted
                                       : NatKind::kAddressRestricted,
                      .nat_b = a_moves ? NatKind::kAddressRestricted
                                       : NatKind::kPortRestricted});
    ASSERT_TRUE(pair.Connect());
    Talk(pair, 200ms);
    End& mover = a_moves ? pair.a() : pair.b();
    End& stayer = a_moves ? pair.b() : pair.a();
    const SocketAddress before = stayer.channel.path().remote;
    const TimePoint moved = pair.now();
    ChannelPair::nat(mover).Reboot();
    Talk(pair, 400ms);
    EXPECT_TRUE(Flows(pair));
    EXPECT_NE(stayer.channel.path().remote, before);
    EXPECT_EQ(stayer.Count(EventType::kPathChanged), 1);
    // One way for the first packet, two round trips for the old path's chance.
    EXPECT_LE(*stayer.FirstTime(EventType::kPathChanged),
              moved + 20ms + kOneWay + 4 * kOneWay + 10ms);
    EXPECT_EQ(mover.Count(EventType::kPathChanged), 0);
  }
}

TEST(Migration, FollowsAnIdlePeerAtItsNextKeepalive) {
  ChannelPair pair({.nat_b = NatKind::kAddressRestricted});
  ASSERT_TRUE(pair.Connect());
  ChannelPair::nat(pair.a()).Reboot();
  pair.RunFor(8s);
  EXPECT_EQ(pair.b().Count(EventType::kPathChanged), 1);
  EXPECT_TRUE(Flows(pair));
}

// Where both NATs filter by port, packets from the new port do not pass: the
// new candidate has to come by way of the broker.
TEST(Migration, FollowsByFreshCandidatesWhereOnlyThesePass) {
  for (const bool a_moves : {true, false}) {
    SCOPED_TRACE(a_moves);
    ChannelPair pair({});
    ASSERT_TRUE(pair.Connect());
    End& mover = a_moves ? pair.a() : pair.b();
    End& stayer = a_moves ? pair.b() : pair.a();
    ChannelPair::nat(mover).Reboot();
    Talk(pair, 1500ms);
    EXPECT_FALSE(Flows(pair));
    ice::Candidate fresh = mover.candidates.back();
    fresh.address = ChannelPair::nat(mover).Outbound(mover.sockets[0],
                                                     At("198.51.100.1:3478"));
    stayer.channel.AddRemoteCandidates(pair.now(), std::vector{fresh});
    Talk(pair, 500ms);
    EXPECT_TRUE(Flows(pair));
    EXPECT_EQ(stayer.channel.path().remote, fresh.address);
  }
}

TEST(Migration, FollowsThroughLoss) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    ChannelPair pair({.nat_b = NatKind::kAddressRestricted, .seed = seed});
    ASSERT_TRUE(pair.Connect());
    SeededRandom loss(seed);
    pair.network().tap = [&](TimePoint, VirtualDatagram&) {
      return loss.Below(10) < 3;
    };
    ChannelPair::nat(pair.a()).Reboot();
    Talk(pair, 3s);
    pair.network().tap = nullptr;
    EXPECT_TRUE(Flows(pair));
  }
}

TEST(Migration, ForgetsTheMtuOfTheOldPath) {
  ChannelPair pair({.nat_b = NatKind::kAddressRestricted});
  ASSERT_TRUE(pair.Connect());
  Talk(pair, 1s);
  EXPECT_EQ(pair.b().channel.max_payload(), 1472 - Channel::kOverhead);
  ChannelPair::nat(pair.a()).Reboot();
  pair.network().tap = [](TimePoint, VirtualDatagram& datagram) {
    return datagram.bytes.size() > 1300;
  };
  Talk(pair, 1s);
  EXPECT_EQ(pair.b().Count(EventType::kPathChanged), 1);
  EXPECT_EQ(pair.b().channel.max_payload(), 1252 - Channel::kOverhead);
}

TEST(Migration, HappensAtMostEveryHalfSecond) {
  ChannelPair pair({.nat_b = NatKind::kAddressRestricted});
  ASSERT_TRUE(pair.Connect());
  for (int i = 0; i < 50; ++i) {
    ChannelPair::nat(pair.a()).Reboot();
    Talk(pair, 100ms);
  }
  EXPECT_LE(pair.b().Count(EventType::kPathChanged), 11);
  Talk(pair, 1s);
  EXPECT_TRUE(Flows(pair));
}

// A path dies in one direction or in both, whoever is sending; both ends must
// end up on the other one, and on the same.
TEST(Migration, GoesOverToTheStandbyWhenThePathDies) {
  for (int direction = 0; direction < 3; ++direction) {
    for (int talker = 0; talker < 3; ++talker) {
      SCOPED_TRACE(testing::Message() << direction << " " << talker);
      ChannelPair pair({.second_at_a = true});
      ASSERT_TRUE(pair.Connect());
      const std::uint8_t first = pair.a().channel.path().socket;
      const IpAddress dead = first == 0 ? kNatA : kSecondNatA;
      pair.network().tap = [&](TimePoint, VirtualDatagram& datagram) {
        const bool from_a = datagram.from.ip == dead;
        const bool to_a = datagram.to.ip == dead;
        return (from_a && direction != 1) || (to_a && direction != 0);
      };
      const TimePoint end = pair.now() + 4s;
      while (pair.now() < end) {
        if (talker != 1) pair.SendText(pair.a(), "from a");
        if (talker != 0) pair.SendText(pair.b(), "from b");
        pair.RunFor(20ms);
      }
      EXPECT_TRUE(Flows(pair));
      EXPECT_NE(pair.a().channel.path().socket, first);
      EXPECT_NE(pair.b().channel.path().remote.ip, dead);
      EXPECT_LE(pair.a().Count(EventType::kPathChanged), 2);
      EXPECT_LE(pair.b().Count(EventType::kPathChanged), 2);
    }
  }
}

TEST(Migration, GoesOverWithinASecondAndABit) {
  ChannelPair pair({.second_at_a = true});
  ASSERT_TRUE(pair.Connect());
  Talk(pair, 1s);
  const IpAddress dead =
      pair.a().channel.path().socket == 0 ? kNatA : kSecondNatA;
  const TimePoint died = pair.now();
  pair.network().tap = [&](TimePoint, VirtualDatagram& datagram) {
    return datagram.from.ip == dead || datagram.to.ip == dead;
  };
  Talk(pair, 2s);
  EXPECT_LE(*pair.a().FirstTime(EventType::kPathChanged), died + 1200ms);
  EXPECT_LE(*pair.b().FirstTime(EventType::kPathChanged), died + 1200ms);
}

// B went over because nothing of its came through, and at that moment the old
// path recovered: A stays there, and B comes back.
TEST(Migration, TheControllingSideSettlesADifference) {
  ChannelPair pair({.second_at_a = true});
  ASSERT_TRUE(pair.Connect());
  const std::uint8_t first = pair.a().channel.path().socket;
  const IpAddress dead = first == 0 ? kNatA : kSecondNatA;
  pair.network().tap = [&](TimePoint, VirtualDatagram& datagram) {
    return datagram.to.ip == dead &&
           pair.b().Count(EventType::kPathChanged) == 0;
  };
  while (pair.b().Count(EventType::kPathChanged) == 0 &&
         pair.now() < kStart + 10s) {
    pair.SendText(pair.b(), "from b");
    pair.RunFor(20ms);
  }
  Talk(pair, 2s);
  EXPECT_TRUE(Flows(pair));
  const IpAddress& chosen =
      pair.a().channel.path().socket == 0 ? kNatA : kSecondNatA;
  EXPECT_EQ(pair.b().channel.path().remote.ip, chosen);
  EXPECT_LE(pair.a().Count(EventType::kPathChanged), 1);
  EXPECT_LE(pair.b().Count(EventType::kPathChanged), 2);
}

// Somebody takes A's packets off the wire and sends them on from the address of
// a victim: the victim gets no more than what was spent, and
// nothing moves there.
TEST(Migration, GivesAForgedSourceLittleAndNoPayload) {
  ChannelPair pair({.nat_b = std::nullopt});
  ASSERT_TRUE(pair.Connect());
  const SocketAddress victim = At("198.51.100.66:7777");
  std::uint64_t spent = 0;
  pair.network().tap = [&](TimePoint, VirtualDatagram& datagram) {
    if (datagram.from.ip != kNatA || spent > 3000) return false;
    datagram.from = victim;
    spent += datagram.bytes.size();
    return false;
  };
  Talk(pair, 5s);
  std::uint64_t gained = 0;
  for (const VirtualDatagram& stray : pair.network().strays()) {
    if (stray.to != victim) continue;
    gained += stray.bytes.size();
    EXPECT_EQ(stray.bytes[0], std::byte{0xc1}) << "payload went to the victim";
  }
  EXPECT_GT(spent, 3000u);
  EXPECT_GT(gained, 0u);
  EXPECT_LE(gained, spent);
  EXPECT_EQ(pair.b().Count(EventType::kPathChanged), 0);
  EXPECT_TRUE(Flows(pair));
}

// The same with a new forged source for each packet: bounded memory, bounded
// gain, and the true path stays.
TEST(Migration, WithstandsAFloodOfForgedSources) {
  ChannelPair pair({.nat_b = std::nullopt});
  ASSERT_TRUE(pair.Connect());
  std::uint64_t spent = 0;
  std::uint16_t port = 2000;
  int count = 0;
  pair.network().tap = [&](TimePoint, VirtualDatagram& datagram) {
    // Every second packet, so that A is not cut off.
    if (datagram.from.ip != kNatA || ++count % 2 == 0) return false;
    datagram.from = {.ip = Ip("198.51.100.66"), .port = port++};
    spent += datagram.bytes.size();
    return false;
  };
  Talk(pair, 10s);
  std::uint64_t gained = 0;
  for (const VirtualDatagram& stray : pair.network().strays()) {
    if (stray.to.ip == Ip("198.51.100.66")) gained += stray.bytes.size();
  }
  EXPECT_GT(spent, 5000u);
  EXPECT_LE(gained, 3 * spent);
  EXPECT_EQ(pair.b().Count(EventType::kPathChanged), 0);
  pair.network().tap = nullptr;
  EXPECT_TRUE(Flows(pair));
}

// RFC 9000 section 9.3.3: an attacker beside the path brings copies of A's
// payload faster than the originals, and passes on all that is answered to it.
TEST(Migration, DoesNotFollowACopyThatCameFasterWhileTheTruePathLives) {
  ChannelPair pair({.nat_a = std::nullopt, .nat_b = std::nullopt});
  ASSERT_TRUE(pair.Connect());
  const SocketAddress attacker = At("198.51.100.66:7777");
  const SocketAddress a = pair.a().sockets[0];
  const SocketAddress b = pair.b().sockets[0];
  pair.network().AddHost(
      attacker.ip, nullptr, [&](TimePoint now, const VirtualDatagram& d) {
        pair.network().Inject(
            now,
            {.from = attacker, .to = d.from == a ? b : a, .bytes = d.bytes});
      });
  pair.network().tap = [&](TimePoint now, VirtualDatagram& datagram) {
    if (datagram.from == a && datagram.to == b &&
        datagram.bytes[0] == std::byte{0xc0}) {
      pair.network().Inject(
          now, {.from = attacker, .to = b, .bytes = datagram.bytes});
    }
    return false;
  };
  Talk(pair, 5s);
  EXPECT_EQ(pair.b().channel.path().remote, a);
  EXPECT_EQ(pair.b().Count(EventType::kPathChanged), 0);
  EXPECT_EQ(pair.a().Count(EventType::kPathChanged), 0);
  EXPECT_GT(pair.b().channel.stats().received.Dropped(DropReason::kReplayed),
            100u);
}

// The attacker copies every second payload, and even keeps A's own answers away
// from B; but A's other payloads still come by the true path.
TEST(Migration, StaysWherePayloadStillComesFrom) {
  ChannelPair pair({.nat_a = std::nullopt, .nat_b = std::nullopt});
  ASSERT_TRUE(pair.Connect());
  const SocketAddress attacker = At("198.51.100.66:7777");
  const SocketAddress a = pair.a().sockets[0];
  const SocketAddress b = pair.b().sockets[0];
  pair.network().AddHost(
      attacker.ip, nullptr, [&](TimePoint now, const VirtualDatagram& d) {
        pair.network().Inject(
            now,
            {.from = attacker, .to = d.from == a ? b : a, .bytes = d.bytes});
      });
  int payloads = 0;
  pair.network().tap = [&](TimePoint now, VirtualDatagram& datagram) {
    if (datagram.from != a || datagram.to != b) return false;
    if (datagram.bytes[0] == std::byte{0xc1}) return true;
    if (++payloads % 2 == 0) return false;
    pair.network().Inject(now,
                          {.from = attacker, .to = b, .bytes = datagram.bytes});
    return true;
  };
  Talk(pair, 5s);
  EXPECT_EQ(pair.b().channel.path().remote, a);
  EXPECT_EQ(pair.b().Count(EventType::kPathChanged), 0);
}

// Only the newest packet tells where the peer is: one that was held back on the
// way does not, though it is authentic.
TEST(Migration, IgnoresTheSourceOfAPacketThatIsNotTheNewest) {
  ChannelPair pair({.nat_b = std::nullopt});
  ASSERT_TRUE(pair.Connect());
  VirtualDatagram held = pair.MakeDatagram(pair.a(), "held back");
  Talk(pair, 100ms);
  const auto sent = pair.network().sent();
  held.from = At("198.51.100.66:7777");
  pair.network().Inject(pair.now(), held);
  pair.RunFor(100ms);
  EXPECT_EQ(pair.b().payloads.back(), "held back");
  EXPECT_LE(pair.network().sent() - sent, 4u);
  for (const VirtualDatagram& stray : pair.network().strays()) {
    EXPECT_NE(stray.to, held.from);
  }
}

}  // namespace
}  // namespace p2pcp::channel
