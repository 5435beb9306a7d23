// How slow a simulated disk is.

#ifndef P2PCP_TESTS_SIM_DISK_OPTIONS_H_
#define P2PCP_TESTS_SIM_DISK_OPTIONS_H_

#include "net/base/time.h"

namespace p2pcp::sim {

struct DiskOptions {
  // Of each job, one after another; up to this much, at random.
  Duration latency{};
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_DISK_OPTIONS_H_
