#include "tests/lab/link_emulator/link.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "tests/lab/link_emulator/packet.h"

namespace p2pcp::lab {
namespace {

constexpr TimePoint kStart{Duration(1s)};

class LinkTest : public testing::Test {
 protected:
  // A packet of that size that carries a number of its own.
  void Send(TimePoint now, std::uint32_t number, std::size_t size = 1000) {
    PacketPtr packet = pool_.Get();
    packet->size = size;
    ByteWriter(packet->bytes()).WriteU32(number);
    link_.Send(now, std::move(packet));
  }

  struct Delivery {
    TimePoint time;
    std::uint32_t number;
  };
  // Everything, in order.
  std::vector<Delivery> DeliverAll() {
    std::vector<Delivery> deliveries;
    while (const auto next = link_.PollTimeout()) {
      EXPECT_EQ(link_.PollDelivery(*next - 1ns), nullptr);
      const PacketPtr packet = link_.PollDelivery(*next);
      EXPECT_NE(packet, nullptr);
      deliveries.push_back({*next, ByteReader(packet->bytes()).ReadU32()});
    }
    return deliveries;
  }

  SeededRandom random_{1};
  PacketPool pool_{1500};
  Link link_{random_, pool_};
};

TEST_F(LinkTest, PassesEverythingAtOnceUnlessTold) {
  for (std::uint32_t i = 0; i < 100; ++i) Send(kStart, i);
  const auto deliveries = DeliverAll();
  ASSERT_EQ(deliveries.size(), 100u);
  for (std::uint32_t i = 0; i < 100; ++i) {
    EXPECT_EQ(deliveries[i].number, i);
    EXPECT_EQ(deliveries[i].time, kStart);
  }
}

TEST_F(LinkTest, DelaysAndSpacesByRate) {
  link_.options().delay = 10ms;
  link_.options().rate = 8'000'000;  // 1,000 bytes take 1 ms.
  for (std::uint32_t i = 0; i < 3; ++i) Send(kStart, i);
  const auto deliveries = DeliverAll();
  ASSERT_EQ(deliveries.size(), 3u);
  EXPECT_EQ(deliveries[0].time, kStart + 11ms);
  EXPECT_EQ(deliveries[1].time, kStart + 12ms);
  EXPECT_EQ(deliveries[2].time, kStart + 13ms);
}

TEST_F(LinkTest, WhatIsLostHasTakenItsTimeOnTheLink) {
  link_.options().rate = 8'000'000;
  link_.options().loss = 1;
  Send(kStart, 0);
  link_.options().loss = 0;
  Send(kStart, 1);
  const auto deliveries = DeliverAll();
  ASSERT_EQ(deliveries.size(), 1u);
  EXPECT_EQ(deliveries[0].time, kStart + 2ms);
}

TEST_F(LinkTest, APolicerLetsABurstPassAndThenItsRate) {
  link_.options().policer = 8'000'000;  // 1,000 bytes a ms.
  link_.options().policer_burst = 5000;
  for (std::uint32_t i = 0; i < 10; ++i) Send(kStart, i);
  EXPECT_EQ(DeliverAll().size(), 5u);
  EXPECT_EQ(link_.stats().policed, 5u);
  // Twice its rate for 100 ms.
  for (std::uint32_t i = 1; i <= 200; ++i) Send(kStart + i * 500us, i);
  EXPECT_EQ(DeliverAll().size(), 100u);
  // The bucket holds no more than a burst, however long it fills.
  for (std::uint32_t i = 0; i < 10; ++i) Send(kStart + 10s, i);
  EXPECT_EQ(DeliverAll().size(), 5u);
}

TEST_F(LinkTest, DropsWhatFindsNoRoomInTheQueue) {
  link_.options().rate = 8'000'000;
  link_.options().queue = 3000;
  for (std::uint32_t i = 0; i < 10; ++i) Send(kStart, i);
  EXPECT_EQ(link_.stats().queue_drops, 7u);
  // After 1 ms there is room for one more.
  Send(kStart + 1ms, 10);
  Send(kStart + 1ms, 11);
  EXPECT_EQ(link_.stats().queue_drops, 8u);
  const auto deliveries = DeliverAll();
  ASSERT_EQ(deliveries.size(), 4u);
  EXPECT_EQ(deliveries[3].number, 10u);
}

TEST_F(LinkTest, LosesTheShareThatItIsTold) {
  link_.options().loss = 0.2;
  for (std::uint32_t i = 0; i < 10'000; ++i) Send(kStart, i);
  EXPECT_NEAR(static_cast<double>(link_.stats().lost), 2000, 150);
  EXPECT_EQ(DeliverAll().size(), 10'000 - link_.stats().lost);
}

TEST_F(LinkTest, LosesInBursts) {
  link_.options().burst_enter = 0.01;
  link_.options().burst_leave = 0.1;
  for (std::uint32_t i = 0; i < 100'000; ++i) Send(kStart, i);
  // Share of the bad state: enter / (enter + leave).
  const double lost = static_cast<double>(link_.stats().lost);
  EXPECT_NEAR(lost, 100'000 * 0.01 / 0.11, 1000);
  int bursts = 0;
  std::uint32_t expected = 0;
  for (const Delivery& delivery : DeliverAll()) {
    if (delivery.number != expected) ++bursts;
    expected = delivery.number + 1;
  }
  // A burst is 1 / leave packets long on average.
  EXPECT_NEAR(lost / bursts, 10, 1.5);
}

TEST_F(LinkTest, JitterKeepsOrder) {
  link_.options().delay = 10ms;
  link_.options().jitter = 5ms;
  for (std::uint32_t i = 0; i < 1000; ++i) Send(kStart + i * 100us, i);
  const auto deliveries = DeliverAll();
  ASSERT_EQ(deliveries.size(), 1000u);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(deliveries[i].number, i);
    const Duration taken = deliveries[i].time - (kStart + i * 100us);
    EXPECT_GE(taken, 10ms);
    EXPECT_LE(taken, 15ms);
  }
}

TEST_F(LinkTest, HoldsReorderedPacketsBack) {
  link_.options().reorder = 0.1;
  link_.options().reorder_delay = 3ms;
  for (std::uint32_t i = 0; i < 1000; ++i) Send(kStart + i * 1ms, i);
  EXPECT_NEAR(static_cast<double>(link_.stats().reordered), 100, 40);
  std::uint64_t late = 0;
  std::uint32_t largest = 0;
  const auto deliveries = DeliverAll();
  ASSERT_EQ(deliveries.size(), 1000u);
  for (const Delivery& delivery : deliveries) {
    if (delivery.number < largest) ++late;
    largest = std::max(largest, delivery.number);
  }
  EXPECT_GT(late, link_.stats().reordered / 2);
}

TEST_F(LinkTest, SendsCopiesOfDuplicatedPackets) {
  link_.options().duplicate = 1;
  for (std::uint32_t i = 0; i < 3; ++i) Send(kStart, i);
  const auto deliveries = DeliverAll();
  ASSERT_EQ(deliveries.size(), 6u);
  for (std::uint32_t i = 0; i < 6; ++i) {
    EXPECT_EQ(deliveries[i].number, i / 2);
  }
}

TEST_F(LinkTest, OptionsMayChangeInTheMiddle) {
  link_.options().delay = 50ms;
  Send(kStart, 0);
  link_.options().delay = 1ms;
  Send(kStart + 1ms, 1);
  const auto deliveries = DeliverAll();
  ASSERT_EQ(deliveries.size(), 2u);
  // A shorter delay makes nothing overtake.
  EXPECT_EQ(deliveries[0].number, 0u);
  EXPECT_EQ(deliveries[1].time, kStart + 50ms);
}

}  // namespace
}  // namespace p2pcp::lab
