#include "net/udp/event_loop.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "net/base/result.h"
#include "net/base/time.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::udp {
namespace {

class EventLoopTest : public testing::Test {
 protected:
  EventLoopTest() : loop_(EventLoop::Create().value()) {}

  // An eventfd that is readable from the start.
  static FileDescriptor Ready() { return FileDescriptor(eventfd(1, 0)); }
  static FileDescriptor Idle() { return FileDescriptor(eventfd(0, 0)); }
  static void Signal(const FileDescriptor& fd) {
    const std::uint64_t one = 1;
    ASSERT_EQ(write(fd.get(), &one, sizeof(one)), 8);
  }
  void Poll() { loop_->RunOnce(loop_->Now()); }

  std::unique_ptr<EventLoop> loop_;
};

TEST_F(EventLoopTest, WaitsForTheDeadlineAndNotMuchLonger) {
  for (const Duration wait : {Duration(50us), Duration(3ms), Duration(20ms)}) {
    const TimePoint before = loop_->Now();
    loop_->RunOnce(before + wait);
    EXPECT_GE(loop_->Now(), before + wait);
    // A busy machine is late, but not by seconds.
    EXPECT_LT(loop_->Now(), before + wait + 2s);
  }
}

TEST_F(EventLoopTest, ADeadlineInThePastOnlyPolls) {
  FileDescriptor idle = Idle();
  loop_->Watch(idle.get(), EPOLLIN, [](std::uint32_t) { ADD_FAILURE(); });
  for (int i = 0; i < 1000; ++i) loop_->RunOnce(TimePoint());
  loop_->Unwatch(idle.get());
}

TEST_F(EventLoopTest, WhatBecomesReadyInARestIsCalledAfterIt) {
  FileDescriptor a = Ready();
  FileDescriptor b = Ready();
  const TimePoint rest = loop_->Now() + 20ms;
  int calls = 0;
  const auto call = [&](std::uint32_t) {
    EXPECT_GE(loop_->Now(), rest);
    ++calls;
  };
  loop_->Watch(a.get(), EPOLLIN, call);
  loop_->Watch(b.get(), EPOLLIN, call);
  const Duration waited = loop_->waited();
  loop_->RunOnce(rest + 20s, rest);
  EXPECT_EQ(calls, 2);
  EXPECT_GE(loop_->waited() - waited, 19ms);
  // A rest that is over is none.
  loop_->RunOnce(rest + 20s, rest);
  EXPECT_EQ(calls, 4);
  loop_->Unwatch(a.get());
  loop_->Unwatch(b.get());
}

TEST_F(EventLoopTest, ADeadlineEndsARest) {
  FileDescriptor idle = Idle();
  loop_->Watch(idle.get(), EPOLLIN, [](std::uint32_t) {});
  const TimePoint before = loop_->Now();
  loop_->RunOnce(before + 5ms, before + 20s);
  EXPECT_GE(loop_->Now(), before + 5ms);
  EXPECT_LT(loop_->Now(), before + 10s);
  bool called = false;
  loop_->SetTimer(loop_->Now() + 5ms, [&] { called = true; });
  loop_->RunOnce(std::nullopt, before + 20s);
  EXPECT_TRUE(called);
  EXPECT_LT(loop_->Now(), before + 10s);
  loop_->Unwatch(idle.get());
}

// The wait for an earlier turn's deadline must not end a later turn's.
TEST_F(EventLoopTest, AnEarlierDeadlineDoesNotEndALaterWait) {
  FileDescriptor ready = Ready();
  loop_->Watch(ready.get(), EPOLLIN | EPOLLET, [](std::uint32_t) {});
  loop_->RunOnce(loop_->Now() + 5ms);  // Ends at once: the fd is ready.
  const TimePoint before = loop_->Now();
  loop_->RunOnce(before + 30ms);
  EXPECT_GE(loop_->Now(), before + 30ms);
  loop_->Unwatch(ready.get());
}

TEST_F(EventLoopTest, AnEarlierDeadlineDoesNotEndAWaitWithoutOne) {
  FileDescriptor ready = Ready();
  loop_->Watch(ready.get(), EPOLLIN | EPOLLET, [](std::uint32_t) {});
  loop_->RunOnce(loop_->Now() + 5ms);
  loop_->Unwatch(ready.get());
  // The timer of the first turn is still set; this turn has none but the
  // signal, which comes later.
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGALRM, &action, nullptr), 0);
  itimerval alarm{};
  alarm.it_value.tv_usec = 50'000;
  const TimePoint before = loop_->Now();
  ASSERT_EQ(setitimer(ITIMER_REAL, &alarm, nullptr), 0);
  loop_->RunOnce(std::nullopt);
  EXPECT_GE(loop_->Now(), before + 49ms);
}

