#include "transfer/file/delta_matcher.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "net/base/check.h"

namespace p2pcp::file {

DeltaMatcher::DeltaMatcher(std::uint64_t base_size, std::size_t window)
    : base_size_(base_size),
      block_(DeltaBlockBytes(base_size)),
      total_(DeltaBlocks(base_size)),
      window_(static_cast<std::size_t>(
          std::min<std::uint64_t>(window, std::bit_ceil(total_)))) {
  P2PCP_CHECK(base_size > 0 && std::has_single_bit(window));
  weak_.resize(window_);
  strong_.resize(window_);
  before_.resize(window_);
  last_.resize(window_);
  const std::size_t words = std::max<std::size_t>(2, window_ / 4);
  filter_.resize(words);
  filter_shift_ = 32 - static_cast<unsigned>(std::countr_zero(words));
  buffer_.resize(kMaxFeed + static_cast<std::size_t>(block_));
}

// --- The base ---

void DeltaMatcher::Add(std::span<const BlockSignature> signatures) {
  P2PCP_CHECK(signatures.size() <= total_ - known_);
  for (const BlockSignature& signature : signatures) {
    const std::size_t slot = Slot(known_);
    const std::size_t bucket = signature.weak & (window_ - 1);
    if (known_ >= window_) ++forgotten_;
    weak_[slot] = signature.weak;
    strong_[slot] = signature.strong;
    before_[slot] = last_[bucket];
    last_[bucket] = static_cast<std::uint32_t>(known_);
    NoteInFilter(signature.weak);
    ++known_;
  }
  if (forgotten_ > window_ / 2) RebuildFilter();
}

void DeltaMatcher::RebuildFilter() {
  forgotten_ = 0;
  std::fill(filter_.begin(), filter_.end(), 0);
  for (const std::uint32_t weak : weak_) NoteInFilter(weak);
}

std::uint64_t DeltaMatcher::NeededAt(std::uint64_t position) const {
  return std::min({total_, position / block_ + window_ / 4,
                   (position + kLookAhead + 8 * run_) / block_ + 1});
}

std::uint64_t DeltaMatcher::WantedAt(std::uint64_t position) const {
  return std::min({total_, position / block_ + window_ / 2,
                   (position + kAskAhead + 16 * run_) / block_ + 1});
}

// The block with that weak sum whose content is that of the window at at_.
std::optional<std::uint64_t> DeltaMatcher::Find(std::uint32_t weak) {
  if (known_ == 0 || !MayKnow(weak)) return std::nullopt;
  std::optional<std::uint64_t> strong;
  std::uint64_t index = Decode(last_[weak & (window_ - 1)]);
  for (int i = 0; i < kMaxCandidates && Holds(index); ++i) {
    const std::size_t slot = Slot(index);
    // The last block may be shorter than its signature's neighbours.
    if (weak_[slot] == weak && (index + 1) * block_ <= base_size_) {
      if (!strong) {
        if (wasted_ > fed_ + kFreeChecks) return std::nullopt;
        strong = StrongOf(Window());
      }
      if (strong_[slot] == *strong) return index;
    }
    const std::uint64_t before = Decode(before_[slot]);
    if (before >= index) break;
    index = before;
  }
  if (strong) wasted_ += block_;
  return std::nullopt;
}

// --- The new version ---

MutableByteSpan DeltaMatcher::Buffer(std::uint64_t position, std::size_t size) {
  P2PCP_CHECK(size <= kMaxFeed && filled_ <= block_);
  if (filled_ == 0) start_ = position;
  P2PCP_CHECK(position == start_ + filled_);
  return MutableByteSpan(buffer_).subspan(filled_, size);
}

void DeltaMatcher::Process(std::size_t size, bool flush) {
  filled_ += size;
  fed_ += size;
  Match();
  if (flush) return Flush();
  EmitLiteral(at_);
  // What is left is less than a block, or a block that matches nothing.
  std::memmove(buffer_.data(), buffer_.data() + at_, filled_ - at_);
  start_ += at_;
  filled_ -= at_;
  done_ = at_ = 0;
}

std::vector<DeltaSegment> DeltaMatcher::TakeSegments() {
  return std::exchange(segments_, {});
}

void DeltaMatcher::Match() {
  while (filled_ - at_ >= block_) {
    if (expected_) {
      const std::uint64_t index = *std::exchange(expected_, std::nullopt);
      if (Holds(index) && (index + 1) * block_ <= base_size_ &&
          strong_[Slot(index)] == StrongOf(Window())) {
        TakeMatch(index);
        continue;
      }
    }
    if (!rolling_) {
      sum_ = RollingSum(Window());
      rolling_ = true;
      tested_ = false;
    }
    if (!tested_) {
      if (const auto index = Find(sum_.weak())) {
        TakeMatch(*index);
        continue;
      }
      tested_ = true;
    }
    if (filled_ - at_ == block_) return;
    Roll();
  }
}

// Moves the window on to where a block may match, or to the end.
void DeltaMatcher::Roll() {
  const auto size = static_cast<std::size_t>(block_);
  const std::size_t end = filled_ - size;
  const std::byte* const bytes = buffer_.data();
  RollingSum sum = sum_;
  std::size_t at = at_;
  bool may_know = false;
  do {
    sum.Roll(bytes[at], bytes[at + size], static_cast<std::uint32_t>(size));
    ++at;
    may_know = MayKnow(sum.weak());
  } while (!may_know && at < end);
  sum_ = sum;
  at_ = at;
  tested_ = !may_know;
}

std::uint64_t DeltaMatcher::Eaten(std::uint64_t size) const {
  const std::uint64_t run = run_ + (at_ - done_);
  if (run == 0 || run >= kMinLiteral) return 0;
  const std::uint64_t eaten = kMinLiteral - run;
  // Small rests are not worth it.
  return eaten > size / 2 ? size : eaten;
}

void DeltaMatcher::TakeMatch(std::uint64_t index) {
  const auto eaten = static_cast<std::size_t>(Eaten(block_));
  const auto size = static_cast<std::size_t>(block_);
  EmitLiteral(at_ + eaten);
  if (eaten < size) EmitCopy(at_ + size, index * block_ + eaten);
  at_ += size;
  rolling_ = false;
  expected_ = index + 1;
}

void DeltaMatcher::Flush() {
  const std::uint64_t tail = base_size_ % block_;
  const std::uint64_t last = base_size_ / block_;
  if (tail >= kMinTail && filled_ - at_ >= tail && Holds(last)) {
    const std::size_t begin = filled_ - static_cast<std::size_t>(tail);
    const ByteSpan rest =
        ByteSpan(buffer_).subspan(begin, static_cast<std::size_t>(tail));
    if (strong_[Slot(last)] == StrongOf(rest)) {
      at_ = begin;
      const std::uint64_t eaten = Eaten(tail);
      EmitLiteral(begin + static_cast<std::size_t>(eaten));
      if (eaten < tail) EmitCopy(filled_, last * block_ + eaten);
    }
  }
  EmitLiteral(filled_);
  filled_ = done_ = at_ = 0;
  rolling_ = tested_ = false;
  expected_.reset();
  run_ = 0;
}

void DeltaMatcher::EmitLiteral(std::size_t end) {
  if (end == done_) return;
  const std::uint64_t begin = start_ + done_;
  run_ += end - done_;
  done_ = end;
  if (!segments_.empty() && !segments_.back().copy &&
      segments_.back().end == begin) {
    segments_.back().end = start_ + end;
  } else {
    segments_.push_back({begin, start_ + end, false, 0});
  }
}

void DeltaMatcher::EmitCopy(std::size_t end, std::uint64_t from) {
  const std::uint64_t begin = start_ + done_;
  run_ = 0;
  done_ = end;
  if (!segments_.empty() && segments_.back().copy &&
      segments_.back().end == begin &&
      segments_.back().from + segments_.back().size() == from) {
    segments_.back().end = start_ + end;
  } else {
    segments_.push_back({begin, start_ + end, true, from});
  }
}

}  // namespace p2pcp::file
