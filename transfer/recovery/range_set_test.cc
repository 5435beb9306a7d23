#include "transfer/recovery/range_set.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "net/base/random.h"

namespace p2pcp {
namespace {

using Range = RangeSet::Range;

std::vector<Range> All(const RangeSet& set) {
  std::vector<Range> ranges;
  set.ForEachPresent(0, ~std::uint64_t{0}, [&](Range range) {
    ranges.push_back(range);
    return true;
  });
  return ranges;
}

std::vector<Range> Missing(const RangeSet& set, std::uint64_t begin,
                           std::uint64_t end) {
  std::vector<Range> ranges;
  EXPECT_TRUE(set.ForEachMissing(begin, end, [&](Range range) {
    ranges.push_back(range);
    return true;
  }));
  return ranges;
}

TEST(RangeSet, JoinsAdjacentAndOverlappingRanges) {
  RangeSet set;
  EXPECT_EQ(set.Insert(10, 20), 10u);
  EXPECT_EQ(set.Insert(20, 30), 10u);
  EXPECT_EQ(set.Insert(40, 50), 10u);
  EXPECT_EQ(set.Insert(25, 45), 10u);
  EXPECT_EQ(All(set), (std::vector<Range>{{10, 50}}));
  EXPECT_EQ(set.size(), 40u);
  EXPECT_EQ(set.Insert(10, 50), 0u);
  EXPECT_EQ(set.Insert(7, 7), 0u);
}

TEST(RangeSet, FillingAHoleJoinsBothSides) {
  RangeSet set;
  set.Insert(0, 10);
  set.Insert(20, 30);
  EXPECT_TRUE(set.WouldAddRange(11, 19));
  EXPECT_FALSE(set.WouldAddRange(10, 11));
  EXPECT_FALSE(set.WouldAddRange(19, 20));
  EXPECT_EQ(set.Insert(10, 15), 5u);
  EXPECT_EQ(set.Insert(15, 20), 5u);
  EXPECT_EQ(All(set), (std::vector<Range>{{0, 30}}));
}

TEST(RangeSet, EraseSplitsARange) {
  RangeSet set;
  set.Insert(0, 100);
  EXPECT_EQ(set.Erase(40, 60), 20u);
  EXPECT_EQ(All(set), (std::vector<Range>{{0, 40}, {60, 100}}));
  EXPECT_EQ(set.Erase(30, 70), 20u);
  EXPECT_EQ(All(set), (std::vector<Range>{{0, 30}, {70, 100}}));
  EXPECT_EQ(set.Erase(0, 1000), 60u);
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.size(), 0u);
}

TEST(RangeSet, ErasingNothingSplitsNothing) {
  RangeSet set;
  set.Insert(0, 100);
  EXPECT_EQ(set.Erase(50, 50), 0u);
  EXPECT_EQ(set.range_count(), 1u);
}

TEST(RangeSet, PopFrontTakesTheLowest) {
  RangeSet set;
  set.Insert(5, 10);
  set.Insert(20, 25);
  set.PopFront(2);
  EXPECT_EQ(set.Front(), (Range{7, 10}));
  set.PopFront(3);
  EXPECT_EQ(set.Front(), (Range{20, 25}));
  EXPECT_EQ(set.size(), 5u);
}

TEST(RangeSet, ForEachMissingStopsWhenToldTo) {
  RangeSet set;
  set.Insert(10, 20);
  int calls = 0;
  EXPECT_FALSE(set.ForEachMissing(0, 30, [&](Range range) {
    ++calls;
    EXPECT_EQ(range, (Range{0, 10}));
    return false;
  }));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(Missing(set, 0, 30), (std::vector<Range>{{0, 10}, {20, 30}}));
  EXPECT_EQ(Missing(set, 10, 20), (std::vector<Range>{}));
}

// Against a set of integers, over every operation.
TEST(RangeSet, AgreesWithAPlainSet) {
  SeededRandom random(7);
  for (int round = 0; round < 40; ++round) {
    RangeSet set;
    std::set<std::uint64_t> plain;
    std::uint64_t next = 0;
    for (int step = 0; step < 300; ++step) {
      // Half of the ranges continue the one before, as traffic does.
      const bool follow = random.Below(2) == 0;
      const std::uint64_t begin = follow ? next : random.Below(300);
      const std::uint64_t end = begin + random.Below(12);
      next = end < 300 ? end : 0;
      if (random.Below(3) > 0) {
        const std::size_t ranges = set.range_count();
        const bool adds = set.WouldAddRange(begin, end);
        std::uint64_t added = 0;
        for (std::uint64_t i = begin; i < end; ++i) {
          added += plain.insert(i).second ? 1 : 0;
        }
        ASSERT_EQ(set.Insert(begin, end), added);
        ASSERT_EQ(set.range_count() > ranges, adds);
      } else if (random.Below(2) == 0 && !set.empty()) {
        const std::uint64_t n = random.Below(set.Front().size() + 1);
        for (std::uint64_t i = 0; i < n; ++i) plain.erase(plain.begin());
        set.PopFront(n);
      } else {
        std::uint64_t removed = 0;
        for (std::uint64_t i = begin; i < end; ++i) removed += plain.erase(i);
        ASSERT_EQ(set.Erase(begin, end), removed);
      }
      ASSERT_EQ(set.size(), plain.size());
      const std::uint64_t from = random.Below(300);
      const std::uint64_t to = from + random.Below(20);
      std::uint64_t present = 0;
      for (std::uint64_t i = from; i < to; ++i) present += plain.count(i);
      ASSERT_EQ(set.ContainsAll(from, to), present == to - from);
      ASSERT_EQ(set.ContainsAny(from, to), present > 0);
      std::uint64_t missing = 0;
      for (const Range& range : Missing(set, from, to)) {
        missing += range.size();
        for (std::uint64_t i = range.begin; i < range.end; ++i) {
          ASSERT_EQ(plain.count(i), 0u);
        }
      }
      ASSERT_EQ(missing, to - from - present);
    }
    std::vector<Range> ranges = All(set);
    for (std::size_t i = 1; i < ranges.size(); ++i) {
      ASSERT_GT(ranges[i].begin, ranges[i - 1].end);
    }
  }
}

}  // namespace
}  // namespace p2pcp
