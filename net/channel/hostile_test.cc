// What comes from strangers and from a hostile middlebox leaves no trace but a
// count.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "net/channel/channel_pair.h"

namespace p2pcp::channel {
namespace {

using ice::VirtualDatagram;

SocketAddress At(std::string_view text) { return *SocketAddress::Parse(text); }

std::uint64_t AllDrops(const Channel& channel) {
  std::uint64_t sum = 0;
  for (const auto count : channel.stats().received.dropped) sum += count;
  return sum;
}

class Hostile : public testing::Test {
 protected:
  Hostile() : pair_({.nat_b = std::nullopt}) {}

  // Hands B a datagram from a stranger; it must stay silent.
  void ExpectSilence(Bytes datagram,
                     SocketAddress from = At("198.51.100.66:7777")) {
    Channel& channel = pair_.b().channel;
    Bytes out(Channel::kMaxDatagramSize);
    ASSERT_FALSE(channel.PollTransmit(pair_.now(), out).has_value());
    const auto drops = AllDrops(channel);
    EXPECT_FALSE(
        channel.HandleDatagram(pair_.now(), 0, from, datagram).has_value());
    EXPECT_EQ(AllDrops(channel), drops + 1);
    EXPECT_FALSE(channel.PollTransmit(pair_.now(), out).has_value());
    EXPECT_FALSE(channel.PollEvent().has_value());
  }