TEST_F(EventLoopTest, CallsWhatIsReadyWithItsEvents) {
  FileDescriptor ready = Ready();
  std::uint32_t seen = 0;
  loop_->Watch(ready.get(), EPOLLIN | EPOLLOUT,
               [&](std::uint32_t events) { seen = events; });
  loop_->RunOnce(std::nullopt);
  EXPECT_EQ(seen, EPOLLIN | EPOLLOUT);
  // A second Watch replaces the first.
  int calls = 0;
  loop_->Watch(ready.get(), EPOLLOUT, [&](std::uint32_t events) {
    ++calls;
    EXPECT_EQ(events, EPOLLOUT);
  });
  Poll();
  EXPECT_EQ(calls, 1);
  loop_->Unwatch(ready.get());
  Poll();
  EXPECT_EQ(calls, 1);
  loop_->Unwatch(ready.get());  // Ignored.
}

// Two are ready in the same turn, and whichever comes first unwatches both.
TEST_F(EventLoopTest, NothingIsCalledAfterUnwatchWithinTheSameTurn) {
  FileDescriptor a = Ready();
  FileDescriptor b = Ready();
  int calls = 0;
  const auto callback = [&](std::uint32_t) {
    ++calls;
    loop_->Unwatch(a.get());
    loop_->Unwatch(b.get());
  };
  loop_->Watch(a.get(), EPOLLIN, callback);
  loop_->Watch(b.get(), EPOLLIN, callback);
  Poll();
  Poll();
  EXPECT_EQ(calls, 1);
}

// The descriptor is closed and its number given to another one, all between
// the wait and the call: the event was the old one's.
TEST_F(EventLoopTest, AReusedDescriptorDoesNotInheritAnEvent) {
  FileDescriptor a = Ready();
  FileDescriptor b = Ready();
  int stale_calls = 0;
  int calls = 0;
  const auto replace = [&](FileDescriptor& other) {
    ++calls;
    const int number = other.get();
    loop_->Unwatch(number);
    other = FileDescriptor();
    other = Idle();
    ASSERT_EQ(other.get(), number);
    loop_->Watch(number, EPOLLIN, [&](std::uint32_t) { ++stale_calls; });
  };
  loop_->Watch(a.get(), EPOLLIN, [&](std::uint32_t) { replace(b); });
  loop_->Watch(b.get(), EPOLLIN, [&](std::uint32_t) { replace(a); });
  Poll();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(stale_calls, 0);
}

TEST_F(EventLoopTest, ACallbackMayReplaceItself) {
  FileDescriptor ready = Ready();
  std::vector<int> order;
  // The captured vector shows, under ASan, that the callback outlives its own
  // replacement.
  const std::vector<int> captured = {1};
  loop_->Watch(ready.get(), EPOLLIN, [&, captured](std::uint32_t) {
    loop_->Watch(ready.get(), EPOLLIN,
                 [&](std::uint32_t) { order.push_back(2); });
    order.push_back(captured[0]);
  });
  Poll();
  Poll();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(EventLoopTest, ManyReadyDescriptorsAllGetTheirTurn) {
  std::vector<FileDescriptor> fds;
  std::vector<int> calls(200);
  for (int i = 0; i < 200; ++i) {
    fds.push_back(Ready());
    loop_->Watch(fds.back().get(), EPOLLIN,
                 [&calls, i](std::uint32_t) { ++calls[i]; });
  }
  for (int i = 0; i < 8; ++i) Poll();
  for (const int count : calls) EXPECT_GE(count, 1);
}

TEST_F(EventLoopTest, TimersRunInTheirOrderAndOnlyWhenDue) {
  const TimePoint now = loop_->Now();
  std::vector<int> order;
  loop_->SetTimer(now + 2ms, [&] { order.push_back(2); });
  loop_->SetTimer(now + 1ms, [&] { order.push_back(1); });
  loop_->SetTimer(now + 2ms, [&] { order.push_back(3); });
  loop_->SetTimer(now + 1h, [&] { order.push_back(4); });
  while (order.size() < 3) loop_->RunOnce(std::nullopt);
  EXPECT_GE(loop_->Now(), now + 2ms);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST_F(EventLoopTest, ATimerMayCancelAnotherAndSetMore) {
  int calls = 0;
  EventLoop::TimerId other;
  loop_->SetTimer(TimePoint(), [&] {
    ++calls;
    loop_->CancelTimer(other);
    // For the past again: must wait for the next turn, or the loop hangs.
    loop_->SetTimer(TimePoint(), [&] { ++calls; });
  });
  other = loop_->SetTimer(TimePoint(), [&] { ADD_FAILURE(); });
  loop_->RunOnce(std::nullopt);
  EXPECT_EQ(calls, 1);
  loop_->RunOnce(std::nullopt);
  EXPECT_EQ(calls, 2);
  loop_->CancelTimer(other);  // Ignored.
}

TEST_F(EventLoopTest, AReadyDescriptorEndsTheWaitForALateTimer) {
  FileDescriptor fd = Idle();
  bool seen = false;
  loop_->Watch(fd.get(), EPOLLIN, [&](std::uint32_t) { seen = true; });
  loop_->SetTimer(loop_->Now() + 1h, [] {});
  Signal(fd);
  loop_->RunOnce(loop_->Now() + 2h);
  EXPECT_TRUE(seen);
}

TEST(WallTime, IsOfThisCentury) {
  EXPECT_GT(WallTime().time_since_epoch(), 50 * 365 * 24h);
}

}  // namespace
}  // namespace p2pcp::udp
