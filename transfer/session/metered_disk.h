// MeteredDisk: a Disk that knows for how long it had something to do.

#ifndef P2PCP_TRANSFER_SESSION_METERED_DISK_H_
#define P2PCP_TRANSFER_SESSION_METERED_DISK_H_

#include <cstddef>
#include <optional>

#include "net/base/time.h"
#include "transfer/file/disk.h"

namespace p2pcp {

class MeteredDisk final : public file::Disk {
 public:
  // disk must outlive it.
  explicit MeteredDisk(file::Disk* disk) : disk_(*disk) {}

  std::size_t room() const override { return disk_.room(); }
  void Submit(const file::Job& job) override {
    disk_.Submit(job);
    ++outstanding_;
  }
  bool idle() const override { return disk_.idle(); }
  // Takes no time of the disk's.
  std::optional<file::Completion> TryNow(const file::Job& job) override {
    return disk_.TryNow(job);
  }
  bool ready() const override { return disk_.ready(); }
  std::optional<file::Completion> Poll() override {
    std::optional<file::Completion> done = disk_.Poll();
    if (done) --outstanding_;
    return done;
  }
  void Abandon() override {
    disk_.Abandon();
    outstanding_ = 0;
  }
  void UseStrongDigests(file::StrongHasherFactory make) override {
    disk_.UseStrongDigests(make);
  }

  // To be called after jobs may have been submitted or completed: the time
  // since the last call counts as what it was like then.
  void Note(TimePoint now) {
    const bool working = outstanding_ > 0;
    if (working == working_) return;
    if (working_) busy_ += now - since_;
    since_ = now;
    working_ = working;
  }
  // Time with something to do, up to now.
  Duration Busy(TimePoint now) const {
    return busy_ + (working_ ? now - since_ : Duration::zero());
  }

 private:
  file::Disk& disk_;
  std::size_t outstanding_ = 0;
  bool working_ = false;
  TimePoint since_;
  Duration busy_{0};
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_METERED_DISK_H_
