#include "transfer/file/interval_set.h"

#include <algorithm>

#include "net/base/check.h"

namespace p2pcp::file {

IntervalSet::IntervalSet(std::size_t max_intervals)
    : max_intervals_(max_intervals) {
  intervals_.reserve(max_intervals);
}

std::size_t IntervalSet::Find(std::uint64_t offset, bool touching) const {
  // Most calls concern the highest interval: the next bytes in order.
  if (!intervals_.empty() && intervals_.back().begin <= offset) {
    const Interval& last = intervals_.back();
    const bool found = touching ? last.end >= offset : last.end > offset;
    return intervals_.size() - (found ? 1 : 0);
  }
  const auto it = std::partition_point(
      intervals_.begin(), intervals_.end(), [&](const Interval& interval) {
        return touching ? interval.end < offset : interval.end <= offset;
      });
  return static_cast<std::size_t>(it - intervals_.begin());
}

bool IntervalSet::Add(std::uint64_t begin, std::uint64_t end) {
  P2PCP_CHECK(begin < end);
  // [first, last) are the intervals that the new one touches.
  const std::size_t first = Find(begin, /*touching=*/true);
  std::size_t last = first;
  Interval merged{begin, end};
  std::uint64_t replaced = 0;
  while (last < intervals_.size() && intervals_[last].begin <= end) {
    merged.begin = std::min(merged.begin, intervals_[last].begin);
    merged.end = std::max(merged.end, intervals_[last].end);
    replaced += intervals_[last].size();
    ++last;
  }
  const auto position = intervals_.begin() + static_cast<std::ptrdiff_t>(first);
  if (first == last) {
    if (intervals_.size() == max_intervals_) return false;
    intervals_.insert(position, merged);
  } else {
    *position = merged;
    intervals_.erase(position + 1,
                     intervals_.begin() + static_cast<std::ptrdiff_t>(last));
  }
  bytes_ += merged.size() - replaced;
  return true;
}

std::uint64_t IntervalSet::BytesIn(std::uint64_t begin,
                                   std::uint64_t end) const {
  std::uint64_t bytes = 0;
  for (std::size_t i = Find(begin, /*touching=*/false);
       i < intervals_.size() && intervals_[i].begin < end; ++i) {
    bytes +=
        std::min(intervals_[i].end, end) - std::max(intervals_[i].begin, begin);
  }
  return bytes;
}

Interval IntervalSet::FirstGap(std::uint64_t begin, std::uint64_t end) const {
  P2PCP_CHECK(begin <= end);
  const std::size_t index = Find(begin, /*touching=*/false);
  if (index == intervals_.size()) return {begin, end};
  const Interval& interval = intervals_[index];
  if (interval.begin > begin) return {begin, std::min(end, interval.begin)};
  if (interval.end >= end) return {end, end};
  const std::uint64_t next = index + 1 < intervals_.size()
                                 ? std::min(end, intervals_[index + 1].begin)
                                 : end;
  return {interval.end, next};
}

std::uint64_t IntervalSet::ContiguousEnd(std::uint64_t begin) const {
  const std::size_t index = Find(begin, /*touching=*/false);
  if (index == intervals_.size() || intervals_[index].begin > begin) {
    return begin;
  }
  return intervals_[index].end;
}

bool IntervalSet::Remove(std::uint64_t begin, std::uint64_t end) {
  P2PCP_CHECK(begin < end);
  std::size_t at = Find(begin, /*touching=*/false);
  if (at < intervals_.size() && intervals_[at].begin < begin &&
      intervals_[at].end > end) {
    if (intervals_.size() == max_intervals_) return false;
    const Interval rest{end, intervals_[at].end};
    intervals_[at].end = begin;
    intervals_.insert(intervals_.begin() + static_cast<std::ptrdiff_t>(at) + 1,
                      rest);
    bytes_ -= end - begin;
    return true;
  }
  if (at < intervals_.size() && intervals_[at].begin < begin) {
    bytes_ -= intervals_[at].end - begin;
    intervals_[at].end = begin;
    ++at;
  }
  std::size_t last = at;
  while (last < intervals_.size() && intervals_[last].end <= end) {
    bytes_ -= intervals_[last].size();
    ++last;
  }
  if (last < intervals_.size() && intervals_[last].begin < end) {
    bytes_ -= end - intervals_[last].begin;
    intervals_[last].begin = end;
  }
  intervals_.erase(intervals_.begin() + static_cast<std::ptrdiff_t>(at),
                   intervals_.begin() + static_cast<std::ptrdiff_t>(last));
  return true;
}

}  // namespace p2pcp::file
