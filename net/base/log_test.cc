#include "net/base/log.h"

#include "gtest/gtest.h"

namespace p2pcp {
namespace {

TEST(LogLimiter, LetsABurstPassThenOnePerInterval) {
  LogLimiter limiter(2, 10s);
  TimePoint now{1s};
  EXPECT_TRUE(limiter.Allow(now));
  EXPECT_TRUE(limiter.Allow(now));
  EXPECT_FALSE(limiter.Allow(now + 1s));
  EXPECT_FALSE(limiter.Allow(now + 9s));
  EXPECT_TRUE(limiter.Allow(now + 10s));
  EXPECT_EQ(limiter.TakeSuppressed(), 2u);
  EXPECT_EQ(limiter.TakeSuppressed(), 0u);
}

}  // namespace
}  // namespace p2pcp
