#include "net/base/random.h"

#include <set>

#include "gtest/gtest.h"

namespace p2pcp {
namespace {

TEST(Random, ASeedReplays) {
  SeededRandom a(7), b(7), c(8);
  const std::uint64_t first = a.NextU64();
  EXPECT_EQ(first, b.NextU64());
  EXPECT_NE(first, c.NextU64());
}

TEST(Random, BelowStaysBelowAndReachesEverything) {
  SeededRandom random(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = random.Below(10);
    ASSERT_LT(value, 10u);
    seen.insert(value);
  }
  EXPECT_EQ(seen.size(), 10u);
}

TEST(Random, NextDoubleCoversTheUnitInterval) {
  SeededRandom random(2);
  double sum = 0;
  for (int i = 0; i < 10000; ++i) {
    const double value = random.NextDouble();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  EXPECT_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(Random, TheSystemSourceDoesNotRepeat) {
  SystemRandom random;
  const auto first = random.Array<16>();
  const auto second = random.Array<16>();
  EXPECT_NE(first, second);
}

}  // namespace
}  // namespace p2pcp
