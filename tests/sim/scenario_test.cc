#include "tests/sim/scenario.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "net/base/time.h"
#include "tests/sim/link.h"

namespace p2pcp::sim {
namespace {

TEST(Scenario, IsTheSameForTheSameSeed) {
  EXPECT_EQ(DrawScenario(5).Describe(), DrawScenario(5).Describe());
  EXPECT_NE(DrawScenario(5).Describe(), DrawScenario(6).Describe());
}

TEST(Scenario, AThousandSeedsCoverTheMatrix) {
  std::set<std::tuple<double, Duration>> cells;
  std::set<Happening::Kind> kinds;
  int bursts = 0, reordering = 0, duplicates = 0, flips = 0, attackers = 0;
  int homes = 0, slow_disks = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    const Scenario scenario = DrawScenario(seed);
    EXPECT_GE(scenario.TotalBytes(), 4u << 20);
    const LinkOptions& link = scenario.to_receiver;
    cells.insert({link.loss, scenario.RoundTrip()});
    bursts += link.bursts.enter > 0;
    reordering += link.reorder > 0;
    duplicates += link.duplicate > 0;
    flips += link.flip > 0;
    attackers += scenario.attacker.replay > 0;
    homes += scenario.homes;
    slow_disks += scenario.disk.latency > Duration::zero();
    for (const Happening& happening : scenario.happenings) {
      kinds.insert(happening.kind);
    }
  }
  for (const double loss : {0.0, 0.01, 0.05, 0.2}) {
    for (const Duration round_trip :
         {Duration(1ms), Duration(50ms), Duration(300ms)}) {
      EXPECT_TRUE(cells.contains({loss, round_trip}))
          << loss << " at " << round_trip / 1ms << " ms";
    }
  }
  for (const int count :
       {bursts, reordering, duplicates, flips, attackers, homes, slow_disks}) {
    EXPECT_GE(count, 80);
  }
  // All but the ones that leave no way.
  EXPECT_EQ(kinds.size(), 7u);
  EXPECT_FALSE(kinds.contains(Happening::Kind::kKillSender));
}

TEST(Scenario, AllowsMoreTimeForAWorsePath) {
  Scenario scenario;
  scenario.to_receiver.rate = 1'000'000;
  const Duration clean = scenario.TimeLimit();
  scenario.to_receiver.loss = 0.2;
  scenario.to_receiver.delay = 100ms;
  EXPECT_GT(scenario.TimeLimit(), clean);
  EXPECT_LT(scenario.TimeLimit(), Duration(1h));
}

}  // namespace
}  // namespace p2pcp::sim
