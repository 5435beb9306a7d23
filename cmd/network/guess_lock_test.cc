#include "cmd/network/guess_lock.h"

#include <gtest/gtest.h>

#include <optional>

namespace p2pcp::cmd {
namespace {

TEST(GuessLock, IsOneForAllAndFreeAgainWhenItGoes) {
  std::optional<GuessLock> first = GuessLock::Try();
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(GuessLock::Try().has_value());
  first.reset();
  EXPECT_TRUE(GuessLock::Try().has_value());
}

}  // namespace
}  // namespace p2pcp::cmd
