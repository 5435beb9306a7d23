// Two channels meet, stay together and part, without anybody's ill will.

#include "net/channel/channel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "net/channel/channel_pair.h"

namespace p2pcp::channel {
namespace {

using ice::NatKind;
using ice::VirtualDatagram;

bool FromA(const VirtualDatagram& datagram) {
  return datagram.from.ip == *IpAddress::Parse("203.0.113.10");
}

TEST(Channel, ConnectsWithinOneRoundTripAndCarriesPayloadBothWays) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  EXPECT_LE(*pair.a().FirstTime(EventType::kConnected),
            kStart + 2 * kOneWay + 10ms);
  EXPECT_LE(*pair.b().FirstTime(EventType::kConnected),
            kStart + 3 * kOneWay + 10ms);
  EXPECT_TRUE(pair.SendText(pair.a(), "to b"));
  EXPECT_TRUE(pair.SendText(pair.b(), "to a"));
  pair.RunFor(100ms);
  EXPECT_EQ(pair.b().payloads, (std::vector<std::string>{"to b"}));
  EXPECT_EQ(pair.a().payloads, (std::vector<std::string>{"to a"}));
}

TEST(Channel, SealsARunAsItWouldSinglePackets) {
  Bytes sealed[2];
  for (const bool run : {false, true}) {
    ChannelPair pair({});  // The same keys and numbers each time.
    ASSERT_TRUE(pair.Connect());
    Channel& a = pair.a().channel;
    const ByteSpan data = AsBytes("onetwosix");
    constexpr std::size_t kSize = Channel::kOverhead + 2 + 3;
    Bytes out(3 * kSize);
    const PacketNumber first = a.next_packet_number();
    for (std::size_t i = 0; i < 3; ++i) {
      const MutableByteSpan packet =
          MutableByteSpan(out).subspan(i * kSize, kSize);
      const MutableByteSpan frames = packet.subspan(Channel::kPayloadOffset, 2);
      CopyBytes(AsBytes("f:"), frames);
      if (run) continue;
      EXPECT_EQ(
          a.SealPayload(pair.now(), frames, data.subspan(3 * i, 3), packet),
          kSize);
    }
    if (run) {
      EXPECT_EQ(a.SealRun(pair.now(), 3, 2, data, out), out.size());
    }
    EXPECT_EQ(a.next_packet_number() - first, 3);
    sealed[run] = out;
    const VirtualDatagram datagram = pair.MakeDatagram(pair.a(), "last");
    std::array<Channel::Payload, 3> payloads;
    ASSERT_EQ(pair.b().channel.HandleTrain(pair.now(), 0, datagram.from, out,
                                           kSize, payloads),
              3u);
    EXPECT_EQ(AsText(payloads[0].bytes), "f:one");
    EXPECT_EQ(AsText(payloads[2].bytes), "f:six");
  }
  EXPECT_EQ(Hex(sealed[0]), Hex(sealed[1]));
}

TEST(Channel, TakesATrainApart) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  Bytes train;
  VirtualDatagram datagram;
  const auto append = [&](std::string_view text) {
    datagram = pair.MakeDatagram(pair.a(), text);
    train.insert(train.end(), datagram.bytes.begin(), datagram.bytes.end());
  };
  append("one");
  const std::size_t segment_size = train.size();
  append("bad");
  train.back() ^= std::byte{1};
  append("two");
  train.insert(train.end(), train.begin(),  // The first once more.
               train.begin() + static_cast<std::ptrdiff_t>(segment_size));
  append("3");
  Channel& b = pair.b().channel;
  const std::uint64_t before = b.stats().received.payloads;
  std::array<Channel::Payload, 5> payloads;
  const std::size_t count = b.HandleTrain(pair.now(), 0, datagram.from, train,
                                          segment_size, payloads);
  ASSERT_EQ(count, 3u);
  EXPECT_EQ(AsText(payloads[0].bytes), "one");
  EXPECT_EQ(AsText(payloads[1].bytes), "two");
  EXPECT_EQ(AsText(payloads[2].bytes), "3");
  EXPECT_EQ(payloads[1].number - payloads[0].number, 2);
  EXPECT_EQ(payloads[2].number - payloads[1].number, 1);
  EXPECT_EQ(b.stats().received.payloads, before + 3);
}

