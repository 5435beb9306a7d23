#include "net/ice/probe_budget.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace p2pcp::ice {
namespace {

constexpr TimePoint kStart{1s};

IpAddress Ip(std::uint8_t a, std::uint8_t b) {
  return IpAddress::V4({203, 0, a, b});
}

int TakeAll(ProbeBudget& budget, TimePoint now, const IpAddress& ip) {
  int taken = 0;
  while (taken < 100'000 && budget.Take(now, ip)) ++taken;
  return taken;
}

TEST(ProbeBudget, GivesABurstAndThenOneASecond) {
  ProbeBudget budget;
  EXPECT_EQ(TakeAll(budget, kStart, Ip(0, 1)), 160);
  EXPECT_EQ(TakeAll(budget, kStart + 900ms, Ip(0, 1)), 0);
  EXPECT_EQ(TakeAll(budget, kStart + 10s, Ip(0, 1)), 10);
  EXPECT_EQ(TakeAll(budget, kStart + 10s, Ip(0, 2)), 160);
  EXPECT_EQ(TakeAll(budget, kStart + 1h, Ip(0, 1)), 160);
}

TEST(ProbeBudget, GivesAllOfItAgainAfterAProof) {
  ProbeBudget budget;
  EXPECT_EQ(TakeAll(budget, kStart, Ip(0, 1)), 160);
  budget.Prove(kStart, Ip(0, 1));
  EXPECT_EQ(TakeAll(budget, kStart, Ip(0, 1)), 160);
  budget.Prove(kStart + 29s, Ip(0, 1));
  EXPECT_EQ(TakeAll(budget, kStart + 29s, Ip(0, 1)), 29);
  budget.Prove(kStart + 30s, Ip(0, 1));
  EXPECT_EQ(TakeAll(budget, kStart + 30s, Ip(0, 1)), 160);
}

TEST(ProbeBudget, KeepsABoundedNumberOfAddresses) {
  ProbeBudget budget;
  int served = 0;
  for (int i = 0; i < 1'000; ++i) {
    served += budget.Take(kStart, Ip(static_cast<std::uint8_t>(i / 256),
                                     static_cast<std::uint8_t>(i % 256)));
  }
  EXPECT_EQ(served, 256);
  // Those that have refilled make room.
  EXPECT_TRUE(budget.Take(kStart + 2s, Ip(9, 9)));
}

}  // namespace
}  // namespace p2pcp::ice
