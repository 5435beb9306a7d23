// InlineDisk: carries out each job while it is submitted. For the simulator and
// for tests, which decide when completions are seen and, through Syscalls, what
// fails.

#ifndef P2PCP_TRANSFER_FILE_INLINE_DISK_H_
#define P2PCP_TRANSFER_FILE_INLINE_DISK_H_

#include <cstddef>
#include <deque>
#include <optional>

#include "transfer/file/disk.h"
#include "transfer/file/disk_worker.h"
#include "transfer/file/part_keeper.h"
#include "transfer/file/source_keeper.h"
#include "transfer/file/syscalls.h"

namespace p2pcp::file {

class InlineDisk final : public Disk {
 public:
  // syscalls must outlive the disk; null: the real ones.
  // keeper, sources and writes_now as DiskWorker's.
  explicit InlineDisk(Syscalls* syscalls = nullptr,
                      PartKeeper* keeper = nullptr,
                      SourceKeeper* sources = nullptr, bool writes_now = false)
      : worker_(syscalls, keeper, sources, writes_now) {}

  std::size_t room() const override { return kCapacity - done_.size(); }
  void Submit(const Job& job) override;
  bool idle() const override { return done_.empty(); }
  std::optional<Completion> TryNow(const Job& job) override;
  bool ready() const override {
    return !done_.empty() && visible_ != std::size_t{0};
  }
  std::optional<Completion> Poll() override;
  void Abandon() override;
  void UseStrongDigests(StrongHasherFactory make) override {
    worker_.UseStrongDigests(make);
  }

  // A slow disk: at most n completions are seen by Poll() from now on.
  void Hold(std::size_t n = 0) { visible_ = n; }
  // All completions are seen again.
  void Release() { visible_.reset(); }

 private:
  static constexpr std::size_t kCapacity = 256;

  DiskWorker worker_;
  std::deque<Completion> done_;
  std::optional<std::size_t> visible_;
};

}  // namespace p2pcp::file

#endif  // P2PCP_TRANSFER_FILE_INLINE_DISK_H_