// A probe amid payload is heeded where it stands.
TEST(Channel, AProbeMayStandInATrain) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  pair.RunFor(1s);
  Channel& a = pair.a().channel;
  Channel& b = pair.b().channel;
  // What keeps the path alive is a probe.
  Bytes out(Channel::kMaxDatagramSize);
  std::optional<Channel::Transmit> probe;
  TimePoint now = pair.now();
  while (!probe) {
    now = *a.PollTimeout();
    a.HandleTimeout(now);
    probe = a.PollTransmit(now, out);
  }
  const std::uint64_t probes = b.stats().received.probes;
  std::string text(probe->size - Channel::kOverhead, 'x');
  Bytes train = pair.MakeDatagram(pair.a(), text).bytes;
  train.insert(train.end(), out.begin(),
               out.begin() + static_cast<std::ptrdiff_t>(probe->size));
  const VirtualDatagram last = pair.MakeDatagram(pair.a(), text);
  train.insert(train.end(), last.bytes.begin(), last.bytes.end());
  std::array<Channel::Payload, 3> payloads;
  EXPECT_EQ(
      b.HandleTrain(now, 0, last.from, train, last.bytes.size(), payloads), 2u);
  EXPECT_EQ(b.stats().received.probes, probes + 1);
}

TEST(Channel, TellsWhichPathItTook) {
  ChannelPair pair({});
  EXPECT_EQ(pair.a().channel.rtt(), Duration(0));
  ASSERT_TRUE(pair.Connect());
  const Path path = pair.a().channel.path();
  EXPECT_EQ(path.remote.ip, *IpAddress::Parse("192.0.2.10"));
  EXPECT_EQ(path.remote_type, ice::CandidateType::kServerReflexive);
  EXPECT_EQ(path.local_type, ice::CandidateType::kServerReflexive);
  EXPECT_EQ(path.rtt, 2 * kOneWay);
  EXPECT_EQ(pair.a().channel.rtt(), path.rtt);
}

TEST(Channel, ConnectsThroughEveryPairOfNatsThatHasAWay) {
  const std::array cones = {NatKind::kFullCone, NatKind::kAddressRestricted,
                            NatKind::kPortRestricted};
  std::vector<ChannelPair::Options> cases;
  for (const NatKind a : cones) {
    for (const NatKind b : cones) cases.push_back({.nat_a = a, .nat_b = b});
  }
  for (const NatKind cone : {NatKind::kFullCone, NatKind::kAddressRestricted}) {
    cases.push_back({.nat_a = NatKind::kSymmetric, .nat_b = cone});
    cases.push_back({.nat_a = cone, .nat_b = NatKind::kSymmetric});
  }
  cases.push_back({.nat_a = std::nullopt, .nat_b = NatKind::kSymmetric});
  cases.push_back({.nat_a = std::nullopt, .nat_b = std::nullopt});
  for (const auto& options : cases) {
    ChannelPair pair(options);
    ASSERT_TRUE(pair.Connect());
    pair.SendText(pair.a(), "x");
    pair.SendText(pair.b(), "y");
    pair.RunFor(100ms);
    EXPECT_EQ(pair.b().payloads.size(), 1u);
    EXPECT_EQ(pair.a().payloads.size(), 1u);
  }
}

TEST(Channel, FailsInTimeWhereThereIsNoWay) {
  ChannelPair pair({});
  pair.network().tap = [](TimePoint, VirtualDatagram&) { return true; };
  pair.Start();
  pair.RunFor(9900ms);
  EXPECT_TRUE(pair.a().events.empty());
  pair.RunFor(5s);
  for (End* end : {&pair.a(), &pair.b()}) {
    ASSERT_EQ(end->events.size(), 1u);
    EXPECT_EQ(end->events[0].second.type, EventType::kFailed);
    EXPECT_FALSE(end->channel.PollTimeout().has_value());
    EXPECT_FALSE(end->channel.connected());
  }
}

TEST(Channel, SurvivesTheLossOfAnySinglePacketWhileConnecting) {
  for (int lost = 0; lost < 40; ++lost) {
    SCOPED_TRACE(lost);
    ChannelPair pair({});
    int count = 0;
    pair.network().tap = [&](TimePoint, VirtualDatagram&) {
      return count++ == lost;
    };
    ASSERT_TRUE(pair.Connect());
    pair.network().tap = nullptr;
    pair.SendText(pair.a(), "x");
    pair.RunFor(100ms);
    EXPECT_EQ(pair.b().payloads.size(), 1u);
  }
}

TEST(Channel, StaysConnectedForHoursAtThirtyPercentLoss) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    ChannelPair pair({.seed = seed});
    SeededRandom loss(seed + 1);
    pair.Start();
    pair.network().tap = [&](TimePoint, VirtualDatagram&) {
      return loss.Below(10) < 3;
    };
    pair.RunFor(3600s);
    EXPECT_TRUE(pair.a().channel.connected()) << seed;
    EXPECT_TRUE(pair.b().channel.connected()) << seed;
  }
}

