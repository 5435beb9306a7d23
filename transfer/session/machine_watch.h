// MachineWatch: one side's MachineReport, from when bytes can flow until its
// work is done.

#ifndef P2PCP_TRANSFER_SESSION_MACHINE_WATCH_H_
#define P2PCP_TRANSFER_SESSION_MACHINE_WATCH_H_

#include <algorithm>

#include "net/base/time.h"
#include "transfer/session/bottleneck.h"
#include "transfer/session/metered_disk.h"

namespace p2pcp {

class MachineWatch {
 public:
  // meter may be null; both must outlive it.
  MachineWatch(const LoadMeter* meter, const MeteredDisk* disk)
      : meter_(meter), disk_(*disk) {}

  void Start(TimePoint now) {
    begin_ = now;
    disk_begin_ = disk_.Busy(now);
    if (meter_ != nullptr) load_begin_ = meter_->Read();
  }
  // REQUIRES: started.
  MachineReport Report(TimePoint now) const {
    MachineReport report;
    report.elapsed = now - begin_;
    report.disk = disk_.Busy(now) - disk_begin_;
    if (meter_ == nullptr) return report;
    const Load load = meter_->Read();
    // One thread; the meter's clock may be read a moment later than `now`.
    report.busy = std::min(load.busy - load_begin_.busy, report.elapsed);
    report.disk_cpu = load.disk_cpu - load_begin_.disk_cpu;
    return report;
  }

 private:
  const LoadMeter* const meter_;
  const MeteredDisk& disk_;
  TimePoint begin_;
  Duration disk_begin_{0};
  Load load_begin_;
};

}  // namespace p2pcp

#endif  // P2PCP_TRANSFER_SESSION_MACHINE_WATCH_H_
