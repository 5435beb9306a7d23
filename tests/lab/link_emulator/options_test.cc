#include "tests/lab/link_emulator/options.h"

#include "gtest/gtest.h"
#include "net/base/result.h"
#include "net/base/time.h"

namespace p2pcp::lab {
namespace {

TEST(Options, UnderstandEveryWord) {
  const auto options = ParseOptions(
      "rate=100mbit queue=64k delay=20ms jitter=500us loss=5% burst_enter=1% "
      "burst_leave=20% burst_loss=90%  reorder=2% reorder_delay=1s "
      "duplicate=0.5% flip=1% truncate=2% replay=3% reflect=4% "
      "strangers=100/s forged=50/s policer=20mbit policer_burst=64k\n",
      Options{});
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->rate, 100'000'000u);
  EXPECT_EQ(options->queue, 65536u);
  EXPECT_EQ(options->policer, 20'000'000u);
  EXPECT_EQ(options->policer_burst, 65536u);
  EXPECT_EQ(options->delay, 20ms);
  EXPECT_EQ(options->jitter, 500us);
  EXPECT_DOUBLE_EQ(options->loss, 0.05);
  EXPECT_DOUBLE_EQ(options->burst_enter, 0.01);
  EXPECT_DOUBLE_EQ(options->burst_leave, 0.2);
  EXPECT_DOUBLE_EQ(options->burst_loss, 0.9);
  EXPECT_DOUBLE_EQ(options->reorder, 0.02);
  EXPECT_EQ(options->reorder_delay, 1s);
  EXPECT_DOUBLE_EQ(options->duplicate, 0.005);
  EXPECT_DOUBLE_EQ(options->flip, 0.01);
  EXPECT_DOUBLE_EQ(options->truncate, 0.02);
  EXPECT_DOUBLE_EQ(options->replay, 0.03);
  EXPECT_DOUBLE_EQ(options->reflect, 0.04);
  EXPECT_DOUBLE_EQ(options->strangers, 100);
  EXPECT_DOUBLE_EQ(options->forged, 50);
}

TEST(Options, KeepWhatIsNotNamedAndClearSetsAllBack) {
  Options options;
  options.delay = 20ms;
  auto changed = ParseOptions("loss=1%", options);
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(changed->delay, 20ms);
  changed = ParseOptions("clear loss=0", *changed);
  ASSERT_TRUE(changed.ok());
  EXPECT_EQ(changed->delay, 0ms);
  EXPECT_EQ(changed->loss, 0);
}

TEST(Options, RefuseWhatTheyDoNotUnderstand) {
  for (const char* text :
       {"loss", "loss=", "loss=5", "loss=101%", "loss=-1%", "loss=nan%",
        "delay=20", "delay=61s", "rate=1mb", "rate=9999gbit", "queue=1G",
        "speed=1", "=1", "strangers=2000000/s"}) {
    EXPECT_FALSE(ParseOptions(text, Options{}).ok()) << text;
  }
}

}  // namespace
}  // namespace p2pcp::lab
