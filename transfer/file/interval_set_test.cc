#include "transfer/file/interval_set.h"

#include <gtest/gtest.h>

#include <vector>

#include "net/base/random.h"

namespace p2pcp::file {
namespace {

TEST(IntervalSet, JoinsWhatTouches) {
  IntervalSet set(10);
  EXPECT_TRUE(set.Add(10, 20));
  EXPECT_TRUE(set.Add(30, 40));
  EXPECT_EQ(set.intervals(), 2u);
  EXPECT_TRUE(set.Add(20, 30));
  EXPECT_EQ(set.intervals(), 1u);
  EXPECT_EQ(set.bytes(), 30u);
  EXPECT_EQ(set.ContiguousEnd(10), 40u);
  EXPECT_EQ(set.ContiguousEnd(9), 9u);
  EXPECT_EQ(set.ContiguousEnd(40), 40u);
}

TEST(IntervalSet, FindsTheFirstGap) {
  IntervalSet set(10);
  ASSERT_TRUE(set.Add(10, 20));
  ASSERT_TRUE(set.Add(30, 40));
  EXPECT_EQ(set.FirstGap(0, 50), (Interval{0, 10}));
  EXPECT_EQ(set.FirstGap(10, 50), (Interval{20, 30}));
  EXPECT_EQ(set.FirstGap(15, 25), (Interval{20, 25}));
  EXPECT_EQ(set.FirstGap(30, 50), (Interval{40, 50}));
  EXPECT_EQ(set.FirstGap(12, 20), (Interval{20, 20}));
  EXPECT_EQ(set.FirstGap(22, 25), (Interval{22, 25}));
  EXPECT_EQ(set.FirstGap(45, 50), (Interval{45, 50}));
}

TEST(IntervalSet, RefusesOneTooManyButStillJoins) {
  IntervalSet set(2);
  ASSERT_TRUE(set.Add(0, 1));
  ASSERT_TRUE(set.Add(10, 11));
  EXPECT_FALSE(set.Add(5, 6));
  EXPECT_EQ(set.bytes(), 2u);
  EXPECT_TRUE(set.Add(1, 2));
  EXPECT_TRUE(set.Add(2, 10));
  EXPECT_TRUE(set.Add(20, 21));
  EXPECT_EQ(set.intervals(), 2u);
}

TEST(IntervalSet, RemovingMayTakeAnIntervalToo) {
  IntervalSet set(1);
  ASSERT_TRUE(set.Add(0, 10));
  EXPECT_FALSE(set.Remove(4, 5));
  EXPECT_EQ(set.bytes(), 10u);
  EXPECT_TRUE(set.Remove(9, 12));
  EXPECT_EQ(set.bytes(), 9u);
}

TEST(IntervalSet, AgreesWithAMapOfBytes) {
  constexpr std::size_t kSize = 200;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    IntervalSet set(kSize);
    std::vector<bool> model(kSize);
    for (int step = 0; step < 60; ++step) {
      const std::uint64_t begin = random.Below(kSize);
      const std::uint64_t end =
          std::min<std::uint64_t>(kSize, begin + 1 + random.Below(12));
      const bool add = random.Below(3) > 0;
      ASSERT_TRUE(add ? set.Add(begin, end) : set.Remove(begin, end));
      for (std::uint64_t i = begin; i < end; ++i) model[i] = add;

      std::size_t bytes = 0;
      std::size_t intervals = 0;
      for (std::size_t i = 0; i < kSize; ++i) {
        bytes += model[i];
        intervals += model[i] && (i == 0 || !model[i - 1]);
      }
      ASSERT_EQ(set.bytes(), bytes);
      ASSERT_EQ(set.intervals(), intervals);
      const std::uint64_t from = random.Below(kSize);
      std::uint64_t contiguous = from;
      while (contiguous < kSize && model[contiguous]) ++contiguous;
      ASSERT_EQ(set.ContiguousEnd(from), contiguous);
      std::uint64_t gap_end = contiguous;
      while (gap_end < kSize && !model[gap_end]) ++gap_end;
      ASSERT_EQ(set.FirstGap(from, kSize), (Interval{contiguous, gap_end}));
      const std::uint64_t to = from + random.Below(kSize - from + 1);
      std::uint64_t in_part = 0;
      for (std::uint64_t i = from; i < to; ++i) in_part += model[i];
      ASSERT_EQ(set.BytesIn(from, to), in_part);
    }
  }
}

}  // namespace
}  // namespace p2pcp::file
