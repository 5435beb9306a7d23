// One simulated transfer from the first probe to the last receipt.

#ifndef P2PCP_TESTS_SIM_TRANSFER_RUN_H_
#define P2PCP_TESTS_SIM_TRANSFER_RUN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/base/result.h"
#include "net/base/time.h"
#include "tests/sim/scenario.h"
#include "transfer/session/bottleneck.h"

namespace p2pcp::sim {

// How one side has ended.
struct SideResult {
  bool completed = false;
  std::optional<Error> error;
  std::optional<TransferReport> report;
};

struct RunResult {
  // Empty: every file stands at the receiver, bit-identical, nothing else
  // does, both sides know it, and no rule was broken on the way.
  std::string failure;

  // For scenarios that leave no way.
  SideResult sender;
  SideResult receiver;
  // What stands in the receiver's folder, and whether all of it is right.
  std::vector<std::string> names;
  bool sound = false;

  Duration elapsed{};            // Virtual.
  std::uint64_t steps = 0;       // Of the simulator.
  std::uint64_t bytes_sent = 0;  // By the sender, of payload.

  // The sender's path MTU: bytes of UDP payload at the end, how many bytes of
  // files had arrived when that was used first, how often larger ones were
  // given up, and how long it took after Kind::kSmallerMtu.
  std::size_t datagram_size = 0;
  std::uint64_t bytes_before_it = 0;
  std::uint64_t black_holes = 0;
  std::optional<Duration> black_hole_took;
};

RunResult RunTransfer(const Scenario& scenario);

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_TRANSFER_RUN_H_
