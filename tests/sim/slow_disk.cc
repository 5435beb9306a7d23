#include "tests/sim/slow_disk.h"

#include <algorithm>

namespace p2pcp::sim {

SlowDisk::SlowDisk(Simulator& simulator, const DiskOptions& options)
    : simulator_(simulator),
      options_(options),
      self_(std::make_shared<SlowDisk*>(this)) {}

SlowDisk::~SlowDisk() { *self_ = nullptr; }

void SlowDisk::Submit(const file::Job& job) {
  disk_.Submit(job);
  Duration latency = options_.latency;
  if (latency > Duration::zero()) {
    latency = Duration(static_cast<std::int64_t>(simulator_.random().Below(
        static_cast<std::uint64_t>(latency.count()) + 1)));
  }
  busy_until_ = std::max(busy_until_, simulator_.now()) + latency;
  simulator_.Schedule(busy_until_, [self = self_, generation = generation_] {
    SlowDisk* disk = *self;
    if (disk == nullptr || disk->generation_ != generation) return;
    ++disk->visible_;
    if (disk->on_ready_) disk->on_ready_();
  });
}

std::optional<file::Completion> SlowDisk::Poll() {
  if (!ready()) return std::nullopt;
  --visible_;
  return disk_.Poll();
}

void SlowDisk::Abandon() {
  disk_.Abandon();
  ++generation_;
  visible_ = 0;
}

}  // namespace p2pcp::sim