// B has lost every packet that would have told it that the path works; A's
// payload tells it.
TEST(Channel, TakesPayloadThatComesBeforeItsOwnNomination) {
  ChannelPair pair({});
  int probes = 0;
  pair.network().tap = [&](TimePoint, VirtualDatagram& datagram) {
    // Of A's probes only the first to each address pass, and all payloads.
    return FromA(datagram) && datagram.bytes[0] == std::byte{0xc1} &&
           probes++ > 1;
  };
  pair.Start();
  pair.RunFor(100ms);
  ASSERT_TRUE(pair.a().channel.connected());
  ASSERT_FALSE(pair.b().channel.connected());
  pair.SendText(pair.a(), "early");
  pair.RunFor(30ms);
  EXPECT_EQ(pair.b().payloads, (std::vector<std::string>{"early"}));
  // It is not connected by that: nothing has been echoed to it yet.
  EXPECT_FALSE(pair.b().channel.connected());
  pair.network().tap = nullptr;
  pair.RunFor(1s);
  EXPECT_TRUE(pair.b().channel.connected());
}

TEST(Channel, NeverUsesAPacketNumberTwice) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  for (int i = 0; i < 50; ++i) {
    pair.SendText(pair.a(), "x");
    pair.RunFor(300ms);
  }
  auto numbers = pair.a().sent_numbers;
  EXPECT_GT(numbers.size(), 60u);
  EXPECT_TRUE(std::ranges::is_sorted(numbers));
  EXPECT_EQ(std::ranges::adjacent_find(numbers), numbers.end());
}

TEST(ChannelMtu, GrowsOnceALargeDatagramHasPassed) {
  ChannelPair pair({});
  pair.Start();
  pair.RunFor(2 * kOneWay + 10ms);
  ASSERT_TRUE(pair.a().channel.connected());
  EXPECT_EQ(pair.a().channel.max_payload(), 1200 - Channel::kOverhead);
  pair.RunFor(2s);
  EXPECT_EQ(pair.a().channel.max_payload(), 1472 - Channel::kOverhead);
  EXPECT_EQ(pair.a().Count(EventType::kMaxPayloadChanged), 1);
  EXPECT_TRUE(pair.SendText(pair.a(), "full", pair.a().channel.max_payload()));
  pair.RunFor(100ms);
  EXPECT_EQ(pair.b().payloads.size(), 1u);
}

TEST(ChannelMtu, StaysSmallWhereLargeDatagramsVanishAndLosesNothingElse) {
  ChannelPair pair({});
  pair.network().tap = [](TimePoint, VirtualDatagram& datagram) {
    return datagram.bytes.size() > 1300;
  };
  ASSERT_TRUE(pair.Connect());
  pair.RunFor(60s);
  // An MTU of 1280.
  EXPECT_EQ(pair.a().channel.max_payload(), 1252 - Channel::kOverhead);
  EXPECT_EQ(pair.a().Count(EventType::kMaxPayloadChanged), 1);
  EXPECT_EQ(pair.a().Count(EventType::kPathChanged), 0);
  // Bursts of four, ever more rarely, besides the keepalives.
  EXPECT_LE(pair.a().channel.stats().probes_sent, 90u);
}

// The MTU falls in mid-session: full packets vanish, small ones do not.
TEST(ChannelMtu, FallsBackFromABlackHole) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  ASSERT_EQ(pair.a().channel.max_payload(), 1472 - Channel::kOverhead);
  pair.network().tap = [](TimePoint, VirtualDatagram& datagram) {
    return datagram.bytes.size() > 1300;
  };
  pair.SendText(pair.a(), "x", pair.a().channel.max_payload());
  pair.a().channel.SuspectMaxPayload(pair.now());
  pair.RunFor(500ms);
  EXPECT_EQ(pair.a().channel.max_payload(), 1252 - Channel::kOverhead);
  EXPECT_EQ(pair.a().channel.stats().black_holes, 1u);
  EXPECT_EQ(pair.a().Count(EventType::kPathChanged), 0);
  EXPECT_TRUE(pair.a().channel.connected());
}

TEST(ChannelMtu, DoesNotFallBackForAPeerThatHadNothingToSay) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  pair.SendText(pair.a(), "no answer is owed");
  pair.RunFor(3s);
  EXPECT_EQ(pair.a().channel.max_payload(), 1472 - Channel::kOverhead);
  EXPECT_EQ(pair.a().Count(EventType::kMaxPayloadChanged), 1);
}

// A silence takes datagrams of every size: none is to blame.
TEST(ChannelMtu, StaysWhatItIsInAnOutage) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  pair.network().tap = [](TimePoint, VirtualDatagram&) { return true; };
  pair.SendText(pair.a(), "x");
  pair.a().channel.SuspectMaxPayload(pair.now());
  pair.RunFor(5s);
  EXPECT_EQ(pair.a().channel.max_payload(), 1472 - Channel::kOverhead);
  pair.network().tap = nullptr;
  pair.RunFor(3s);
  EXPECT_EQ(pair.a().channel.max_payload(), 1472 - Channel::kOverhead);
  EXPECT_EQ(pair.a().channel.stats().black_holes, 0u);
}

