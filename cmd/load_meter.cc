#include "cmd/load_meter.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>

namespace p2pcp::cmd {
namespace {

Duration CpuTime(int who) {
  rusage usage = {};
  getrusage(who, &usage);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) +
           std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

}  // namespace

Load ProcessLoad::Read() const {
  Load load;
  load.busy = loop_.Now() - begin_ - (loop_.waited() - waited_);
  load.disk_cpu = std::max<Duration>(
      CpuTime(RUSAGE_SELF) - CpuTime(RUSAGE_THREAD), Duration::zero());
  return load;
}

}  // namespace p2pcp::cmd
