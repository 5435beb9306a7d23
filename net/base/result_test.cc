#include "net/base/result.h"

#include <cerrno>
#include <memory>

#include "gtest/gtest.h"

namespace p2pcp {
namespace {

Result<int> ParseDigit(char c) {
  if (c < '0' || c > '9') return Error{ErrorCode::kMalformed, "not a digit"};
  return c - '0';
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(*ParseDigit('7'), 7);
  ASSERT_FALSE(ParseDigit('x').ok());
  EXPECT_EQ(ParseDigit('x').error().code, ErrorCode::kMalformed);
}

TEST(Result, CarriesMoveOnlyValues) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
  std::unique_ptr<int> value = *std::move(result);
  EXPECT_EQ(*value, 3);
}

TEST(Result, AnnotatePutsTheContextFirst) {
  Error error = Annotate(Error{ErrorCode::kOther, "full"}, "writing x");
  EXPECT_EQ(error.message, "writing x: full");
}

TEST(Result, ErrnoErrorNamesTheCause) {
  Error error = ErrnoError(ErrorCode::kCannotWrite, "out", ENOSPC);
  EXPECT_EQ(error.message, "out: No space left on device");
  EXPECT_EQ(error.os_errno, ENOSPC);
}

TEST(ResultDeathTest, ReadingTheValueOfAnErrorIsABug) {
  Result<int> result = Error{ErrorCode::kOther, "no"};
  EXPECT_DEATH((void)result.value(), "bug: check failed");
}

}  // namespace
}  // namespace p2pcp
