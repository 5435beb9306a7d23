// RangeSet: a set of 64-bit integers kept as disjoint, non-adjacent ranges
// [begin, end).
//
// The usual case, a range that continues the one before it, costs a comparison;
// all others are logarithmic in the number of ranges. Ranges lie in a pool that
// keeps what it has freed, so a set that breathes does not allocate. Nothing in
// it bounds the number of ranges: whoever inserts what a peer chose asks
// WouldAddRange() first.

#ifndef P2PCP_TRANSFER_RECOVERY_RANGE_SET_H_
#define P2PCP_TRANSFER_RECOVERY_RANGE_SET_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory_resource>
#include <set>

namespace p2pcp {

class RangeSet {
 public:
  struct Range {
    std::uint64_t begin;
    std::uint64_t end;

    std::uint64_t size() const { return end - begin; }
    friend bool operator==(const Range&, const Range&) = default;
  };

  RangeSet() = default;
  RangeSet(const RangeSet&) = delete;
  RangeSet& operator=(const RangeSet&) = delete;

  bool empty() const { return nodes_.empty(); }
  std::size_t range_count() const { return nodes_.size(); }
  // Integers in the set.
  std::uint64_t size() const { return size_; }

  // The lowest range. REQUIRES: !empty().
  Range Front() const;
  // Removes the n lowest integers. REQUIRES: n <= Front().size().
  void PopFront(std::uint64_t n);

  // Adds [begin, end); how many were not in the set before.
  std::uint64_t Insert(std::uint64_t begin, std::uint64_t end);
  // Removes [begin, end); how many were in the set.
  std::uint64_t Erase(std::uint64_t begin, std::uint64_t end);
  void Clear();

  // Whether all, or any, of [begin, end) is in the set.
  bool ContainsAll(std::uint64_t begin, std::uint64_t end) const;
  bool ContainsAny(std::uint64_t begin, std::uint64_t end) const;
  // Whether Insert(begin, end) would make range_count() larger.
  bool WouldAddRange(std::uint64_t begin, std::uint64_t end) const;

  // Calls visit(Range) for each piece of [begin, end) that is not in the set,
  // in order, until visit returns false; whether none did.
  // visit must not change the set.
  template <typename Visit>
  bool ForEachMissing(std::uint64_t begin, std::uint64_t end,
                      Visit visit) const {
    if (Continues(begin, end)) return visit(Range{begin, end});
    for (auto node = FirstEndingAfter(begin); begin < end; ++node) {
      const std::uint64_t gap_end =
          node == nodes_.end() || node->begin > end ? end : node->begin;
      if (gap_end > begin && !visit(Range{begin, gap_end})) return false;
      if (gap_end == end) break;
      begin = node->end;
    }
    return true;
  }
  // The same for the pieces that are in the set.
  template <typename Visit>
  bool ForEachPresent(std::uint64_t begin, std::uint64_t end,
                      Visit visit) const {
    for (auto node = FirstEndingAfter(begin);
         node != nodes_.end() && node->begin < end; ++node) {
      const Range piece{node->begin < begin ? begin : node->begin,
                        node->end > end ? end : node->end};
      if (!visit(piece)) return false;
    }
    return true;
  }

 private:
  // Both ends may change while a node is in the tree: ranges are disjoint, so
  // the order of nodes never does.
  struct Node {
    mutable std::uint64_t begin;
    mutable std::uint64_t end;

    // By end, which finds a range by any integer in or before it.
    friend bool operator<(const Node& a, const Node& b) {
      return a.end < b.end;
    }
    friend bool operator<(const Node& a, std::uint64_t b) { return a.end < b; }
    friend bool operator<(std::uint64_t a, const Node& b) { return a < b.end; }
  };
  struct Less {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return a < b;
    }
  };
  using Nodes = std::pmr::set<Node, Less>;

  // The first range with end > value.
  Nodes::const_iterator FirstEndingAfter(std::uint64_t value) const {
    return nodes_.upper_bound(value);
  }
  // Whether [begin, end) follows the last insertion immediately, and what comes
  // after that does not begin before end.
  bool Continues(std::uint64_t begin, std::uint64_t end) const {
    return begin == hint_end_ && end <= hint_limit_;
  }
  void SetHint(Nodes::const_iterator node);
  void DropHint() {
    hint_end_ = kNoHint;
    hint_limit_ = 0;
  }

  static constexpr std::uint64_t kNoHint =
      std::numeric_limits<std::uint64_t>::max();

  std::pmr::unsynchronized_pool_resource pool_;
  Nodes nodes_{&pool_};
  std::uint64_t size_ = 0;
  // The range that grew last, its end, and the integer before which it may grow
  // without touching the next (hint_limit_ leaves a hole of one at least).
  Nodes::const_iterator hint_;
  std::uint64_t hint_end_ = kNoHint;
  std::uint64_t hint_limit_ = 0;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_RECOVERY_RANGE_SET_H_
