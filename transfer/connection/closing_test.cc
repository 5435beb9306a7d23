#include "transfer/connection/closing.h"

#include <gtest/gtest.h>

#include <optional>

#include "net/base/time.h"

namespace p2pcp {
namespace {

constexpr Duration kRtt = 50ms;

// How many go out now.
int Sent(Closing& closing) {
  int sent = 0;
  while (closing.TakeDue()) ++sent;
  return sent;
}

TEST(Closing, SaysNothingBeforeItIsOver) {
  Closing closing;
  EXPECT_FALSE(closing.closed());
  EXPECT_EQ(Sent(closing), 0);
}

TEST(Closing, GoesOutThreeTimesAtOnce) {
  Closing closing;
  closing.Close(TimePoint(1s), 7);
  EXPECT_TRUE(closing.closed());
  EXPECT_EQ(closing.code(), 7);
  EXPECT_EQ(Sent(closing), Closing::kAtOnce);
}

TEST(Closing, AnswersOnceARoundTripAndSixteenTimesInAll) {
  Closing closing;
  TimePoint now{1s};
  closing.Close(now, 7);
  int sent = Sent(closing);
  // What was under way when it was said.
  closing.OnPacket(now + kRtt - 1ns, kRtt);
  EXPECT_EQ(Sent(closing), 0);
  for (int i = 0; i < 100; ++i) {
    now += kRtt;
    closing.OnPacket(now, kRtt);
    closing.OnPacket(now, kRtt);
    const int answers = Sent(closing);
    EXPECT_LE(answers, 1);
    sent += answers;
  }
  EXPECT_EQ(sent, Closing::kInAll);
}

TEST(Closing, WhoBreaksTheProtocolGetsNoAnswers) {
  Closing closing;
  closing.CloseForViolation(0xffff);
  EXPECT_EQ(closing.code(), 0xffff);
  EXPECT_EQ(Sent(closing), Closing::kAtOnce);
  closing.OnPacket(TimePoint(100s), kRtt);
  EXPECT_EQ(Sent(closing), 0);
}

TEST(Closing, SaysNothingToWhoHasSaidSo) {
  Closing closing;
  closing.Close(TimePoint(1s), 7);
  closing.OnPeerClose(3);
  EXPECT_EQ(closing.peer_code(), 3);
  EXPECT_EQ(Sent(closing), 0);
  Closing other;
  other.OnPeerClose(3);
  EXPECT_TRUE(other.closed());
  EXPECT_EQ(other.code(), std::nullopt);
}

}  // namespace
}  // namespace p2pcp
