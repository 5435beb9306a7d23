#include "cmd/progress.h"

#include "cmd/text.h"
#include "gtest/gtest.h"

namespace p2pcp::cmd {
namespace {

ProgressView Example() {
  ProgressView view;
  view.name = "a-photo-with-a-long-name.jpg";
  view.bytes_done = 64u << 20;
  view.bytes_total = 256u << 20;
  view.files_total = 3;
  view.rate = 32u << 20;
  view.eta = 6s;
  view.path = "direct udp4 203.0.113.9:41641";
  view.rtt = 23ms;
  return view;
}

TEST(RenderProgress, FitsEveryWidth) {
  for (std::size_t columns = 1; columns <= 300; ++columns) {
    const std::string line = RenderProgress(Example(), columns);
    EXPECT_LE(DisplayWidth(line), columns) << line;
    EXPECT_FALSE(line.empty());
  }
}

TEST(RenderProgress, SaysEverythingWhereThereIsRoom) {
  const std::string line = RenderProgress(Example(), 200);
  for (const char* part :
       {"a-photo-with-a-long-name.jpg", " 25 %", "64.0 MiB of 256.0 MiB",
        "0/3 files", "32.0 MiB/s", "ETA 6 s", "direct udp4", "rtt 23 ms"}) {
    EXPECT_NE(line.find(part), std::string::npos) << part << " in " << line;
  }
}

TEST(RenderProgress, KeepsPercentAndRateLongest) {
  const std::string line = RenderProgress(Example(), 30);
  EXPECT_NE(line.find("25 %"), std::string::npos) << line;
  EXPECT_NE(line.find("32.0 MiB/s"), std::string::npos) << line;
}

TEST(RenderProgress, SaysHundredPercentOnlyAtTheEnd) {
  ProgressView view = Example();
  view.bytes_done = view.bytes_total - 1;
  EXPECT_NE(RenderProgress(view, 200).find(" 99 %"), std::string::npos);
  view.bytes_done = view.bytes_total;
  EXPECT_NE(RenderProgress(view, 200).find("100 %"), std::string::npos);
}

TEST(RateMeter, SettlesOnASteadyRate) {
  RateMeter meter;
  TimePoint now{1s};
  for (int i = 0; i <= 100; ++i) {
    meter.Update(now, static_cast<std::uint64_t>(i) * 250'000);
    now += 250ms;
  }
  EXPECT_NEAR(meter.rate(), 1e6, 1e3);
  ASSERT_TRUE(meter.Eta(10'000'000));
  EXPECT_NEAR(std::chrono::duration<double>(*meter.Eta(10'000'000)).count(),
              10.0, 0.1);
}

TEST(RateMeter, EtaMovesLessThanTheRateWhenALineStalls) {
  RateMeter meter;
  TimePoint now{1s};
  std::uint64_t bytes = 0;
  for (int i = 0; i < 80; ++i, now += 250ms) {
    meter.Update(now, bytes += 250'000);
  }
  for (int i = 0; i < 8; ++i, now += 250ms) meter.Update(now, bytes);
  EXPECT_LT(meter.rate(), 0.3e6);
  EXPECT_LT(*meter.Eta(10'000'000), 15s);
}

TEST(RateMeter, KnowsNothingBeforeTheSecondSample) {
  RateMeter meter;
  EXPECT_EQ(meter.rate(), 0.0);
  meter.Update(TimePoint{1s}, 1000);
  EXPECT_FALSE(meter.Eta(1000));
}

}  // namespace
}  // namespace p2pcp::cmd
