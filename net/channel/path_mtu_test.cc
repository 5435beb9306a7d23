#include "net/channel/path_mtu.h"

#include <gtest/gtest.h>

namespace p2pcp::channel {
namespace {

constexpr TimePoint kStart{1s};

class PathMtuTest : public testing::Test {
 protected:
  PathMtu::Probe Probe(TimePoint now) {
    const auto probe = mtu_.PollProbe(now, random_);
    EXPECT_TRUE(probe.has_value());
    EXPECT_FALSE(mtu_.PollProbe(now, random_).has_value());
    return probe.value_or(PathMtu::Probe{});
  }

  SeededRandom random_{1};
  PathMtu mtu_;
};

TEST_F(PathMtuTest, StartsAtTheBaseAndGrowsByAnEcho) {
  EXPECT_FALSE(mtu_.next().has_value());
  mtu_.Start(kStart, /*v6=*/false, 20ms);
  EXPECT_EQ(mtu_.datagram_size(), 1200u);
  const auto probe = Probe(kStart);
  EXPECT_EQ(probe.size, 1472u);
  EXPECT_FALSE(mtu_.HandleEcho(probe.challenge + 1));
  EXPECT_FALSE(mtu_.HandleEcho(0));
  EXPECT_TRUE(mtu_.HandleEcho(probe.challenge));
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
  EXPECT_FALSE(mtu_.next().has_value());
}

TEST_F(PathMtuTest, LeavesRoomForTheLongerHeaderOfIpv6) {
  mtu_.Start(kStart, /*v6=*/true, 20ms);
  EXPECT_EQ(Probe(kStart).size, 1452u);
}

TEST_F(PathMtuTest, TriesThreeTimesTwoRoundTripsApart) {
  mtu_.Start(kStart, false, 80ms);
  const auto first = Probe(kStart);
  EXPECT_EQ(*mtu_.next(), kStart + 160ms);
  Probe(kStart + 160ms);
  Probe(kStart + 320ms);
  EXPECT_FALSE(mtu_.PollProbe(kStart + 480ms, random_).has_value());
  EXPECT_EQ(mtu_.datagram_size(), 1200u);
  // The search comes again, and even a very late echo is good.
  EXPECT_EQ(*mtu_.next(), kStart + 480ms + PathMtu::kRaiseInterval);
  EXPECT_TRUE(mtu_.HandleEcho(first.challenge));
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
}

TEST_F(PathMtuTest, FallsBackWhenADoubtIsNotRefuted) {
  mtu_.Start(kStart, false, 20ms);
  mtu_.HandleEcho(Probe(kStart).challenge);
  mtu_.Search(kStart + 5s);
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
  Probe(kStart + 5s);
  Probe(kStart + 5100ms);
  const auto last = Probe(kStart + 5200ms);
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
  EXPECT_FALSE(mtu_.PollProbe(kStart + 5300ms, random_).has_value());
  EXPECT_EQ(mtu_.datagram_size(), 1200u);
  EXPECT_TRUE(mtu_.HandleEcho(last.challenge));
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
}

TEST_F(PathMtuTest, ASuspicionBeginsOneSearchOnlyWhereThereIsSomethingToLose) {
  mtu_.Start(kStart, false, 20ms);
  const auto first = Probe(kStart);
  mtu_.Suspect(kStart + 50ms);  // Already asking.
  EXPECT_EQ(*mtu_.next(), kStart + 100ms);
  mtu_.HandleEcho(first.challenge);
  EXPECT_FALSE(mtu_.next().has_value());
  mtu_.Suspect(kStart + 5s);
  Probe(kStart + 5s);
  mtu_.Suspect(kStart + 5050ms);
  Probe(kStart + 5100ms);
  Probe(kStart + 5200ms);
  mtu_.PollProbe(kStart + 5300ms, random_);
  EXPECT_EQ(mtu_.datagram_size(), 1200u);
  mtu_.Suspect(kStart + 6s);  // Nothing smaller is left to fall back to.
  EXPECT_EQ(*mtu_.next(), kStart + 5300ms + PathMtu::kRaiseInterval);
}

TEST_F(PathMtuTest, ForgetsWhatAnotherPathProved) {
  mtu_.Start(kStart, false, 20ms);
  const auto probe = Probe(kStart);
  mtu_.HandleEcho(probe.challenge);
  const auto late = probe.challenge;
  mtu_.Start(kStart + 1s, false, 20ms);
  EXPECT_EQ(mtu_.datagram_size(), 1200u);
  EXPECT_FALSE(mtu_.HandleEcho(late));
}

}  // namespace
}  // namespace p2pcp::channel
