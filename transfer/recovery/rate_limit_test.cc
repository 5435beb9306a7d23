#include "transfer/recovery/rate_limit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

namespace p2pcp {
namespace {

constexpr TimePoint kStart{1s};
constexpr std::size_t kPayload = 1'444;
constexpr std::size_t kOverhead = 56;
constexpr std::uint64_t kPacket = kPayload + kOverhead;

// Sends all it may at now; bytes on the wire.
std::uint64_t Burst(RateLimit& limit, TimePoint now) {
  std::uint64_t bytes = 0;
  while (limit.CanSend(now, kPayload) && bytes < 100'000'000) {
    limit.OnSent(now, kPayload);
    bytes += kPacket;
  }
  return bytes;
}

TEST(RateLimit, NoneLetsEverythingPass) {
  RateLimit limit(kStart, 0, kOverhead);
  EXPECT_GE(Burst(limit, kStart), 100'000'000u);
}

TEST(RateLimit, IsKeptExactlyWithAllOverhead) {
  for (std::uint64_t rate :
       {1'500u, 10'240u, 1'000'000u, 100'000'000u, 1'250'000'000u}) {
    RateLimit limit(kStart, rate, kOverhead);
    TimePoint now = kStart;
    std::uint64_t bytes = 0;
    while (now < kStart + 10s) {
      const std::uint64_t burst = Burst(limit, now);
      EXPECT_LE(burst, std::max(kPacket, rate / 1000 + kPacket)) << rate;
      bytes += burst;
      const TimePoint next = limit.NextSendTime();
      ASSERT_GT(next, now) << rate;
      now = next;
    }
    const double wanted = 10.0 * static_cast<double>(rate);
    EXPECT_NEAR(static_cast<double>(bytes), wanted,
                wanted / 1000 + 2.0 * kPacket)
        << rate;
  }
}

TEST(RateLimit, MakesUpForTenMillisecondsOfLatenessAndNoMore) {
  RateLimit limit(kStart, 10'000'000, kOverhead);
  Burst(limit, kStart);
  EXPECT_NEAR(static_cast<double>(Burst(limit, kStart + 1s)), 100'000, kPacket);
  // Woken 8 ms late each time, it is as fast as it may be.
  std::uint64_t bytes = 0;
  TimePoint now = kStart + 1s;
  while (now < kStart + 2s) {
    now = limit.NextSendTime() + 8ms;
    bytes += Burst(limit, now);
  }
  EXPECT_NEAR(static_cast<double>(bytes), 10'000'000, 200'000);
}

TEST(RateLimit, WhatMayNotWaitIsMadeUpForLater) {
  RateLimit limit(kStart, 10'000, kOverhead);
  for (int i = 0; i < 10; ++i) limit.OnSent(kStart, kPayload);
  EXPECT_FALSE(limit.CanSend(kStart, kPayload));
  const Duration wait = limit.NextSendTime() - kStart;
  EXPECT_GE(wait, Duration(1650ms));
  EXPECT_LE(wait, Duration(1651ms));
  EXPECT_TRUE(limit.CanSend(limit.NextSendTime(), kPayload));
}

}  // namespace
}  // namespace p2pcp
