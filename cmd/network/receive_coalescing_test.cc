#include "cmd/network/receive_coalescing.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "net/base/time.h"

namespace p2pcp::cmd {
namespace {

class ReceiveCoalescingTest : public testing::Test {
 protected:
  // Takes datagrams that come one by one at this distance, as a driver does;
  // counts the turns.
  int Stream(int datagrams, Duration gap, Duration rtt) {
    int turns = 0;
    TimePoint next = now_ + gap;
    while (datagrams > 0) {
      now_ = std::max(next, rest_);
      for (; datagrams > 0 && next <= now_; next += gap, --datagrams) {
        coalescing_.OnDatagrams(now_, 1);
      }
      rest_ = coalescing_.PollRest(now_, rtt);
      longest_ = std::max(longest_, rest_ - now_);
      ++turns;
    }
    return turns;
  }

  ReceiveCoalescing coalescing_;
  TimePoint now_{1s};
  TimePoint rest_;
  Duration longest_{0};
};

TEST_F(ReceiveCoalescingTest, AHundredMegabitsAreATurnEachMillisecond) {
  Stream(1000, 120us, 50ms);
  EXPECT_LE(Stream(8000, 120us, 50ms), 8000 / 7);
  EXPECT_LE(longest_, ReceiveCoalescing::kMaxLongest);
}

TEST_F(ReceiveCoalescingTest, AGigabitIsNotMoreThanABufferHolds) {
  Stream(1000, 12us, 50ms);
  longest_ = Duration(0);
  EXPECT_LE(Stream(44'000, 12us, 50ms), 44'000 / 40);
  EXPECT_LE(longest_, (ReceiveCoalescing::kMaxGathered + 8) * 12us);
}

TEST_F(ReceiveCoalescingTest, AShortRoundTripHasShorterRests) {
  Stream(10'000, 12us, 8320us);
  EXPECT_EQ(longest_, 520us);
  longest_ = Duration(0);
  Stream(10'000, 12us, 100us);
  EXPECT_EQ(longest_, ReceiveCoalescing::kMinLongest);
}

TEST_F(ReceiveCoalescingTest, WhatComesSeldomIsReadAtOnce) {
  EXPECT_EQ(Stream(1000, 600us, 50ms), 1000);
  // At round trips of a LAN, too.
  EXPECT_EQ(Stream(1000, 260us, 200us), 1000);
}

// A train each millisecond is one turn, and comes as soon as it can.
TEST_F(ReceiveCoalescingTest, TrainsAreNotWaitedForInVain) {
  for (int i = 0; i < 1000; ++i) {
    now_ += 1ms;
    for (int j = 0; j < 8; ++j) coalescing_.OnDatagrams(now_, 1);
    EXPECT_LE(coalescing_.PollRest(now_, 200us), now_);
  }
}

// Where the machine is slower than they come there is enough to do already.
TEST_F(ReceiveCoalescingTest, WhatHasGatheredByItselfIsNotWaitedFor) {
  for (int i = 0; i < 1000; ++i) {
    now_ += 60us;
    for (int j = 0; j < 30; ++j) coalescing_.OnDatagrams(now_, 1);
    EXPECT_LE(coalescing_.PollRest(now_, 50ms), now_);
  }
}

TEST_F(ReceiveCoalescingTest, WhatComesFasterThanATimerIsNotWaitedFor) {
  EXPECT_EQ(Stream(10'000, 1us, 50ms), 10'000);
}

// A machine that does not keep up has them waiting whenever it looks.
TEST_F(ReceiveCoalescingTest, ThereIsNoRestBehindABacklog) {
  Stream(2000, 12us, 50ms);
  for (int i = 0; i < 88; ++i) coalescing_.OnDatagrams(now_, 1);
  EXPECT_LE(coalescing_.PollRest(now_, 50ms), now_);
}

// A socket of which a turn does not read all, at 5 us a datagram.
TEST_F(ReceiveCoalescingTest, ATurnThatLeavesSomeEndsTheRests) {
  Stream(2000, 12us, 50ms);
  int left = 0;
  for (int i = 0; i < 100; ++i) {
    const TimePoint before = now_;
    now_ = std::max(now_ + 30us, coalescing_.PollRest(now_, 50ms));
    left += static_cast<int>((now_ - before) / 5us);
    const int read = std::min(left, ReceiveCoalescing::kMaxGathered + 20);
    for (int j = 0; j < read; ++j) coalescing_.OnDatagrams(now_, 1);
    left -= read;
  }
  EXPECT_LE(left, 0);
  EXPECT_LE(coalescing_.PollRest(now_, 50ms), now_ + 500us);
}

// They came one after another while nobody looked.
TEST_F(ReceiveCoalescingTest, WhatHasGatheredKeepsItsTimes) {
  Stream(1000, 120us, 50ms);
  for (int turn = 0; turn < 100; ++turn) {
    const TimePoint before = now_;
    rest_ = coalescing_.PollRest(before, 50ms);
    const bool rests = rest_ > before;
    now_ = rests ? rest_ : before + 120us;
    const int gathered = static_cast<int>((now_ - before) / 120us);
    for (int i = 1; i <= gathered; ++i) {
      const TimePoint came = coalescing_.OnDatagrams(now_, 1);
      EXPECT_LE(came, now_);
      EXPECT_GE(came, before + i * 120us * 8 / 10);
      EXPECT_LE(came, before + i * 120us * 12 / 10);
    }
  }
}

TEST_F(ReceiveCoalescingTest, NoneCameLaterThanItWasRead) {
  Stream(1000, 120us, 50ms);
  for (int turn = 0; turn < 20; ++turn) {
    rest_ = coalescing_.PollRest(now_, 50ms);
    now_ = std::max(rest_, now_ + 10us);
    TimePoint last;
    for (int i = 0; i < 40; ++i) {
      const TimePoint came = coalescing_.OnDatagrams(now_, 1);
      EXPECT_GE(came, last);
      EXPECT_LE(came, now_);
      last = came;
    }
  }
}

TEST_F(ReceiveCoalescingTest, ABurstAfterAPauseIsReadAtOnce) {
  Stream(1000, 120us, 50ms);
  // A turn in which a timer was due, but nothing came.
  EXPECT_LE(coalescing_.PollRest(now_, 50ms), now_);
  for (int round = 0; round < 10; ++round) {
    now_ += 50ms;
    EXPECT_EQ(Stream(10, 20us, 50ms), 10);
  }
}

TEST_F(ReceiveCoalescingTest, TheFirstPacketsAreReadAtOnce) {
  coalescing_.OnDatagrams(now_, 1);
  EXPECT_LE(coalescing_.PollRest(now_, 50ms), now_);
  now_ += 10us;
  coalescing_.OnDatagrams(now_, 1);
  EXPECT_LE(coalescing_.PollRest(now_, 50ms), now_);
}

}  // namespace
}  // namespace p2pcp::cmd
