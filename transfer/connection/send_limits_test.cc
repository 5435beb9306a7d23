#include "transfer/connection/send_limits.h"

#include <gtest/gtest.h>

#include "net/base/time.h"
#include "transfer/connection/connection.h"
#include "transfer/connection/pair.h"

namespace p2pcp {
namespace {

TEST(SendLimits, ChargesTheTimeUntilTheNextChangeToTheLimitBefore) {
  const TimePoint start{5s};
  SendLimits limits;
  limits.Set(start, SendLimit::kSending);
  limits.Set(start + 1ms, SendLimit::kPath);
  limits.Set(start + 3ms, SendLimit::kPath);
  limits.Set(start + 6ms, SendLimit::kSource);
  limits.Set(start + 7ms, SendLimit::kPath);
  EXPECT_EQ(limits.Spent(start + 10ms, SendLimit::kSending), 1ms);
  EXPECT_EQ(limits.Spent(start + 10ms, SendLimit::kPath), 8ms);
  EXPECT_EQ(limits.Spent(start + 10ms, SendLimit::kSource), 1ms);
  EXPECT_EQ(limits.Spent(start + 10ms, SendLimit::kCredit), 0ms);
  EXPECT_EQ(limits.current(), SendLimit::kPath);
}

// The part of a transfer of 8 MiB that the sender spent so.
double Part(Pair& pair, SendLimit limit) {
  EXPECT_TRUE(pair.Transfer(8 << 20, 300s));
  const Duration spent = pair.sender().send_limits().Spent(pair.now(), limit);
  return static_cast<double>(spent.count()) /
         static_cast<double>(pair.elapsed().count());
}

TEST(SendLimits, ALineOfLittleRateIsThePath) {
  Pair pair({.link = {.rate = 1'000'000}});
  EXPECT_GT(Part(pair, SendLimit::kPath), 0.95);
}

TEST(SendLimits, LossesAreThePath) {
  Pair pair({.link = {.loss = 0.05, .rate = 10'000'000}});
  EXPECT_GT(Part(pair, SendLimit::kPath), 0.95);
}

TEST(SendLimits, ASlowSinkIsTheCredit) {
  Pair pair({.link = {}, .receive_budget = 256 << 10, .sink_rate = 500'000});
  EXPECT_GT(Part(pair, SendLimit::kCredit), 0.9);
}

TEST(SendLimits, ASlowSourceIsTheSource) {
  Pair pair({.link = {.delay = 1ms}, .source_delay = 20ms});
  EXPECT_GT(Part(pair, SendLimit::kSource), 0.9);
}

TEST(SendLimits, WhatIsOverIsFinished) {
  Pair pair({.link = {.delay = 1ms}});
  EXPECT_TRUE(pair.Transfer(100'000, 10s));
  EXPECT_FALSE(pair.RunUntil([] { return false; }, 1s));
  EXPECT_EQ(pair.sender().send_limits().current(), SendLimit::kFinished);
}

}  // namespace
}  // namespace p2pcp
