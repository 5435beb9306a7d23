#include "transfer/recovery/hystart.h"

#include <gtest/gtest.h>

namespace p2pcp {
namespace {

// A round of ACKs with the same round trip; whether slow start ended in it.
class HyStartTest : public ::testing::Test {
 protected:
  bool Round(Duration rtt, int acks = 8) {
    bool over = false;
    for (int i = 0; i < acks && !over; ++i) {
      ++acked_;
      // The window's end is ten numbers ahead.
      over =
          hystart_.OnAck(PacketNumber(acked_), PacketNumber(acked_ + 10), rtt);
    }
    acked_ += 10;
    return over;
  }

  HyStart hystart_;
  std::uint64_t acked_ = 0;
};

TEST_F(HyStartTest, GoesOnWhileTheRoundTripIsSteady) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(Round(50ms));
    EXPECT_FALSE(hystart_.in_css());
  }
  EXPECT_EQ(hystart_.Growth(4000), 4000u);
}

// RFC 9406 section 4.2.
TEST_F(HyStartTest, AnEighthMoreDelayBeginsConservativeSlowStart) {
  Round(64ms);
  Round(64ms);
  Round(71ms);  // 7 ms more: less than 64 / 8.
  EXPECT_FALSE(hystart_.in_css());
  Round(80ms);  // 9 ms more.
  EXPECT_TRUE(hystart_.in_css());
  EXPECT_EQ(hystart_.Growth(4000), 1000u);
}

TEST_F(HyStartTest, ConservativeSlowStartEndsAfterFiveRounds) {
  Round(50ms);
  Round(50ms);
  Round(60ms);
  ASSERT_TRUE(hystart_.in_css());
  int rounds = 0;
  while (!Round(61ms)) ++rounds;
  EXPECT_EQ(rounds, HyStart::kCssRounds - 1);
}

TEST_F(HyStartTest, JitterLeadsBackToSlowStart) {
  Round(50ms);
  Round(50ms);
  Round(60ms);
  ASSERT_TRUE(hystart_.in_css());
  Round(50ms);
  EXPECT_FALSE(hystart_.in_css());
}

TEST_F(HyStartTest, FewSamplesProveNothing) {
  Round(50ms, 3);
  Round(50ms, 3);
  Round(90ms, 3);
  EXPECT_FALSE(hystart_.in_css());
}

// Threshold between 4 and 16 ms.
TEST_F(HyStartTest, SmallDelaysOnShortPathsDoNotCount) {
  Round(1ms);
  Round(1ms);
  Round(Duration(4900us));
  EXPECT_FALSE(hystart_.in_css());
  Round(Duration(9ms));
  EXPECT_TRUE(hystart_.in_css());
}

}  // namespace
}  // namespace p2pcp
