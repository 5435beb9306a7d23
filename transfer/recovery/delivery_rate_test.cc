#include "transfer/recovery/delivery_rate.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "net/base/packet_number.h"
#include "net/base/time.h"

namespace p2pcp {
namespace {

constexpr TimePoint kStart{1s};
constexpr std::size_t kSize = 1000;

PacketNumber N(std::uint64_t number) { return PacketNumber(number); }

TEST(DeliveryRate, IsWhatArrivedSinceTheTrainWasSent) {
  DeliveryRate rate;
  // Ten packets, one each 10 ms, and their ACKs 100 ms later.
  for (std::uint64_t i = 0; i < 20; ++i) {
    const TimePoint now = kStart + i * 10ms;
    if (i >= 10) {
      const auto sample = rate.OnAcked(now, N(i - 10), kSize, 100ms);
      EXPECT_TRUE(sample.known);
      EXPECT_EQ(sample.lost, 0u);
    }
    rate.OnSent(now, N(i), kSize, (std::min<std::uint64_t>(i, 9) + 1) * kSize);
  }
  const auto sample = rate.OnAcked(kStart + 200ms, N(10), kSize, 100ms);
  EXPECT_EQ(sample.delivered, 10 * kSize);
  EXPECT_EQ(sample.interval, Duration(100ms));
  EXPECT_NEAR(sample.rate, 100'000, 1);
  EXPECT_FALSE(sample.train.app_limited);
}

// Of ten packets each second one arrives, though no loss has been declared.
TEST(DeliveryRate, KnowsWhatWasSentForWhatArrived) {
  DeliveryRate rate;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const TimePoint now = kStart + i * 10ms;
    if (i >= 10 && i % 2 == 0) {
      const auto sample = rate.OnAcked(now, N(i - 10), kSize, 50ms);
      if (i >= 30) {
        EXPECT_EQ(sample.sent, 10 * kSize) << i;
        EXPECT_EQ(sample.delivered, 5 * kSize) << i;
      }
    }
    rate.OnSent(now, N(i), kSize, (std::min<std::uint64_t>(i, 9) + 1) * kSize);
  }
}

TEST(DeliveryRate, CompressedAcksDoNotRaiseIt) {
  DeliveryRate rate;
  for (std::uint64_t i = 0; i < 10; ++i) {
    rate.OnSent(kStart + i * 10ms, N(i), kSize, (i + 1) * kSize);
  }
  rate.OnAcked(kStart + 110ms, N(0), kSize, 50ms);
  rate.OnSent(kStart + 110ms, N(10), kSize, 10 * kSize);
  rate.OnAcked(kStart + 190ms, N(5), 5 * kSize, 50ms);
  // All the rest at once: what was sent over 60 ms did not arrive in 20.
  const auto sample = rate.OnAcked(kStart + 210ms, N(10), 5 * kSize, 50ms);
  EXPECT_EQ(sample.interval, Duration(110ms));
  EXPECT_EQ(sample.delivered, 10 * kSize);
}

TEST(DeliveryRate, IntervalsBelowTheMinimumRoundTripGiveNone) {
  DeliveryRate rate;
  rate.OnSent(kStart, N(0), kSize, kSize);
  const auto sample = rate.OnAcked(kStart + 10ms, N(0), kSize, 20ms);
  EXPECT_TRUE(sample.known);
  EXPECT_EQ(sample.rate, 0);
}

TEST(DeliveryRate, APacketOfOneInstantIsOfOneTrain) {
  DeliveryRate rate;
  for (std::uint64_t i = 0; i < 44; ++i) {
    rate.OnSent(kStart, N(i), kSize, (i + 1) * kSize);
  }
  EXPECT_EQ(rate.trains(), 1u);
  EXPECT_EQ(rate.Find(N(43))->in_flight, 44 * kSize);
  rate.OnSent(kStart + 1ms, N(50), kSize, 45 * kSize);
  EXPECT_EQ(rate.trains(), 2u);
  EXPECT_EQ(rate.Find(N(43))->first_number, 0u);
  EXPECT_EQ(rate.Find(N(50))->first_number, 50u);
  rate.Forget(N(50));
  EXPECT_EQ(rate.trains(), 1u);
  EXPECT_EQ(rate.Find(N(43)), nullptr);
}

TEST(DeliveryRate, RemembersEveryTrainThatIsInFlight) {
  DeliveryRate rate;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    rate.OnSent(kStart + i * 1us, N(i), kSize, (i + 1) * kSize);
    if (i % 3 == 0) rate.Forget(N(i / 2));
  }
  for (std::uint64_t i = 500; i < 1000; ++i) {
    ASSERT_NE(rate.Find(N(i)), nullptr);
    EXPECT_EQ(rate.Find(N(i))->first_number, i);
  }
}

TEST(DeliveryRate, CountsLostBytesAndRanges) {
  DeliveryRate rate;
  rate.OnSent(kStart, N(0), kSize, kSize);
  for (std::uint64_t number : {0, 1, 2, 5, 6, 9}) rate.OnLost(N(number), kSize);
  EXPECT_EQ(rate.lost(), 6 * kSize);
  EXPECT_EQ(rate.lost_ranges(), 3u);
  rate.OnSent(kStart + 1ms, N(10), kSize, 2 * kSize);
  rate.OnLost(N(12), kSize);
  const auto sample = rate.OnAcked(kStart + 9ms, N(10), kSize, 1ms);
  EXPECT_EQ(sample.lost, kSize);
  EXPECT_EQ(sample.lost_ranges, 1u);
}

TEST(DeliveryRate, IsAppLimitedUntilWhatWasInFlightHasArrived) {
  DeliveryRate rate;
  rate.OnSent(kStart, N(0), kSize, kSize);
  rate.OnAppLimited(kSize);
  rate.OnSent(kStart + 1ms, N(1), kSize, 2 * kSize);
  EXPECT_TRUE(rate.Find(N(1))->app_limited);
  rate.OnAcked(kStart + 10ms, N(0), kSize, 1ms);
  EXPECT_TRUE(rate.app_limited());
  rate.OnAcked(kStart + 11ms, N(1), kSize, 1ms);
  EXPECT_FALSE(rate.app_limited());
}

}  // namespace
}  // namespace p2pcp
