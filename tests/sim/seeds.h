// Which seeds a run covers, from the command line:
//   --seed=N    that one, and say what it does
//   --seeds=N   1 to N, instead of the test's own share

#ifndef P2PCP_TESTS_SIM_SEEDS_H_
#define P2PCP_TESTS_SIM_SEEDS_H_

#include <cstdint>
#include <optional>
#include <vector>

namespace p2pcp::sim {

struct SeedFlags {
  std::optional<std::uint64_t> seed;
  std::optional<std::uint64_t> seeds;
};

// Set by the main() of this target before any test runs.
const SeedFlags& Seeds();

// Those seeds that a deck of `decks` (0 to decks - 1) covers, so that tests can
// share them out: `own` is how many the test runs unless told otherwise.
std::vector<std::uint64_t> SeedsOfDeck(std::uint64_t deck, std::uint64_t decks,
                                       std::uint64_t own);

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_SEEDS_H_
