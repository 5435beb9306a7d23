#include "net/channel/path_mtu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "net/base/random.h"
#include "net/base/time.h"

namespace p2pcp::channel {
namespace {

constexpr TimePoint kStart{1s};
constexpr Duration kRtt = 20ms;

using Sizes = std::vector<std::size_t>;

class PathMtuTest : public testing::Test {
 protected:
  std::vector<PathMtu::Probe> Burst(TimePoint now) {
    std::vector<PathMtu::Probe> probes;
    while (const auto probe = mtu_.PollProbe(now, random_)) {
      probes.push_back(*probe);
    }
    return probes;
  }
  static Sizes SizesOf(const std::vector<PathMtu::Probe>& probes) {
    Sizes sizes;
    for (const auto& probe : probes) sizes.push_back(probe.size);
    return sizes;
  }
  // The path takes at most this; the peer answers the last that came.
  void Pass(const std::vector<PathMtu::Probe>& probes, std::size_t most) {
    std::uint64_t last = 0;
    for (const auto& probe : probes) {
      if (probe.size <= most) last = probe.challenge;
    }
    mtu_.HandleEcho(last);
  }
  // Lets time pass to `end` on such a path, answers after a round trip.
  void Run(TimePoint& now, TimePoint end, std::size_t most) {
    while (mtu_.next() && *mtu_.next() <= end) {
      now = std::max(now, *mtu_.next());
      Pass(Burst(now), most);
    }
    now = end;
  }

