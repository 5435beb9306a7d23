// A set of byte offsets, kept as disjoint half-open intervals. What came and
// what was written of a byte space.

#ifndef P2PCP_TRANSFER_FILE_INTERVAL_SET_H_
#define P2PCP_TRANSFER_FILE_INTERVAL_SET_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace p2pcp::file {

struct Interval {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t size() const { return end - begin; }
  bool empty() const { return begin == end; }
  friend bool operator==(const Interval&, const Interval&) = default;
};

// A sorted vector with room for max_intervals from the start: nothing is
// allocated later, and whoever decides on the offsets can't make it grow.
class IntervalSet {
 public:
  explicit IntervalSet(std::size_t max_intervals);

  // Adds [begin, end); false, and nothing changes, if that takes more intervals
  // than there is room for. REQUIRES: begin < end.
  bool Add(std::uint64_t begin, std::uint64_t end);
  // Removes [begin, end); false, and nothing changes, if that takes more
  // intervals than there is room for. REQUIRES: begin < end.
  bool Remove(std::uint64_t begin, std::uint64_t end);
  // The first part of [begin, end) that is not in the set; empty, at end, if
  // all of it is.
  Interval FirstGap(std::uint64_t begin, std::uint64_t end) const;
  // The first offset from begin on that is not in the set.
  std::uint64_t ContiguousEnd(std::uint64_t begin) const;

  // How much of [begin, end) is in the set.
  std::uint64_t BytesIn(std::uint64_t begin, std::uint64_t end) const;

  // Sorted, disjoint, not touching.
  const std::vector<Interval>& list() const { return intervals_; }
  std::size_t intervals() const { return intervals_.size(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  // The first interval that ends after offset (or at it, with `touching`).
  std::size_t Find(std::uint64_t offset, bool touching) const;

  std::vector<Interval> intervals_;
  std::size_t max_intervals_;
  std::uint64_t bytes_ = 0;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_INTERVAL_SET_H_
