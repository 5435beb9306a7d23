#include "cmd/network/connect_steps.h"

#include <string>

#include "cmd/console.h"
#include "cmd/events.h"
#include "gtest/gtest.h"
#include "net/base/time.h"

namespace p2pcp::cmd {
namespace {

using Step = ConnectSteps::Step;

class ConnectStepsTest : public testing::Test {
 protected:
  ConnectSteps Steps(bool again = false) {
    return ConnectSteps("bob", again, &console_, &events_);
  }

  const TimePoint begin_{100s};
  Console console_{{.quiet = true, .progress = ProgressMode::kNever}};
  Events events_{std::nullopt};
};

TEST_F(ConnectStepsTest, TellsWhatIsWaitedForAndSinceWhen) {
  ConnectSteps steps = Steps();
  steps.Begin(begin_, 60s);
  EXPECT_EQ(steps.State(begin_ + 2s, ""),
            "waiting for a broker, to meet bob for 2 s, 58 s left");
  steps.HandleBroker(begin_ + 3s, "mqtt://x");
  EXPECT_EQ(steps.State(begin_ + 5s, ""),
            "waiting for bob to appear for 2 s, 55 s left\n  broker: mqtt://x");
  steps.HandlePeer(begin_ + 5s);
  EXPECT_EQ(steps.State(begin_ + 6s, ""),
            "bob is there; agreeing on keys for 1 s, 54 s left\n"
            "  broker: mqtt://x");
  steps.HandleBusy(begin_ + 6s);
  EXPECT_EQ(steps.State(begin_ + 9s, ""),
            "bob is busy with another transfer; our turn will come for 3 s, "
            "51 s left\n  broker: mqtt://x");
  // From here on it is the path that ends it, in its own time.
  steps.HandleHandshake(begin_ + 10s);
  EXPECT_EQ(steps.State(begin_ + 11s, "34 probes so far"),
            "bob is there; punching a path for 1 s\n  broker: mqtt://x\n"
            "  34 probes so far");
}

TEST_F(ConnectStepsTest, ABrokerThatComesLaterIsNoStepBack) {
  ConnectSteps steps = Steps();
  steps.Begin(begin_, std::nullopt);
  // By multicast.
  steps.HandlePeer(begin_);
  steps.HandleHandshake(begin_);
  steps.HandleBroker(begin_ + 1s, "mqtt://x");
  EXPECT_EQ(steps.step(), Step::kPath);
  // The peer repeats itself; the handshake stands.
  steps.HandlePeer(begin_ + 1s);
  EXPECT_EQ(steps.step(), Step::kPath);
}

TEST_F(ConnectStepsTest, APeerThatLeavesIsWaitedForAgain) {
  ConnectSteps steps = Steps(/*again=*/true);
  steps.Begin(begin_, std::nullopt);
  steps.HandleBroker(begin_, "mqtt://x");
  steps.HandleHandshake(begin_);
  steps.HandleGone(begin_ + 5s);
  EXPECT_EQ(steps.State(begin_ + 6s, ""),
            "waiting for bob to come back for 1 s\n  broker: mqtt://x");
}

}  // namespace
}  // namespace p2pcp::cmd