  ChannelPair pair_;
};

TEST_F(Hostile, StrangersAreMetBySilenceBeforeAndAfterConnecting) {
  SeededRandom random(3);
  for (const bool connected : {false, true}) {
    if (connected) {
      ASSERT_TRUE(pair_.Connect());
    }
    for (int i = 0; i < 200; ++i) {
      Bytes garbage(1 + random.Below(1500));
      random.Fill(garbage);
      if (i % 2 == 0) garbage[0] = std::byte{0xc1};
      ExpectSilence(garbage);
    }
  }
}

TEST_F(Hostile, EveryTruncationOfAPacketIsMetBySilence) {
  ASSERT_TRUE(pair_.Connect());
  const VirtualDatagram whole =
      pair_.MakeDatagram(pair_.a(), "something to say");
  for (std::size_t size = 0; size < whole.bytes.size(); ++size) {
    ExpectSilence(Bytes(whole.bytes.begin(),
                        whole.bytes.begin() + static_cast<long>(size)));
  }
}

TEST_F(Hostile, ReplaysFromElsewhereAreMetBySilence) {
  ASSERT_TRUE(pair_.Connect());
  std::vector<Bytes> seen;
  pair_.network().tap = [&](TimePoint, VirtualDatagram& datagram) {
    if (datagram.to == pair_.b().sockets[0]) seen.push_back(datagram.bytes);
    return false;
  };
  pair_.SendText(pair_.a(), "once");
  pair_.RunFor(1s);
  pair_.network().tap = nullptr;
  pair_.RunFor(kOneWay);
  ASSERT_FALSE(seen.empty());
  for (const Bytes& datagram : seen) ExpectSilence(datagram);
  EXPECT_GT(pair_.b().channel.stats().received.Dropped(DropReason::kReplayed),
            0u);
}

TEST_F(Hostile, ItsOwnPacketsReflectedAreMetBySilence) {
  ASSERT_TRUE(pair_.Connect());
  ExpectSilence(pair_.MakeDatagram(pair_.b(), "mirror").bytes,
                pair_.b().channel.path().remote);
}

// Each datagram is followed by a flipped, a cut, a repeated and a reflected
// copy, and some come in the wrong order: what arrives is what was sent, once.
TEST_F(Hostile, ATamperingMiddleboxChangesNothing) {
  SeededRandom random(4);
  bool inside = false;
  pair_.network().tap = [&](TimePoint now, VirtualDatagram& datagram) {
    if (inside) return false;
    inside = true;
    auto& network = pair_.network();
    VirtualDatagram copy = datagram;
    copy.bytes[random.Below(copy.bytes.size())] ^= std::byte{0x10};
    network.Inject(now, copy);
    copy = datagram;
    copy.bytes.resize(random.Below(copy.bytes.size()));
    network.Inject(now, copy);
    copy = datagram;
    std::swap(copy.from, copy.to);
    network.Inject(now, copy);
    network.Inject(now + Duration(random.Below(50'000'000)), datagram);
    inside = false;
    return false;
  };
  ASSERT_TRUE(pair_.Connect());
  std::multiset<std::string> expected;
  for (int i = 0; i < 500; ++i) {
    const std::string text = "line " + std::to_string(i);
    expected.insert(text);
    pair_.SendText(pair_.a(), text);
    pair_.SendText(pair_.b(), text);
    pair_.RunFor(5ms);
  }
  pair_.RunFor(1s);
  EXPECT_EQ(std::multiset<std::string>(pair_.a().payloads.begin(),
                                       pair_.a().payloads.end()),
            expected);
  EXPECT_EQ(std::multiset<std::string>(pair_.b().payloads.begin(),
                                       pair_.b().payloads.end()),
            expected);
  EXPECT_EQ(pair_.a().Count(EventType::kPathChanged), 0);
  EXPECT_EQ(pair_.b().Count(EventType::kPathChanged), 0);
}

// Authentic packets, copied from a source that has proven nothing: what goes
// back is never more than what came, at any time.
TEST_F(Hostile, NoAnswerIsLargerThanItsCause) {
  ASSERT_TRUE(pair_.Connect());
  std::map<SocketAddress, std::size_t> came;
  std::map<SocketAddress, std::size_t> went;
  std::uint16_t port = 2'000;
  pair_.network().tap = [&](TimePoint, VirtualDatagram& datagram) {
    if (datagram.to == pair_.b().sockets[0]) {
      // Each from a source of its own.
      datagram.from = {IpAddress::V4({198, 51, 100, 66}), port++, 0};
      came[datagram.from] += datagram.bytes.size();
    } else if (came.contains(datagram.to)) {
      went[datagram.to] += datagram.bytes.size();
      EXPECT_LE(went[datagram.to], came[datagram.to]);
      return true;
    }
    return false;
  };
  for (int i = 0; i < 200; ++i) {
    pair_.SendText(pair_.a(), std::string(static_cast<std::size_t>(i), 'x'));
    pair_.RunFor(50ms);
  }
  EXPECT_GT(went.size(), 20u);
}

// RFC 9001 section 6.6: keys that have borne too many forgeries are not used
// any more, and nobody waits for a silence to find out.
TEST(HostileLimits, TooManyForgedPacketsEndTheSession) {
  for (const bool connected : {false, true}) {
    ChannelPair pair(
        {.nat_a = std::nullopt, .limits_b = {.max_failures = 1'000}});
    Bytes forged;
    if (connected) {
      ASSERT_TRUE(pair.Connect());
      forged = pair.MakeDatagram(pair.a(), "x").bytes;
    } else {
      // A's first probe; nothing arrives.
      pair.network().tap = [&](TimePoint, VirtualDatagram& datagram) {
        if (datagram.from == pair.a().sockets[0]) forged = datagram.bytes;
        return true;
      };
      pair.Start();
      pair.RunFor(10ms);
      ASSERT_FALSE(forged.empty());
    }
    Channel& channel = pair.b().channel;
    forged.back() ^= std::byte{1};
    for (int i = 0; i < 1'000; ++i) {
      Bytes copy = forged;
      ASSERT_TRUE(channel.PollTimeout().has_value());
      channel.HandleDatagram(pair.now(), 0, At("198.51.100.66:7777"), copy);
    }
    const auto event = channel.PollEvent();
    ASSERT_TRUE(event.has_value());
    EXPECT_EQ(event->type, connected ? EventType::kLost : EventType::kFailed);
    EXPECT_FALSE(channel.connected());
    EXPECT_FALSE(channel.PollTimeout().has_value());
  }
}

// An authentic probe with a source that is nobody's: refused, and counted.
TEST_F(Hostile, NothingIsSentToAnAddressThatMayNotBeProbed) {
  ASSERT_TRUE(pair_.Connect());
  pair_.network().tap = [](TimePoint, VirtualDatagram& datagram) {
    if (datagram.bytes[0] == std::byte{0xc1}) {
      datagram.from = At("224.0.0.5:5000");
    }
    return false;
  };
  pair_.RunFor(10s);
  EXPECT_GT(
      pair_.b().channel.stats().received.Dropped(DropReason::kRefusedSource),
      0u);
  for (const VirtualDatagram& stray : pair_.network().strays()) {
    EXPECT_FALSE(stray.to.ip.IsMulticast());
  }
}

}  // namespace
}  // namespace p2pcp::channel
