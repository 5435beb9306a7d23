#include "cmd/load_meter.h"

#include <gtest/gtest.h>

#include <memory>

#include "net/base/time.h"
#include "net/udp/event_loop.h"
#include "transfer/session/bottleneck.h"

namespace p2pcp::cmd {
namespace {

TEST(ProcessLoad, CountsWhatIsNotWaited) {
  auto loop = udp::EventLoop::Create();
  ASSERT_TRUE(loop.ok());
  const ProcessLoad meter(loop->get());
  const TimePoint begin = (*loop)->Now();
  (*loop)->RunOnce(begin + 50ms);
  const TimePoint waited = (*loop)->Now();
  EXPECT_LE(meter.Read().busy, waited - begin - 40ms);
  while ((*loop)->Now() < waited + 20ms) {
  }
  const Duration busy = meter.Read().busy;
  EXPECT_GE(busy, 20ms);
  EXPECT_LE(busy, (*loop)->Now() - begin - 40ms);
  // Polling is not waiting.
  (*loop)->RunOnce(TimePoint{});
  EXPECT_GE(meter.Read().busy, busy);
}

TEST(ProcessLoad, HasNoDiskWithoutOtherThreads) {
  auto loop = udp::EventLoop::Create();
  ASSERT_TRUE(loop.ok());
  const ProcessLoad meter(loop->get());
  // The two clocks of the kernel are read one after the other.
  EXPECT_LE(meter.Read().disk_cpu, 5ms);
}

}  // namespace
}  // namespace p2pcp::cmd
