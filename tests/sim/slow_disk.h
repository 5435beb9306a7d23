// A disk that really reads and writes, and whose completions are seen some
// virtual time later: jobs queue up, as on a thread of their own.

#ifndef P2PCP_TESTS_SIM_SLOW_DISK_H_
#define P2PCP_TESTS_SIM_SLOW_DISK_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "net/base/time.h"
#include "tests/sim/disk_options.h"
#include "tests/sim/simulator.h"
#include "transfer/file/disk.h"
#include "transfer/file/inline_disk.h"

namespace p2pcp::sim {

class SlowDisk final : public file::Disk {
 public:
  SlowDisk(Simulator& simulator, const DiskOptions& options);
  ~SlowDisk() override;

  // Called when there is something to Poll(); never from inside Submit().
  void set_on_ready(std::function<void()> on_ready) {
    on_ready_ = std::move(on_ready);
  }

  std::size_t room() const override { return disk_.room(); }
  void Submit(const file::Job& job) override;
  bool idle() const override { return disk_.idle(); }
  // It has no cache.
  std::optional<file::Completion> TryNow(const file::Job&) override {
    return std::nullopt;
  }
  bool ready() const override { return visible_ > 0 && disk_.ready(); }
  std::optional<file::Completion> Poll() override;
  void Abandon() override;
  void UseStrongDigests(file::StrongHasherFactory make) override {
    disk_.UseStrongDigests(make);
  }

 private:
  Simulator& simulator_;
  DiskOptions options_;
  std::function<void()> on_ready_;
  file::InlineDisk disk_;
  TimePoint busy_until_;
  std::size_t visible_ = 0;       // Completions that have come due.
  std::uint64_t generation_ = 0;  // Of what was not abandoned.
  // The disk may die before its completions come due.
  std::shared_ptr<SlowDisk*> self_;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_SLOW_DISK_H_
