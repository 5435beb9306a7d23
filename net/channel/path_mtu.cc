#include "net/channel/path_mtu.h"

#include <algorithm>

namespace p2pcp::channel {

void PathMtu::Start(TimePoint now, bool v6, Duration rtt) {
  const std::uint64_t black_holes = black_holes_;
  *this = PathMtu();
  black_holes_ = black_holes;
  headers_ = v6 ? kHeadersV6 : kHeadersV4;
  interval_ = std::max(kMinProbeInterval, 2 * rtt);
  SetSizes();
  BeginSearch(now, /*all=*/false);
}

void PathMtu::SetSizes() {
  size_count_ = 0;
  const auto add = [this](std::size_t mtu) {
    const std::size_t size = std::min(mtu - headers_, kMaxDatagramSize);
    const auto end = sizes_.begin() + size_count_;
    const auto at = std::lower_bound(sizes_.begin(), end, size);
    if (at != end && *at == size) return;
    std::move_backward(at, end, end + 1);
    *at = size;
    ++size_count_;
  };
  for (const std::size_t mtu : kCommonMtus) add(mtu);
  if (link_mtu_ > kJumboMtu) add(kJumboMtu);
  if (link_mtu_ > kBaseSize + headers_) add(link_mtu_);
}

void PathMtu::SetLinkMtu(TimePoint now, std::size_t mtu) {
  if (mtu == link_mtu_) return;
  link_mtu_ = mtu;
  refused_ = SIZE_MAX;
  SetSizes();
  BeginSearch(now, /*all=*/false);
}

void PathMtu::HandleTooBig(TimePoint now, std::size_t size) {
  if (size <= kBaseSize) return;
  refused_ = std::min(refused_, size);
  if (size_ < refused_) return;
  size_ = kBaseSize;
  doubt_at_.reset();
  BeginSearch(now, /*all=*/true);
}

void PathMtu::Search(TimePoint now) {
  if (size_count_ > 0) BeginSearch(now, /*all=*/true);
}

void PathMtu::BeginSearch(TimePoint now, bool all) {
  queue_count_ = 0;
  tries_ = 0;
  all_ = all;
  raise_ = kMinRaiseInterval;
  search_at_.reset();
  if (size_ < sizes_[size_count_ - 1]) search_at_ = now;
}

void PathMtu::Suspect(TimePoint now, Duration rtt) {
  if (size_ == kBaseSize || doubt_at_) return;
  interval_ = std::max(kMinProbeInterval, 2 * rtt);
  doubt_at_ = now;
  doubt_tries_ = 0;
  base_passes_ = false;
}

void PathMtu::GiveUp(TimePoint now) {
  ++black_holes_;
  size_ = kBaseSize;
  sent_ = {};  // An echo that comes yet is of a time when they passed.
  BeginSearch(now, /*all=*/true);
}

std::optional<TimePoint> PathMtu::next() const {
  if (!search_at_ || !doubt_at_) return search_at_ ? search_at_ : doubt_at_;
  return std::min(*search_at_, *doubt_at_);
}

void PathMtu::QueueSearch(TimePoint now) {
  // The first burst asks for what most paths take.
  std::size_t least = size_ + 1;
  if (!all_ && tries_ == 0) {
    least = kCommonMtus.back() - headers_;
    if (link_mtu_ > headers_) least = std::min(least, link_mtu_ - headers_);
  }
  for (std::size_t i = 0; i < size_count_; ++i) {
    if (sizes_[i] >= std::max(least, size_ + 1) && sizes_[i] < refused_) {
      queue_[queue_count_++] = sizes_[i];
    }
  }
  if (tries_ < kMaxProbes) ++tries_;
  if (tries_ < kMaxProbes) {
    search_at_ = now + interval_;
    return;
  }
  search_at_ = now + std::max(raise_, interval_);
  raise_ = std::min(2 * raise_, kMaxRaiseInterval);
  refused_ = SIZE_MAX;
}

void PathMtu::QueueDoubt(TimePoint now) {
  if (doubt_tries_ < kDoubtTries) {
    ++doubt_tries_;
    doubt_at_ = now + interval_;
    // The smallest first: an echo is of the last that came.
    for (const std::size_t size : {kBaseSize, size_, size_}) {
      queue_[queue_count_++] = size;
    }
    return;
  }
  doubt_at_.reset();
  // If nothing passes, it is not for its size.
  if (base_passes_) GiveUp(now);
}

std::optional<PathMtu::Probe> PathMtu::PollProbe(TimePoint now,
                                                 Random& random) {
  if (queue_next_ >= queue_count_) {
    queue_next_ = queue_count_ = 0;
    if (doubt_at_ && now >= *doubt_at_) QueueDoubt(now);
    if (queue_count_ == 0 && search_at_ && now >= *search_at_) {
      QueueSearch(now);
    }
    if (queue_count_ == 0) return std::nullopt;
  }
  Probe probe{.size = queue_[queue_next_++]};
  while (probe.challenge == 0) probe.challenge = random.NextU64();
  sent_[sent_next_] = probe;
  sent_next_ = (sent_next_ + 1) % sent_.size();
  return probe;
}

bool PathMtu::HandleEcho(std::uint64_t echo) {
  if (echo == 0) return false;
  const auto found = std::ranges::find(sent_, echo, &Probe::challenge);
  if (found == sent_.end()) return false;
  const std::size_t size = found->size;
  *found = {};
  if (size <= kBaseSize) {
    base_passes_ = true;
    return true;
  }
  if (size >= size_) doubt_at_.reset();
  if (size > size_) {
    size_ = size;
    if (size_ >= sizes_[size_count_ - 1]) search_at_.reset();
  }
  return true;
}

}  // namespace p2pcp::channel
