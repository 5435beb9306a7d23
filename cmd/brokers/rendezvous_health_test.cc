#include "cmd/brokers/rendezvous_health.h"

#include "gtest/gtest.h"

namespace p2pcp::cmd {
namespace {

TEST(HealthText, SaysWhatWhoeverLooksAfterItWantsToRead) {
  EXPECT_EQ(HealthText({.up = 5s}),
            "up 5 s; the broker is up; 0 STUN requests answered");
  EXPECT_EQ(HealthText({.up = 65s,
                        .broker_is_up = false,
                        .restarts = 1,
                        .stun_answers = 12}),
            "up 1 min 05 s; the broker is down, restarted once; 12 STUN "
            "requests answered");
  EXPECT_EQ(HealthText({.up = 5s, .restarts = 3}),
            "up 5 s; the broker is up, restarted 3 times; 0 STUN requests "
            "answered");
}

TEST(RestartDelay, DoublesUpToHalfAMinute) {
  RestartDelay delay;
  EXPECT_EQ(delay.AfterEnd(0s), 500ms);
  EXPECT_EQ(delay.AfterEnd(59s), 1s);
  for (int i = 0; i < 10; ++i) delay.AfterEnd(0s);
  EXPECT_EQ(delay.AfterEnd(0s), 30s);
}

TEST(RestartDelay, BeginsAnewAfterAGoodRun) {
  RestartDelay delay;
  for (int i = 0; i < 10; ++i) delay.AfterEnd(0s);
  EXPECT_EQ(delay.AfterEnd(60s), 500ms);
  EXPECT_EQ(delay.AfterEnd(0s), 1s);
}

}  // namespace
}  // namespace p2pcp::cmd