  SeededRandom random_{1};
  PathMtu mtu_;
};

TEST_F(PathMtuTest, StartsAtTheBaseAndGrowsByAnEcho) {
  EXPECT_FALSE(mtu_.next().has_value());
  mtu_.Start(kStart, /*v6=*/false, kRtt);
  EXPECT_EQ(mtu_.datagram_size(), 1200u);
  const auto probes = Burst(kStart);
  ASSERT_EQ(SizesOf(probes), Sizes{1472});
  EXPECT_FALSE(mtu_.HandleEcho(probes[0].challenge + 1));
  EXPECT_FALSE(mtu_.HandleEcho(0));
  EXPECT_TRUE(mtu_.HandleEcho(probes[0].challenge));
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
  EXPECT_FALSE(mtu_.next().has_value());
  EXPECT_FALSE(mtu_.HandleEcho(probes[0].challenge));
}

TEST_F(PathMtuTest, LeavesRoomForTheLongerHeaderOfIpv6) {
  mtu_.Start(kStart, /*v6=*/true, kRtt);
  mtu_.SetLinkMtu(kStart, 9000);
  EXPECT_EQ(SizesOf(Burst(kStart)), (Sizes{1452, 8952}));
}

// What the interface takes is tried in the very first burst, smallest first:
// the peer answers the last that came.
TEST_F(PathMtuTest, OneRoundTripFindsAJumboFrame) {
  mtu_.Start(kStart, false, kRtt);
  mtu_.SetLinkMtu(kStart, 9000);
  const auto probes = Burst(kStart);
  EXPECT_EQ(SizesOf(probes), (Sizes{1472, 8972}));
  Pass(probes, 8972);
  EXPECT_EQ(mtu_.datagram_size(), 8972u);
  EXPECT_FALSE(mtu_.next().has_value());
}

TEST_F(PathMtuTest, LoopbackTakesTheLargest) {
  mtu_.Start(kStart, false, kRtt);
  mtu_.SetLinkMtu(kStart, 65536);
  const auto probes = Burst(kStart);
  EXPECT_EQ(SizesOf(probes), (Sizes{1472, 8972, PathMtu::kMaxDatagramSize}));
  Pass(probes, PathMtu::kMaxDatagramSize);
  EXPECT_EQ(mtu_.datagram_size(), PathMtu::kMaxDatagramSize);
}

TEST_F(PathMtuTest, AJumboInterfaceBeforeAnOrdinaryPathIsNoHindrance) {
  mtu_.Start(kStart, false, kRtt);
  mtu_.SetLinkMtu(kStart, 9000);
  TimePoint now = kStart;
  Pass(Burst(now), 1472);
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
  // Only what is larger is tried again: twice soon, then ever more rarely.
  std::vector<TimePoint> tries;
  while (now < kStart + 600s) {
    now = *mtu_.next();
    tries.push_back(now);
    EXPECT_EQ(SizesOf(Burst(now)), Sizes{8972});
  }
  EXPECT_EQ(tries[0], kStart + 50ms);
  EXPECT_EQ(tries[1], kStart + 100ms);
  EXPECT_EQ(tries[2], kStart + 1100ms);
  EXPECT_EQ(tries[3], kStart + 3100ms);
  EXPECT_LE(tries.size(), 13u);
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
}

TEST_F(PathMtuTest, FindsTheSizeOfEveryCommonMtu) {
  for (const bool v6 : {false, true}) {
    const std::size_t headers = v6 ? 48 : 28;
    for (const std::size_t mtu : {1228u, 1280u, 1420u, 1460u, 1492u, 1500u}) {
      mtu_ = PathMtu();
      mtu_.Start(kStart, v6, kRtt);
      TimePoint now = kStart;
      Run(now, kStart + 200ms, mtu - headers);
      EXPECT_EQ(mtu_.datagram_size(), mtu == 1228 ? 1200 : mtu - headers);
    }
  }
}

// An interface's MTU that is none of the common ones is as good as they.
TEST_F(PathMtuTest, TriesTheInterfacesOwnMtuInTheFirstBurst) {
  mtu_.Start(kStart, false, kRtt);
  mtu_.SetLinkMtu(kStart, 1400);
  Pass(Burst(kStart), 1372);
  EXPECT_EQ(mtu_.datagram_size(), 1372u);
}

// RFC 8899 section 4.1: MAX_PROBES tries, apart by what an answer may take.
TEST_F(PathMtuTest, TriesThreeTimesTwoRoundTripsApart) {
  mtu_.Start(kStart, false, 80ms);
  const auto first = Burst(kStart);
  EXPECT_EQ(*mtu_.next(), kStart + 160ms);
  EXPECT_EQ(SizesOf(Burst(kStart + 160ms)),
            (Sizes{1252, 1392, 1432, 1464, 1472}));
  EXPECT_EQ(*mtu_.next(), kStart + 320ms);
  EXPECT_EQ(Burst(kStart + 320ms).size(), 5u);
  EXPECT_EQ(*mtu_.next(), kStart + 320ms + PathMtu::kMinRaiseInterval);
  // Even a very late echo is good.
  EXPECT_TRUE(mtu_.HandleEcho(first[0].challenge));
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
}

// quinn and others stay small for ten minutes when a few probes get lost.
TEST_F(PathMtuTest, ProbesLostByChanceCostLittleTime) {
  int late = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    SeededRandom chance(seed);
    mtu_ = PathMtu();
    mtu_.Start(kStart, false, kRtt);
    TimePoint now = kStart;
    while (mtu_.datagram_size() < 1472 && now < kStart + 60s) {
      now = *mtu_.next();
      std::uint64_t last = 0;
      for (const auto& probe : Burst(now)) {
        if (chance.NextDouble() >= 0.1) last = probe.challenge;
      }
      if (chance.NextDouble() >= 0.1) mtu_.HandleEcho(last);
    }
    EXPECT_LT(now - kStart, 10s) << seed;
    late += now - kStart > 100ms;
  }
  // 0.19^3 of a thousand.
  EXPECT_LE(late, 20);
}

TEST_F(PathMtuTest, ABlackHoleIsFoundOutAndTheLargestThatPassesTaken) {
  mtu_.Start(kStart, false, kRtt);
  mtu_.SetLinkMtu(kStart, 9000);
  TimePoint now = kStart;
  Run(now, kStart + 1s, 8972);
  ASSERT_EQ(mtu_.datagram_size(), 8972u);
  mtu_.Suspect(now, kRtt);
  const TimePoint doubted = now;
  EXPECT_EQ(SizesOf(Burst(now)), (Sizes{1200, 8972, 8972}));
  Run(now, doubted + 199ms, 1252);
  // Until all tries are over the size stays.
  EXPECT_EQ(mtu_.datagram_size(), 8972u);
  Run(now, doubted + 300ms, 1252);
  EXPECT_EQ(mtu_.datagram_size(), 1252u);
  EXPECT_EQ(mtu_.black_holes(), 1u);
}

TEST_F(PathMtuTest, ADoubtThatIsRefutedChangesNothing) {
  mtu_.Start(kStart, false, kRtt);
  TimePoint now = kStart;
  Run(now, kStart + 1s, 1472);
  mtu_.Suspect(now, kRtt);
  Pass(Burst(now), 0);
  now = *mtu_.next();
  Pass(Burst(now), 1472);
  EXPECT_FALSE(mtu_.next().has_value());
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
  EXPECT_EQ(mtu_.black_holes(), 0u);
}

// A path that is dead, and one that loses nearly everything, are no black
// holes: what would it help to send less at a time?
TEST_F(PathMtuTest, WhereNothingPassesTheSizeIsNotToBlame) {
  mtu_.Start(kStart, false, kRtt);
  TimePoint now = kStart;
  Run(now, kStart + 1s, 1472);
  mtu_.Suspect(now, kRtt);
  Run(now, kStart + 10s, 0);
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
  EXPECT_FALSE(mtu_.next().has_value());
}

TEST_F(PathMtuTest, AnEchoFromBeforeTheBlackHoleDoesNotCount) {
  mtu_.Start(kStart, false, kRtt);
  TimePoint now = kStart;
  Run(now, kStart + 1s, 1472);
  mtu_.Suspect(now, kRtt);
  const auto late = Burst(now);
  Run(now, now + 500ms, 1200);
  ASSERT_EQ(mtu_.datagram_size(), 1200u);
  EXPECT_FALSE(mtu_.HandleEcho(late.back().challenge));
  EXPECT_EQ(mtu_.datagram_size(), 1200u);
}

TEST_F(PathMtuTest, ADoubtIsOneAtATimeAndOnlyWhereThereIsSomethingToLose) {
  mtu_.Start(kStart, false, kRtt);
  mtu_.Suspect(kStart, kRtt);
  EXPECT_EQ(SizesOf(Burst(kStart)), Sizes{1472});
  TimePoint now = kStart;
  Run(now, kStart + 300ms, 1472);
  mtu_.Suspect(now, kRtt);
  EXPECT_EQ(Burst(now).size(), 3u);
  mtu_.Suspect(now, kRtt);
  EXPECT_TRUE(Burst(now).empty());
}

// EMSGSIZE: the interface's MTU has fallen. It is known at once, and nothing
// that can't leave is tried any more.
TEST_F(PathMtuTest, ARefusalByTheInterfaceIsBelievedAtOnce) {
  mtu_.Start(kStart, false, kRtt);
  mtu_.SetLinkMtu(kStart, 9000);
  TimePoint now = kStart;
  Run(now, kStart + 1s, 8972);
  mtu_.SetLinkMtu(now, 1280);
  mtu_.HandleTooBig(now, 8972);
  EXPECT_EQ(mtu_.datagram_size(), 1200u);
  const auto probes = Burst(now);
  EXPECT_EQ(SizesOf(probes), (Sizes{1252, 1392, 1432, 1464, 1472}));
  mtu_.HandleTooBig(now, 1392);
  Pass(probes, 1252);
  EXPECT_EQ(mtu_.datagram_size(), 1252u);
  EXPECT_TRUE(Burst(now + 50ms).empty());
  // No black hole: nothing was lost on the way.
  EXPECT_EQ(mtu_.black_holes(), 0u);
}

// Whatever the host says, 1200 bytes are taken for granted, and 1500 is tried.
TEST_F(PathMtuTest, AForgedMtuOfTheHostCostsNothing) {
  mtu_.Start(kStart, false, kRtt);
  mtu_.SetLinkMtu(kStart, 576);
  mtu_.HandleTooBig(kStart, 1200);
  TimePoint now = kStart;
  Run(now, kStart + 100ms, 1472);
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
}

TEST_F(PathMtuTest, LooksUpwardsAgainWhenThePathHasComeBack) {
  mtu_.Start(kStart, false, kRtt);
  TimePoint now = kStart;
  Run(now, kStart + 100s, 1252);
  ASSERT_EQ(mtu_.datagram_size(), 1252u);
  mtu_.Search(now);
  Run(now, now + 1ms, 1472);
  EXPECT_EQ(mtu_.datagram_size(), 1472u);
}

TEST_F(PathMtuTest, ForgetsWhatAnotherPathProved) {
  mtu_.Start(kStart, false, kRtt);
  const auto probes = Burst(kStart);
  mtu_.Start(kStart + 1s, false, kRtt);
  EXPECT_EQ(mtu_.datagram_size(), 1200u);
  EXPECT_FALSE(mtu_.HandleEcho(probes[0].challenge));
}

}  // namespace
}  // namespace p2pcp::channel
