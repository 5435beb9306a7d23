#include "tests/sim/link.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <vector>

#include "net/base/bytes.h"
#include "tests/sim/topology.h"

namespace p2pcp::sim {
namespace {

struct Arrival {
  Duration at;
  std::uint32_t number;
  Bytes bytes;
};

// A link on which numbered packets of 1000 bytes are sent.
class LinkTest : public testing::Test, public PacketSink {
 protected:
  static constexpr std::size_t kSize = 1000;

  void Send(Link& link, int count, Duration gap) {
    for (int i = 0; i < count; ++i) {
      simulator.ScheduleIn(gap * i, [this, &link, i] {
        PacketPtr packet = simulator.packets().Get();
        packet->to = Address("192.0.2.2:9");
        packet->bytes.assign(kSize, std::byte{0});
        std::memcpy(packet->bytes.data(), &i, sizeof(i));
        link.Receive(std::move(packet));
      });
    }
    simulator.RunUntil(TimePoint(1h));
  }
  void Receive(PacketPtr packet) override {
    std::uint32_t number = 0;
    if (packet->bytes.size() >= sizeof(number)) {
      std::memcpy(&number, packet->bytes.data(), sizeof(number));
    }
    arrivals.push_back({simulator.elapsed(), number, packet->bytes});
  }
  bool InOrder() const {
    for (std::size_t i = 1; i < arrivals.size(); ++i) {
      if (arrivals[i].number < arrivals[i - 1].number) return false;
    }
    return true;
  }

  Simulator simulator{7};
  std::vector<Arrival> arrivals;
};

TEST_F(LinkTest, TakesTransmissionAndPropagationTime) {
  // 1028 bytes on the wire at 1.028 MB/s: 1 ms each.
  Link link(simulator, {.rate = 1'028'000, .delay = 30ms}, *this);
  Send(link, 3, 0ms);
  ASSERT_EQ(arrivals.size(), 3u);
  EXPECT_EQ(arrivals[0].at, Duration(31ms));
  EXPECT_EQ(arrivals[2].at, Duration(33ms));
  EXPECT_EQ(link.stats().bytes, 3u * 1028);
}

TEST_F(LinkTest, DropsWhatFindsNoRoomInTheQueue) {
  Link link(simulator, {.rate = 1'028'000, .queue_bytes = 10 * 1028}, *this);
  Send(link, 100, 0ms);
  EXPECT_EQ(arrivals.size(), 10u);
  EXPECT_EQ(link.stats().queue_drops, 90u);
  EXPECT_EQ(arrivals.back().number, 9u);
}

TEST_F(LinkTest, DropsWhatExceedsTheMtu) {
  Link link(simulator, {.mtu = 1027}, *this);
  Send(link, 1, 0ms);
  link.options().mtu = 1028;
  Send(link, 1, 0ms);
  EXPECT_EQ(arrivals.size(), 1u);
  EXPECT_EQ(link.stats().mtu_drops, 1u);
}

TEST_F(LinkTest, JitterKeepsOrder) {
  Link link(simulator, {.delay = 10ms, .jitter = 5ms}, *this);
  Send(link, 1000, 100us);
  EXPECT_EQ(arrivals.size(), 1000u);
  EXPECT_TRUE(InOrder());
}

TEST_F(LinkTest, LosesTheGivenShare) {
  Link link(simulator, {.loss = 0.2}, *this);
  Send(link, 10000, 1us);
  EXPECT_NEAR(static_cast<double>(arrivals.size()), 8000, 200);
}

TEST_F(LinkTest, BurstsLoseRunsOfPackets) {
  // On average 10 packets in the bad state, of 1 in 1000 that enter it.
  Link link(simulator, {.bursts = {.enter = 0.001, .leave = 0.1}}, *this);
  Send(link, 100000, 1us);
  EXPECT_NEAR(static_cast<double>(link.stats().lost), 1000, 350);
  int runs = 0;
  for (std::size_t i = 1; i < arrivals.size(); ++i) {
    if (arrivals[i].number != arrivals[i - 1].number + 1) ++runs;
  }
  EXPECT_NEAR(static_cast<double>(link.stats().lost) / runs, 10, 4);
}

TEST_F(LinkTest, ReordersByHoldingPacketsBack) {
  Link link(simulator, {.delay = 10ms, .reorder = 0.01, .reorder_delay = 1ms},
            *this);
  Send(link, 1000, 100us);
  EXPECT_EQ(arrivals.size(), 1000u);
  EXPECT_FALSE(InOrder());
  EXPECT_GT(link.stats().reordered, 0u);
}

TEST_F(LinkTest, Duplicates) {
  Link link(simulator, {.duplicate = 1, .duplicate_delay = 2ms}, *this);
  Send(link, 2, 10ms);
  ASSERT_EQ(arrivals.size(), 4u);
  EXPECT_EQ(arrivals[1].number, 0u);
  EXPECT_EQ(arrivals[1].at, Duration(2ms));
}

TEST_F(LinkTest, FlipsOneBit) {
  Link link(simulator, {.flip = 1}, *this);
  Send(link, 1, 0ms);
  ASSERT_EQ(arrivals.size(), 1u);
  int ones = 0;
  for (std::byte byte : arrivals[0].bytes) {
    ones += std::popcount(std::to_integer<unsigned>(byte));
  }
  EXPECT_EQ(ones, 1);
}

TEST_F(LinkTest, Truncates) {
  Link link(simulator, {.truncate = 1}, *this);
  Send(link, 50, 1ms);
  for (const Arrival& arrival : arrivals) {
    EXPECT_LT(arrival.bytes.size(), kSize);
  }
  EXPECT_EQ(link.stats().corrupted, 50u);
}

TEST_F(LinkTest, LosesEverythingWhileDown) {
  Link link(simulator, {}, *this);
  link.set_up(false);
  Send(link, 5, 1ms);
  link.set_up(true);
  Send(link, 1, 1ms);
  EXPECT_EQ(arrivals.size(), 1u);
  EXPECT_EQ(link.stats().lost, 5u);
}

TEST_F(LinkTest, RunsAreAlikeForOneSeedAndDifferForAnother) {
  const auto run = [](std::uint64_t seed) {
    Simulator simulator(seed);
    Wire wire(simulator, {.delay = 1ms, .jitter = 1ms, .loss = 0.1}, {});
    std::vector<Duration> arrivals;
    wire.b().Bind(1, [&](const auto&, const auto&, MutableByteSpan) {
      arrivals.push_back(simulator.elapsed());
    });
    for (int i = 0; i < 100; ++i) {
      wire.a().Send(1, {.ip = wire.b().v4(), .port = 1}, {});
      simulator.RunFor(1ms);
    }
    return arrivals;
  };
  EXPECT_EQ(run(5), run(5));
  EXPECT_NE(run(5), run(6));
}

}  // namespace
}  // namespace p2pcp::sim