TEST(ChannelMtu, LooksForMoreAfterAnOutage) {
  ChannelPair pair({});
  pair.network().tap = [](TimePoint, VirtualDatagram& datagram) {
    return datagram.bytes.size() > 1300;
  };
  ASSERT_TRUE(pair.Connect());
  pair.RunFor(60s);
  ASSERT_EQ(pair.a().channel.max_payload(), 1252 - Channel::kOverhead);
  pair.network().tap = [](TimePoint, VirtualDatagram&) { return true; };
  pair.SendText(pair.a(), "x");
  pair.RunFor(5s);
  // Another way now.
  pair.network().tap = nullptr;
  pair.RunFor(4s);
  EXPECT_EQ(pair.a().channel.max_payload(), 1472 - Channel::kOverhead);
}

// What the interface takes is found within two round trips of connecting: the
// first megabyte travels in packets of that size already.
TEST(ChannelMtu, FindsWhatTheInterfaceTakesWithinTwoRoundTrips) {
  for (const auto& [mtu, size] :
       {std::pair<std::size_t, std::size_t>{9000, 8972},
        {65536, Channel::kMaxDatagramSize}}) {
    ChannelPair pair({});
    pair.Start();
    while (!pair.a().channel.connected()) pair.RunFor(1ms);
    const TimePoint connected = pair.now();
    pair.a().channel.SetLinkMtu(pair.now(), mtu);
    while (pair.a().channel.max_payload() < size - Channel::kOverhead &&
           pair.now() < connected + 1s) {
      pair.RunFor(1ms);
    }
    EXPECT_EQ(pair.a().channel.max_payload(), size - Channel::kOverhead);
    EXPECT_LE(pair.now() - connected, 4 * kOneWay + 2ms);
  }
}

// EMSGSIZE: the next packet is small enough.
TEST(ChannelMtu, AnInterfaceThatTakesLessIsAHintNotAnError) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  pair.a().channel.SetLinkMtu(pair.now(), 1280);
  pair.a().channel.HandleTooBig(pair.now(), 1472);
  EXPECT_EQ(pair.a().channel.max_payload(), 1200 - Channel::kOverhead);
  EXPECT_TRUE(pair.a().channel.connected());
}

TEST(ChannelKeepalive, KeepsAnIdlePathOpen) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  TimePoint last = pair.now();
  Duration longest{};
  pair.network().tap = [&](TimePoint now, VirtualDatagram& datagram) {
    if (FromA(datagram)) {
      longest = std::max(longest, now - last);
      last = now;
    }
    return false;
  };
  pair.RunFor(300s);
  EXPECT_LE(longest, 6s);
  EXPECT_TRUE(pair.a().channel.connected());
  EXPECT_EQ(pair.a().Count(EventType::kPathChanged), 0);
  // And cheaply: a question and an answer of each side every 4 s or so.
  EXPECT_LE(pair.a().channel.stats().probes_sent, 200u);
}

TEST(ChannelConsent, IsLostFortyFiveSecondsAfterTheLastWord) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  pair.RunFor(20s);
  pair.SendText(pair.b(), "last");
  pair.RunFor(kOneWay);
  const TimePoint last = pair.now();
  pair.network().tap = [](TimePoint, VirtualDatagram&) { return true; };
  pair.RunUntil(last + 44900ms);
  EXPECT_TRUE(pair.a().channel.connected());
  pair.RunUntil(last + 46s);
  EXPECT_FALSE(pair.a().channel.connected());
  EXPECT_EQ(pair.a().Count(EventType::kLost), 1);
  EXPECT_EQ(pair.b().Count(EventType::kLost), 1);
  EXPECT_FALSE(pair.a().channel.PollTimeout().has_value());
}

TEST(ChannelConsent, SurvivesAnOutageOfHalfAMinute) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  pair.network().tap = [](TimePoint, VirtualDatagram&) { return true; };
  pair.SendText(pair.a(), "x");
  pair.RunFor(30s);
  pair.network().tap = nullptr;
  pair.RunFor(5s);
  EXPECT_TRUE(pair.a().channel.connected());
  EXPECT_TRUE(pair.b().channel.connected());
  pair.SendText(pair.a(), "after");
  pair.RunFor(100ms);
  EXPECT_EQ(pair.b().payloads.back(), "after");
}

// The clock counts through suspend: whoever wakes after an hour knows at once.
TEST(ChannelConsent, IsLostAtOnceAfterALongSleep) {
  ChannelPair pair({});
  ASSERT_TRUE(pair.Connect());
  pair.a().channel.HandleTimeout(pair.now() + 3600s);
  EXPECT_EQ(pair.a().channel.PollEvent()->type, EventType::kLost);
}

}  // namespace
}  // namespace p2pcp::channel
