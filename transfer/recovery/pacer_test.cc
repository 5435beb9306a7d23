#include "transfer/recovery/pacer.h"

#include <gtest/gtest.h>

namespace p2pcp {
namespace {

constexpr TimePoint kStart{1s};
constexpr std::size_t kPacket = 1'000;

// Sends all it may at now; how many packets.
int Burst(Pacer& pacer, TimePoint now) {
  int packets = 0;
  while (pacer.CanSend(now) && packets < 100'000) {
    pacer.OnSent(kPacket);
    ++packets;
  }
  return packets;
}

void SetRate(Pacer& pacer, TimePoint now, std::uint64_t rate) {
  pacer.SetRate(now, rate, rate, 50ms, kPacket);
}

TEST(Pacer, BeginsWithTenPackets) {
  Pacer pacer(kStart, kPacket);
  SetRate(pacer, kStart, 1'000'000);
  EXPECT_EQ(Burst(pacer, kStart), 10);
  EXPECT_EQ(Burst(pacer, kStart), 0);
}

TEST(Pacer, AllowsAtOnceWhatItWouldOneByOne) {
  for (const std::uint64_t rate : {0, 1'000'000, 20'000'000, 350'000'000}) {
    Pacer one_by_one(kStart, kPacket);
    Pacer at_once(kStart, kPacket);
    SetRate(one_by_one, kStart, rate == 0 ? Pacer::kMaxPacedRate + 1 : rate);
    SetRate(at_once, kStart, rate == 0 ? Pacer::kMaxPacedRate + 1 : rate);
    for (int i = 0; i < 1'000; ++i) {
      const TimePoint now = kStart + i * 170us;
      int burst = 0;
      while (burst < 30 && one_by_one.CanSend(now)) {
        one_by_one.OnSent(kPacket);
        ++burst;
      }
      std::uint64_t run = 0;
      while (const std::uint64_t more = at_once.Allows(now, 30 - run)) {
        at_once.OnSent(more * kPacket);
        run += more;
        if (run == 30) break;
      }
      EXPECT_EQ(run, static_cast<std::uint64_t>(burst)) << rate;
    }
  }
}

TEST(Pacer, KeepsTheRateInBurstsOfAMillisecond) {
  Pacer pacer(kStart, kPacket);
  SetRate(pacer, kStart, 20'000'000);
  TimePoint now = kStart;
  Burst(pacer, now);
  std::uint64_t packets = 0;
  while (now < kStart + 1s) {
    now = pacer.NextSendTime();
    const int burst = Burst(pacer, now);
    EXPECT_EQ(burst, 20);
    packets += static_cast<std::uint64_t>(burst);
  }
  EXPECT_NEAR(static_cast<double>(packets), 20'000, 25);
}

// Nanoseconds, no timer of a millisecond caps the rate: 2.8 Gbit/s in trains of
// at most one GSO send.
TEST(Pacer, BurstsAreAtMostOneTrain) {
  Pacer pacer(kStart, kPacket);
  SetRate(pacer, kStart, 350'000'000);
  TimePoint now = kStart;
  Burst(pacer, now);
  std::uint64_t packets = 0;
  while (now < kStart + 10ms) {
    now = pacer.NextSendTime();
    const int burst = Burst(pacer, now);
    EXPECT_LE(burst, 44);
    packets += static_cast<std::uint64_t>(burst);
  }
  EXPECT_NEAR(static_cast<double>(packets), 3'500, 50);
}

TEST(Pacer, SlowPathsGetTwoPacketsAtATime) {
  Pacer pacer(kStart, kPacket);
  SetRate(pacer, kStart, 10'000);
  Burst(pacer, kStart);
  const TimePoint next = pacer.NextSendTime();
  EXPECT_EQ(Burst(pacer, next), 2);
  const Duration wait = pacer.NextSendTime() - next;
  EXPECT_GE(wait, Duration(200ms));
  EXPECT_LT(wait, Duration(200ms + 1us));
}

// A path that swallows a probe each 30 ms for ten minutes: when it works again
// the next packet is due within two bursts.
TEST(Pacer, ProbesThatDidNotAskDelayTheNextByABurst) {
  Pacer pacer(kStart, kPacket);
  SetRate(pacer, kStart, 4'000);
  TimePoint now = kStart;
  for (int i = 0; i < 20'000; ++i, now += 30ms) {
    pacer.CanSend(now);
    pacer.OnSent(kPacket);
  }
  ASSERT_FALSE(pacer.CanSend(now));
  EXPECT_LE(pacer.NextSendTime() - now, Duration(1s) + 1us);
  // Nor is what a fast path owes carried over to a slow one.
  SetRate(pacer, now, 100'000'000);
  for (int i = 0; i < 100; ++i) pacer.OnSent(kPacket);
  SetRate(pacer, now, 4'000);
  EXPECT_LE(pacer.NextSendTime() - now, Duration(1s) + 1us);
}

TEST(Pacer, NeverWakesTooEarly) {
  Pacer pacer(kStart, kPacket);
  TimePoint now = kStart;
  for (std::uint64_t rate : {1'234u, 999'999u, 12'345'678u, 374'999'999u}) {
    SetRate(pacer, now, rate);
    for (int i = 0; i < 100; ++i) {
      Burst(pacer, now);
      now = pacer.NextSendTime();
      ASSERT_TRUE(pacer.CanSend(now)) << rate;
    }
  }
}

TEST(Pacer, MakesUpForTwoMillisecondsAtOnce) {
  Pacer pacer(kStart, kPacket);
  SetRate(pacer, kStart, 10'000'000);
  Burst(pacer, kStart);
  // 1 ms of burst and 2 ms of credit, not the whole second.
  EXPECT_EQ(Burst(pacer, kStart + 1s), 30);
}

// Packets that go from now on in so long, by a sender that wakes up `late` each
// twentieth time and else when it wants to.
int Send(Pacer& pacer, TimePoint now, Duration duration, Duration late) {
  int packets = 0;
  const TimePoint end = now + duration;
  for (int i = 0; now < end; ++i) {
    packets += Burst(pacer, now);
    now = pacer.NextSendTime() + (i % 20 == 0 ? late : Duration(0));
  }
  return packets;
}

TEST(Pacer, LosesNothingToWakeUpsThatAreLateNowAndThen) {
  for (const Duration late : {1ms, 3ms, 5ms}) {
    Pacer pacer(kStart, kPacket);
    SetRate(pacer, kStart, 10'000'000);
    EXPECT_NEAR(Send(pacer, kStart, 2s, late), 20'000, 200) << late.count();
  }
}

TEST(Pacer, MakesUpForTenMillisecondsInAll) {
  Pacer pacer(kStart, kPacket);
  SetRate(pacer, kStart, 10'000'000);
  Burst(pacer, kStart);
  const TimePoint late = kStart + 1s;
  // By a quarter more, as long as that takes.
  EXPECT_NEAR(Send(pacer, late, 20ms, 0ms), 30 + 250, 15);
  EXPECT_NEAR(Send(pacer, late + 20ms, 80ms, 0ms), 800 + 50, 15);
}

TEST(Pacer, WhatAFastPathWasOwedIsNotSentOnASlowOne) {
  Pacer pacer(kStart, kPacket);
  SetRate(pacer, kStart, 100'000'000);
  Burst(pacer, kStart);
  const TimePoint late = kStart + 1s;
  Burst(pacer, late);  // 10 ms of it are owed: 1,000 packets.
  SetRate(pacer, late, 1'000'000);
  EXPECT_NEAR(Send(pacer, late, 1s, 0ms), 1'000 + 10, 15);
}

TEST(Pacer, OwesNothingToWhoDidNotWaitForIt) {
  Pacer pacer(kStart, kPacket);
  SetRate(pacer, kStart, 10'000'000);
  ASSERT_TRUE(pacer.CanSend(kStart));
  EXPECT_NEAR(Send(pacer, kStart + 1s, 100ms, 0ms), 30 + 1'000, 15);
}

TEST(Pacer, LeavesFastAndShortPathsToTheWindow) {
  Pacer pacer(kStart, kPacket);
  pacer.SetRate(kStart, 500'000'000, 400'000'000, 50ms, kPacket);
  EXPECT_EQ(Burst(pacer, kStart), 100'000);
  EXPECT_EQ(pacer.rate(), 0u);
  pacer.SetRate(kStart, 1'000'000, 1'000'000, 199us, kPacket);
  EXPECT_EQ(Burst(pacer, kStart), 100'000);
  pacer.SetRate(kStart, 1'000'000, 1'000'000, 201us, kPacket);
  Burst(pacer, kStart);
  EXPECT_EQ(Burst(pacer, kStart), 0);
}

}  // namespace
}  // namespace p2pcp
