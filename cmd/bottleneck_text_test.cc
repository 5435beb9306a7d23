#include "cmd/bottleneck_text.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "net/base/time.h"
#include "transfer/session/bottleneck.h"

namespace p2pcp::cmd {
namespace {

TEST(BottleneckSentence, SaysCauseRateAndTheStateOfThePath) {
  const TransferReport report{.bottleneck = Bottleneck::kPath,
                              .packets_sent = 1000,
                              .packets_lost = 10,
                              .smoothed_rtt = 61ms,
                              .min_rtt = 50ms,
                              .data_bytes_sent = 2000,
                              .data_bytes_retransmitted = 22};
  EXPECT_EQ(BottleneckSentence(report, 94e6 / 8),
            "limited by the path: 94 Mbit/s at 50 ms, 1.0 % lost, 1.1 % sent "
            "twice");
}

TEST(BottleneckSentence, SaysNothingThatIsNotKnown) {
  EXPECT_EQ(BottleneckSentence({}, 1e6), "");
  TransferReport report;
  report.bottleneck = Bottleneck::kSenderDisk;
  EXPECT_EQ(BottleneckSentence(report, 1e6),
            "limited by the sender's disk: 8.0 Mbit/s, 0.0 % lost, 0.0 % sent "
            "twice");
}

TEST(BottleneckName, IsOneForEachCause) {
  std::set<std::string> names;
  for (int i = 0; i <= kHighestBottleneck; ++i) {
    const auto bottleneck = static_cast<Bottleneck>(i);
    names.insert(std::string(BottleneckName(bottleneck)));
    TransferReport report;
    report.bottleneck = bottleneck;
    EXPECT_EQ(BottleneckSentence(report, 1e6).empty(), i == 0) << i;
  }
  EXPECT_EQ(names.size(), kHighestBottleneck + 1u);
}

}  // namespace
}  // namespace p2pcp::cmd
