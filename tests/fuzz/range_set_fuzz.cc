// RangeSet and IntervalSet against a std::set of the integers in them, over a
// small universe at any place of the large one.

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "net/base/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "transfer/file/interval_set.h"
#include "transfer/recovery/range_set.h"

namespace p2pcp {
namespace {

constexpr std::size_t kMaxOperations = 300;
constexpr std::uint64_t kUniverse = 256;

// The runs of a set, which both keep as ranges.
std::vector<RangeSet::Range> Runs(const std::set<std::uint64_t>& set) {
  std::vector<RangeSet::Range> runs;
  for (const std::uint64_t value : set) {
    if (!runs.empty() && runs.back().end == value) {
      ++runs.back().end;
    } else {
      runs.push_back({value, value + 1});
    }
  }
  return runs;
}

class RangeModel {
 public:
  explicit RangeModel(std::uint64_t base) : base_(base) {}

  void Step(std::uint8_t operation, std::uint64_t begin, std::uint64_t end) {
    switch (operation % 4) {
      case 0:
      case 1: {
        const std::size_t before = Runs(model_).size();
        const bool would_add = ranges_.WouldAddRange(begin, end);
        const std::size_t old = model_.size();
        for (std::uint64_t i = begin; i < end; ++i) model_.insert(i);
        P2PCP_CHECK(ranges_.Insert(begin, end) == model_.size() - old);
        P2PCP_CHECK(would_add == (Runs(model_).size() > before));
        break;
      }
      case 2: {
        const std::size_t old = model_.size();
        for (std::uint64_t i = begin; i < end; ++i) model_.erase(i);
        P2PCP_CHECK(ranges_.Erase(begin, end) == old - model_.size());
        break;
      }
      case 3:
        if (ranges_.empty()) break;
        const std::uint64_t n = (end - begin) % (ranges_.Front().size() + 1);
        ranges_.PopFront(n);
        for (std::uint64_t i = 0; i < n; ++i) model_.erase(model_.begin());
        break;
    }
    Check(begin, end);
  }

 private:
  void Check(std::uint64_t begin, std::uint64_t end) const {
    const std::vector<RangeSet::Range> runs = Runs(model_);
    P2PCP_CHECK(ranges_.size() == model_.size());
    P2PCP_CHECK(ranges_.range_count() == runs.size());
    P2PCP_CHECK(ranges_.empty() == model_.empty());
    if (!runs.empty()) P2PCP_CHECK(ranges_.Front() == runs.front());
    std::vector<RangeSet::Range> present;
    ranges_.ForEachPresent(base_, base_ + kUniverse, [&](RangeSet::Range run) {
      present.push_back(run);
      return true;
    });
    P2PCP_CHECK(present == runs);
    std::uint64_t covered = 0;
    ranges_.ForEachMissing(begin, end, [&](RangeSet::Range gap) {
      for (std::uint64_t i = gap.begin; i < gap.end; ++i) {
        P2PCP_CHECK(i >= begin && i < end && !model_.contains(i));
      }
      covered += gap.size();
      return true;
    });
    std::uint64_t inside = 0;
    for (std::uint64_t i = begin; i < end; ++i) inside += model_.contains(i);
    P2PCP_CHECK(inside + covered == end - begin);
    P2PCP_CHECK(ranges_.ContainsAll(begin, end) == (covered == 0));
    P2PCP_CHECK(ranges_.ContainsAny(begin, end) == (inside > 0));
  }

  const std::uint64_t base_;
  RangeSet ranges_;
  std::set<std::uint64_t> model_;
};

class IntervalModel {
 public:
  explicit IntervalModel(std::size_t max) : max_(max), intervals_(max) {}

  void Step(std::uint64_t begin, std::uint64_t end) {
    std::set<std::uint64_t> added = model_;
    for (std::uint64_t i = begin; i < end; ++i) added.insert(i);
    const bool fits = Runs(added).size() <= max_;
    P2PCP_CHECK(intervals_.Add(begin, end) == fits);
    if (fits) model_ = added;
    P2PCP_CHECK(intervals_.bytes() == model_.size());
    P2PCP_CHECK(intervals_.intervals() == Runs(model_).size());
    file::Interval gap{end, end};
    for (std::uint64_t i = end; i-- > begin;) {
      if (model_.contains(i)) {
        if (gap.begin == i + 1) continue;
      } else {
        gap = gap.begin == i + 1 && !gap.empty() ? file::Interval{i, gap.end}
                                                 : file::Interval{i, i + 1};
      }
    }
    P2PCP_CHECK(intervals_.FirstGap(begin, end) == gap);
    std::uint64_t open = begin;
    while (model_.contains(open)) ++open;
    P2PCP_CHECK(intervals_.ContiguousEnd(begin) == open);
  }

 private:
  const std::size_t max_;
  file::IntervalSet intervals_;
  std::set<std::uint64_t> model_;
};

void Run(fuzz::FuzzInput input) {
  // Where numbers begin, end, or are middling.
  constexpr std::uint64_t kBases[] = {0, 1'000'000, (1ULL << 48) - kUniverse,
                                      ~std::uint64_t{0} - kUniverse};
  const std::uint64_t base = kBases[input.TakeU8() % std::size(kBases)];
  RangeModel ranges(base);
  IntervalModel intervals(input.TakeU8() % 8 + 1);
  for (std::size_t i = 0; i < kMaxOperations && !input.empty(); ++i) {
    const std::uint8_t operation = input.TakeU8();
    const std::uint64_t begin = base + input.TakeU8() % (kUniverse - 1);
    const std::uint64_t room = base + kUniverse - begin;
    const std::uint64_t end = begin + 1 + input.TakeU8() % room;
    if ((operation & 4) != 0) {
      intervals.Step(begin, end);
    } else {
      ranges.Step(operation, begin, end);
    }
  }
}

}  // namespace
}  // namespace p2pcp

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  p2pcp::Run(p2pcp::fuzz::FuzzInput(p2pcp::fuzz::InputBytes(data, size)));
  return 0;
}
