#include "net/channel/consent.h"

#include <gtest/gtest.h>

#include <vector>

namespace p2pcp::channel {
namespace {

constexpr TimePoint kStart{1s};
using Due = Consent::Due;

class ConsentTest : public testing::Test {
 protected:
  ConsentTest() { consent_.OnPath(kStart); }

  std::vector<Due> PollAll(TimePoint now) {
    std::vector<Due> due;
    while (const auto next = consent_.Poll(now)) due.push_back(*next);
    EXPECT_TRUE(!consent_.next() || *consent_.next() > now) << "would spin";
    return due;
  }

  SeededRandom random_{1};
  Consent consent_{random_};
};

TEST_F(ConsentTest, KeepsAnIdlePathAliveEveryFiveSecondsOrSo) {
  TimePoint now = kStart;
  TimePoint last = kStart;
  int count = 0;
  std::vector<Duration> gaps;
  while (now < kStart + 1000s) {
    now = *consent_.next();
    consent_.OnReceived(now, true, false);
    for (const Due due : PollAll(now)) {
      if (due == Due::kKeepalive) {
        gaps.push_back(now - last);
        last = now;
        consent_.OnSent(now, true);
        consent_.OnReceived(now, true, false);
        ++count;
      } else {
        EXPECT_EQ(due, Due::kStandby);
      }
    }
  }
  for (const Duration gap : gaps) {
    EXPECT_GE(gap, 4s);
    EXPECT_LE(gap, 6s);
  }
  EXPECT_NEAR(count, 200, 20);
  EXPECT_NE(gaps[0], gaps[1]);
}

TEST_F(ConsentTest, SendsNoKeepaliveWhileDataFlows) {
  for (TimePoint now = kStart; now < kStart + 30s; now += 100ms) {
    consent_.OnSent(now, true);
    consent_.OnReceived(now, true, false);
    for (const Due due : PollAll(now)) EXPECT_EQ(due, Due::kStandby);
  }
}

TEST_F(ConsentTest, NoticesSilenceHalfASecondAfterSending) {
  consent_.OnSent(kStart + 1s, true);
  consent_.OnSent(kStart + 1400ms, true);
  EXPECT_TRUE(PollAll(kStart + 1499ms).empty());
  EXPECT_EQ(PollAll(kStart + 1500ms), (std::vector{Due::kSilence}));
  EXPECT_TRUE(consent_.silent());
  consent_.OnReceived(kStart + 2100ms, /*on_path=*/false, /*payload=*/false);
  EXPECT_TRUE(consent_.silent());
  consent_.OnReceived(kStart + 2200ms, /*on_path=*/true, /*payload=*/false);
  EXPECT_FALSE(consent_.silent());
}

TEST_F(ConsentTest, WaitsThreeRoundTripsWhereThatIsLonger) {
  consent_.SetRtt(600ms);
  consent_.OnSent(kStart, true);
  EXPECT_TRUE(PollAll(kStart + 1799ms).empty());
  EXPECT_EQ(PollAll(kStart + 1800ms), (std::vector{Due::kSilence}));
}

TEST_F(ConsentTest, AsksOnceWherePayloadCeases) {
  consent_.OnReceived(kStart, /*on_path=*/true, /*payload=*/true);
  consent_.OnReceived(kStart + 100ms, /*on_path=*/true, /*payload=*/true);
  EXPECT_TRUE(PollAll(kStart + 349ms).empty());
  EXPECT_EQ(PollAll(kStart + 350ms), (std::vector{Due::kKeepalive}));
  consent_.OnSent(kStart + 350ms, /*asks=*/true);
  // The answer is no payload.
  consent_.OnReceived(kStart + 400ms, /*on_path=*/true, /*payload=*/false);
  EXPECT_TRUE(PollAll(kStart + 3s).empty());
}

TEST_F(ConsentTest, TakesNoSilenceForAnAnswerThatNobodyOwes) {
  consent_.OnSent(kStart, /*asks=*/false);
  EXPECT_TRUE(PollAll(kStart + 3s).empty());
}

// Both sides of the threshold.
TEST_F(ConsentTest, LosesThePeerAfterFortyFiveSeconds) {
  consent_.OnReceived(kStart + 1s, false, false);
  PollAll(kStart + 45999ms);
  EXPECT_TRUE(consent_.next().has_value());
  EXPECT_EQ(PollAll(kStart + 46s), (std::vector{Due::kLoss}));
  EXPECT_FALSE(consent_.next().has_value());
}

TEST_F(ConsentTest, KeepsThePeerWhoseOtherPathIsAlive) {
  for (TimePoint now = kStart; now < kStart + 60s; now += 1s) {
    consent_.OnReceived(now, /*on_path=*/false, /*payload=*/false);
    for (const Due due : PollAll(now)) EXPECT_NE(due, Due::kLoss);
  }
}

}  // namespace
}  // namespace p2pcp::channel
