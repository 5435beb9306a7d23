#include "net/channel/replay_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "net/base/random.h"

namespace p2pcp::channel {
namespace {

constexpr std::uint64_t kSize = ReplayWindow::kSize;

struct Step {
  std::uint64_t number;
  bool accepted;
};

void Follow(const std::vector<Step>& steps) {
  ReplayWindow window;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const PacketNumber number(steps[i].number);
    const bool accepted = window.Check(number) == ReplayWindow::Verdict::kNew;
    EXPECT_EQ(accepted, steps[i].accepted) << "step " << i;
    if (accepted) window.Add(number);
  }
}

// The cases that the window of RFC 6479 must get right.
TEST(ReplayWindow, FollowsTheTable) {
  static_assert(kSize == 262'080);
  static_assert(PacketNumber::kMax == (std::uint64_t{1} << 48) - 1);
  std::ifstream file("testdata/replay_window/rfc6479.txt");
  std::vector<Step> steps;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    Step step{};
    std::string verdict;
    ASSERT_TRUE(words >> step.number >> verdict) << line;
    ASSERT_TRUE(verdict == "new" || verdict == "dropped") << line;
    step.accepted = verdict == "new";
    steps.push_back(step);
  }
  ASSERT_EQ(steps.size(), 33u);
  Follow(steps);
}

TEST(ReplayWindow, TakesAWholeWindowUpwardsOnce) {
  std::vector<Step> steps;
  for (std::uint64_t i = 1; i < kSize; ++i) steps.push_back({i, true});
  steps.push_back({0, true});
  steps.push_back({0, false});
  for (std::uint64_t i = 1; i < kSize; ++i) steps.push_back({i, false});
  Follow(steps);
}

TEST(ReplayWindow, TakesAWholeWindowDownwards) {
  std::vector<Step> steps;
  for (std::uint64_t i = kSize; i > 0; --i) steps.push_back({i, true});
  steps.push_back({0, false});  // kSize behind: just too old.
  Follow(steps);
}

TEST(ReplayWindow, TellsOldFromSeen) {
  ReplayWindow window;
  window.Add(PacketNumber(kSize + 5));
  EXPECT_EQ(window.Check(PacketNumber(5)), ReplayWindow::Verdict::kTooOld);
  EXPECT_EQ(window.Check(PacketNumber(6)), ReplayWindow::Verdict::kNew);
  EXPECT_EQ(window.Check(PacketNumber(kSize + 5)),
            ReplayWindow::Verdict::kSeen);
}

TEST(ReplayWindow, KnowsWhatIsNewest) {
  ReplayWindow window;
  EXPECT_FALSE(window.Reached(PacketNumber(0)));
  window.Add(PacketNumber(7));
  EXPECT_TRUE(window.Reached(PacketNumber(7)));
  EXPECT_FALSE(window.Reached(PacketNumber(8)));
}

// Against the definition, over numbers that jump, creep and repeat.
TEST(ReplayWindow, AgreesWithASet) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom random(seed);
    ReplayWindow window;
    std::set<std::uint64_t> seen;
    std::uint64_t highest = 0;
    for (int i = 0; i < 20'000; ++i) {
      std::uint64_t number = 0;
      switch (random.Below(8)) {
        case 0:
          number = highest + random.Below(2 * kSize);
          break;
        case 1:
          number = highest + random.Below(1000);
          break;
        case 2:
          number = highest - std::min(highest, kSize - 3 + random.Below(6));
          break;
        case 3:
          number = highest - std::min(highest, random.Below(2 * kSize));
          break;
        default:
          number = highest - std::min(highest, random.Below(200));
          if (random.Below(2) == 0) number += random.Below(210);
      }
      ReplayWindow::Verdict expected = ReplayWindow::Verdict::kNew;
      if (!seen.empty() && number + kSize <= highest) {
        expected = ReplayWindow::Verdict::kTooOld;
      } else if (seen.contains(number)) {
        expected = ReplayWindow::Verdict::kSeen;
      }
      ASSERT_EQ(window.Check(PacketNumber(number)), expected) << i;
      if (expected == ReplayWindow::Verdict::kNew) {
        window.Add(PacketNumber(number));
        seen.insert(number);
        highest = std::max(highest, number);
      }
    }
  }
}

}  // namespace
}  // namespace p2pcp::channel
