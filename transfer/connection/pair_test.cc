// Two connections over every kind of bad link, in virtual time. Each test
// bounds the time and what was sent twice; all demand every byte, once, right.

#include "transfer/connection/pair.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "transfer/connection/byte_space.h"
#include "transfer/connection/connection.h"

namespace p2pcp {
namespace {

void ExpectDelivered(Pair& pair, std::uint64_t size) {
  EXPECT_EQ(pair.sink().written.size(), size);
  EXPECT_EQ(pair.sink().written.range_count(), size > 0 ? 1u : 0u);
  EXPECT_EQ(pair.sink().wrong_bytes, 0u);
  EXPECT_EQ(pair.sink().doubled_bytes, 0u);
  EXPECT_FALSE(pair.sender().error().has_value());
  EXPECT_FALSE(pair.receiver().error().has_value());
  EXPECT_EQ(pair.receiver().stats().data_bytes_received, size);
}

std::string Report(Pair& pair) {
  const ConnectionStats& s = pair.sender().stats();
  return "virtual ms " +
         std::to_string(pair.elapsed() / std::chrono::milliseconds(1)) +
         ", sent " + std::to_string(s.data_bytes_sent) + ", again " +
         std::to_string(s.data_bytes_retransmitted) + ", lost packets " +
         std::to_string(s.packets_lost) + ", spurious " +
         std::to_string(s.packets_spuriously_lost) + ", probe timeouts " +
         std::to_string(s.probe_timeouts) + ", persistent " +
         std::to_string(s.persistent_congestions) + ", ACK packets " +
         std::to_string(pair.receiver().stats().packets_sent);
}

struct Case {
  double loss;
  Duration delay;  // One way.
  bool messy;      // Reordering and duplication too.
  std::uint64_t size;
  Duration limit;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << "loss " << c.loss << " one-way "
       << c.delay / std::chrono::microseconds(1) << " us"
       << (c.messy ? " reordered, duplicated" : "") << " " << c.size;
}

class PairMatrix : public ::testing::TestWithParam<Case> {};

TEST_P(PairMatrix, DeliversAllInBoundedTime) {
  const Case& c = GetParam();
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Pair::Config config;
    config.seed = seed;
    config.link.loss = c.loss;
    config.link.delay = c.delay;
    if (c.messy) {
      config.link.duplicate = 0.02;
      config.link.reorder = 0.05;
      config.link.reorder_by = c.delay;
    }
    config.link.rate = 12'500'000;
    Pair pair(config);
    const bool done = pair.Transfer(c.size, c.limit);
    SCOPED_TRACE("seed " + std::to_string(seed) + ": " + Report(pair));
    ASSERT_TRUE(done);
    ExpectDelivered(pair, c.size);
    // A share p of what is sent gets lost: 1/(1-p) is sent, and some more for
    // lost ACKs, probes and reordering.
    const ConnectionStats& stats = pair.sender().stats();
    EXPECT_LT(static_cast<double>(stats.data_bytes_sent),
              static_cast<double>(c.size) * (1.25 / (1 - c.loss)) + 200'000);
    std::printf("%s\n", Report(pair).c_str());
  }
}

constexpr std::uint64_t kMiB = 1 << 20;

INSTANTIATE_TEST_SUITE_P(
    Links, PairMatrix,
    ::testing::Values(Case{0, 500us, false, 8 * kMiB, 2s},
                      Case{0, 25ms, false, 8 * kMiB, 3s},
                      Case{0, 150ms, false, 8 * kMiB, 6s},
                      Case{0.01, 500us, false, 8 * kMiB, 10s},
                      Case{0.01, 25ms, false, 8 * kMiB, 60s},
                      Case{0.01, 150ms, false, 4 * kMiB, 200s},
                      Case{0.05, 500us, false, 8 * kMiB, 30s},
                      Case{0.05, 25ms, false, 4 * kMiB, 100s},
                      Case{0.05, 150ms, false, 4 * kMiB, 400s},
                      Case{0.2, 500us, false, 4 * kMiB, 60s},
                      Case{0.2, 25ms, false, 4 * kMiB, 200s},
                      Case{0.2, 150ms, false, 4 * kMiB, 1200s},
                      Case{0, 500us, true, 8 * kMiB, 5s},
                      Case{0, 25ms, true, 8 * kMiB, 30s},
                      Case{0, 150ms, true, 8 * kMiB, 60s},
                      Case{0.01, 25ms, true, 4 * kMiB, 60s},
                      Case{0.05, 150ms, true, 4 * kMiB, 400s},
                      Case{0.2, 150ms, true, 4 * kMiB, 1200s}));

}  // namespace
}  // namespace p2pcp
