#include "transfer/recovery/range_set.h"

#include <algorithm>
#include <iterator>

#include "net/base/check.h"

namespace p2pcp {

RangeSet::Range RangeSet::Front() const {
  P2PCP_CHECK(!nodes_.empty());
  return {nodes_.begin()->begin, nodes_.begin()->end};
}

void RangeSet::PopFront(std::uint64_t n) {
  const auto front = nodes_.begin();
  P2PCP_CHECK(front != nodes_.end() && n <= front->end - front->begin);
  size_ -= n;
  if (n < front->end - front->begin) {
    front->begin += n;
    return;
  }
  DropHint();
  nodes_.erase(front);
}

std::uint64_t RangeSet::Insert(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return 0;
  if (Continues(begin, end)) {
    hint_->end = end;
    hint_end_ = end;
    size_ += end - begin;
    return end - begin;
  }
  // The first range that overlaps [begin, end) or ends where it begins.
  auto node = nodes_.lower_bound(begin);
  if (node == nodes_.end() || node->begin > end) {
    node = nodes_.insert(node, Node{begin, end});
    size_ += end - begin;
    SetHint(node);
    return end - begin;
  }
  // That range takes in [begin, end) and all others that this touches.
  std::uint64_t before = node->end - node->begin;
  std::uint64_t new_end = std::max(node->end, end);
  auto next = std::next(node);
  while (next != nodes_.end() && next->begin <= end) {
    before += next->end - next->begin;
    new_end = std::max(new_end, next->end);
    next = nodes_.erase(next);
  }
  node->begin = std::min(node->begin, begin);
  node->end = new_end;
  const std::uint64_t added = node->end - node->begin - before;
  size_ += added;
  SetHint(node);
  return added;
}

std::uint64_t RangeSet::Erase(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return 0;
  std::uint64_t removed = 0;
  auto node = FirstEndingAfter(begin);
  while (node != nodes_.end() && node->begin < end) {
    DropHint();
    const std::uint64_t from = std::max(node->begin, begin);
    const std::uint64_t to = std::min(node->end, end);
    removed += to - from;
    if (from > node->begin && to < node->end) {
      // A hole in the middle: what lies below it becomes a range of its own.
      const std::uint64_t low_begin = node->begin;
      node->begin = to;
      nodes_.insert(node, Node{low_begin, from});
      break;
    }
    if (from > node->begin) {
      node->end = from;
      ++node;
    } else if (to < node->end) {
      node->begin = to;
      break;
    } else {
      node = nodes_.erase(node);
    }
  }
  size_ -= removed;
  return removed;
}

void RangeSet::Clear() {
  DropHint();
  nodes_.clear();
  size_ = 0;
}

bool RangeSet::ContainsAll(std::uint64_t begin, std::uint64_t end) const {
  if (begin >= end) return true;
  const auto node = FirstEndingAfter(begin);
  return node != nodes_.end() && node->begin <= begin && end <= node->end;
}

bool RangeSet::ContainsAny(std::uint64_t begin, std::uint64_t end) const {
  if (begin >= end || Continues(begin, end)) return false;
  const auto node = FirstEndingAfter(begin);
  return node != nodes_.end() && node->begin < end;
}

bool RangeSet::WouldAddRange(std::uint64_t begin, std::uint64_t end) const {
  if (begin >= end || Continues(begin, end)) return false;
  const auto node = nodes_.lower_bound(begin);
  return node == nodes_.end() || node->begin > end;
}

void RangeSet::SetHint(Nodes::const_iterator node) {
  const auto next = std::next(node);
  hint_ = node;
  hint_end_ = node->end;
  // Reaching next->begin would join the two, which takes the long way.
  hint_limit_ = next == nodes_.end() ? kNoHint - 1 : next->begin - 1;
}

}  // namespace p2pcp
