#include "cmd/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "cmd/styled_line.h"
#include "cmd/text.h"
#include "gtest/gtest.h"

namespace p2pcp::cmd {
namespace {

ProgressView Example() {
  ProgressView view;
  view.name = "a-photo-with-a-long-name.jpg";
  view.file_bytes_done = 3u << 20;
  view.file_bytes_total = 30u << 20;
  view.bytes_done = 64u << 20;
  view.bytes_total = 256u << 20;
  view.files_total = 3;
  view.rate = 32u << 20;
  view.slow_rate = 16u << 20;
  view.eta = 6s;
  view.path = "direct udp4 203.0.113.9:41641";
  view.rtt = 23ms;
  return view;
}

std::string Render(const ProgressView& view, std::size_t columns) {
  return PlainText(RenderProgress(view, columns));
}

// Names of files as they may come, escaped as they are shown.
std::vector<std::string> Names() {
  const auto repeat = [](std::string_view text) {
    std::string name;
    while (name.size() + text.size() <= 255) name += text;
    return Escape(name);
  };
  return {"",
          "a",
          Example().name,
          repeat("x"),
          repeat("\u65e5\u672c\u8a9e"),
          repeat("\U0001f600"),
          repeat("e\u0301"),
          repeat("\u0301"),
          repeat("\x1b[2J\r\n\x07"),
          repeat("\xff\xfe"),
          repeat("\u202e\u200d\ufeff"),
          repeat("\u2764\ufe0f")};
}

TEST(RenderProgress, IsOneLineThatFitsEveryWidth) {
  for (const std::string& name : Names()) {
    for (const bool stalled : {false, true}) {
      ProgressView view = Example();
      view.name = name;
      if (stalled) view.stalled = 75s;
      for (std::size_t columns = 1; columns <= 300; ++columns) {
        const std::string line = Render(view, columns);
        ASSERT_LE(DisplayWidth(line), columns) << line;
        ASSERT_FALSE(line.empty());
        ASSERT_TRUE(std::none_of(line.begin(), line.end(), [](char c) {
          return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        })) << line;
        ASSERT_TRUE(IsUtf8(line)) << line;
      }
    }
  }
}

TEST(RenderProgress, SaysEverythingWhereThereIsRoom) {
  const std::string line = Render(Example(), 200);
  for (const char* part :
       {"a-photo-with-a-long-name.jpg", "10 % of 30.0 MiB", " 25 %",
        "64.0 MiB of 256.0 MiB", "0/3 files", "32.0 MiB/s", "ETA 6 s",
        "direct udp4", "rtt 23 ms"}) {
    EXPECT_NE(line.find(part), std::string::npos) << part << " in " << line;
  }
}

TEST(RenderProgress, KeepsPercentAndRateLongest) {
  const std::string line = Render(Example(), 30);
  EXPECT_NE(line.find("25 %"), std::string::npos) << line;
  EXPECT_NE(line.find("32.0 MiB/s"), std::string::npos) << line;
}

TEST(RenderProgress, SaysThatItIsStalledInsteadOfARate) {
  ProgressView view = Example();
  view.stalled = 3s;
  const std::string line = Render(view, 200);
  EXPECT_NE(line.find("stalled for 3 s, punching again"), std::string::npos);
  EXPECT_EQ(line.find("ETA"), std::string::npos);
  EXPECT_EQ(line.find("/s"), std::string::npos);
  // Of all but the percentage this stays longest.
  EXPECT_NE(Render(view, 50).find("punching again"), std::string::npos);
}

TEST(RenderProgress, SaysNothingOfWhatIsNotKnownYet) {
  ProgressView view;
  view.name = "waiting for the answer";
  view.phase = true;
  EXPECT_EQ(Render(view, 100), "waiting for the answer");
  EXPECT_EQ(Render(view, 12), "waiting for\u2026");
  EXPECT_EQ(RenderState(view, "sending to bob", 5s),
            "sending to bob for 5 s\n  now: waiting for the answer");
  view.path = "direct udp4 203.0.113.9:41641";
  EXPECT_EQ(Render(view, 100),
            "waiting for the answer  direct udp4 203.0.113.9:41641");
  for (std::size_t columns = 1; columns <= 300; ++columns) {
    EXPECT_LE(DisplayWidth(Render(view, columns)), columns);
    if (columns < 4) continue;
    EXPECT_TRUE(Render(view, columns).starts_with("wai")) << columns;
  }
}

TEST(RenderProgress, SaysWhereTotalsMayGrow) {
  ProgressView view = Example();
  view.complete = false;
  EXPECT_NE(Render(view, 200).find("of at least 256.0 MiB"), std::string::npos);
}

TEST(RenderProgress, AFileThatIsAloneNeedsNoPartOfItsOwn) {
  ProgressView view = Example();
  view.files_total = 1;
  EXPECT_EQ(Render(view, 200).find("of 30.0 MiB"), std::string::npos);
}

TEST(RenderProgress, SaysHundredPercentOnlyAtTheEnd) {
  ProgressView view = Example();
  view.bytes_done = view.bytes_total - 1;
  EXPECT_NE(Render(view, 200).find(" 99 %"), std::string::npos);
  view.bytes_done = view.bytes_total;
  EXPECT_NE(Render(view, 200).find("100 %"), std::string::npos);
}

TEST(RenderProgress, ColoursChangeNothingElse) {
  ProgressView view = Example();
  view.stalled = 3s;
  const StyledLine line = RenderProgress(view, 100);
  std::string text = ColouredText(line);
  EXPECT_NE(text.find("\x1b[33m"), std::string::npos);
  for (std::size_t at; (at = text.find('\x1b')) != std::string::npos;) {
    text.erase(at, text.find('m', at) - at + 1);
  }
  EXPECT_EQ(text, PlainText(line));
}

TEST(RenderWaiting, IsOneLineThatFitsEveryWidth) {
  for (std::size_t columns = 1; columns <= 300; ++columns) {
    const std::string line = PlainText(
        RenderWaiting("waiting for bob to appear", 42s, 18s, columns));
    ASSERT_LE(DisplayWidth(line), columns);
    ASSERT_FALSE(line.empty());
  }
  EXPECT_EQ(PlainText(RenderWaiting("waiting for bob", 42s, 18s, 80)),
            "waiting for bob  42 s, 18 s left");
  EXPECT_EQ(PlainText(RenderWaiting("waiting for bob", 42s, {}, 80)),
            "waiting for bob  42 s");
  EXPECT_EQ(PlainText(RenderWaiting("waiting for bob to appear", 42s, {}, 24)),
            "waiting for bob t\u2026  42 s");
  EXPECT_EQ(PlainText(RenderWaiting("waiting for bob to appear", 42s, {}, 20)),
            "waiting for bob to \u2026");
}

TEST(RenderState, SaysEverything) {
  EXPECT_EQ(RenderState(Example(), "sending to bob", 65s),
            "sending to bob for 1 min 05 s: 25 % (64.0 MiB of 256.0 MiB), 0 of "
            "3 files\n"
            "  now: a-photo-with-a-long-name.jpg, 3.0 MiB of 30.0 MiB\n"
            "  32.0 MiB/s now, 16.0 MiB/s of late, ETA 6 s\n"
            "  direct udp4 203.0.113.9:41641, rtt 23 ms");
  ProgressView view = Example();
  view.stalled = 3s;
  EXPECT_NE(RenderState(view, "", 1s).find("stalled for 3 s, punching again"),
            std::string::npos);
}

// A meter that is told the count each quarter of a second, as by the driver.
class MeterTest : public testing::Test {
 protected:
  void Run(Duration time, double rate) {
    for (const TimePoint end = now_ + time; now_ < end; now_ += 250ms) {
      bytes_ += static_cast<std::uint64_t>(rate / 4);
      meter_.Update(now_, bytes_);
    }
  }
  // Of the time for 10 MB.
  double EtaSeconds() const {
    const auto eta = meter_.Eta(10'000'000);
    return eta ? std::chrono::duration<double>(*eta).count() : -1;
  }

  RateMeter meter_;
  TimePoint now_{1s};
  std::uint64_t bytes_ = 0;
};

TEST_F(MeterTest, SettlesOnASteadyRate) {
  Run(25s, 1e6);
  EXPECT_NEAR(meter_.rate(), 1e6, 1e3);
  EXPECT_NEAR(EtaSeconds(), 10.0, 0.1);
}

TEST_F(MeterTest, KnowsNothingBeforeTheSecondSample) {
  EXPECT_EQ(meter_.rate(), 0.0);
  meter_.Update(TimePoint{1s}, 1000);
  EXPECT_FALSE(meter_.Eta(1000));
}

TEST_F(MeterTest, WhatWasThereBeforeIsNoRate) {
  bytes_ = 3'000'000'000;
  Run(5s, 1e6);
  EXPECT_NEAR(meter_.rate(), 1e6, 1e3);
  EXPECT_NEAR(EtaSeconds(), 10.0, 0.1);
}

TEST_F(MeterTest, GivesNoEtaWhileRatesOnlyBeginToRise) {
  Run(1500ms, 1e5);
  EXPECT_FALSE(meter_.Eta(1000));
  Run(1500ms, 1e6);
  EXPECT_TRUE(meter_.Eta(1000));
}

TEST_F(MeterTest, TheEtaDoesNotJump) {
  Run(20s, 1e6);
  double before = EtaSeconds();
  // A line that is as fast as before, by bursts; then one of half its rate.
  for (int i = 0; i < 160; ++i) {
    Run(250ms, i % 4 == 0 ? 4e6 : 0);
    EXPECT_LT(std::abs(EtaSeconds() / before - 1), 0.06) << i;
    EXPECT_NEAR(EtaSeconds(), 10, 1) << i;
    before = EtaSeconds();
  }
  for (int i = 0; i < 160; ++i) {
    Run(250ms, 5e5);
    EXPECT_LT(EtaSeconds() / before - 1, 0.02) << i;
    before = EtaSeconds();
  }
  EXPECT_NEAR(before, 20, 2) << "and it is right again in the end";
}

TEST_F(MeterTest, TheEtaMovesLessThanTheRate) {
  Run(20s, 1e6);
  Run(2s, 0);
  EXPECT_LT(meter_.rate(), 0.3e6);
  EXPECT_LT(EtaSeconds(), 15);
}

TEST_F(MeterTest, AStallLeavesTheEtaAlone) {
  Run(20s, 1e6);
  for (int i = 0; i < 240; ++i, now_ += 250ms) meter_.Pause(now_, bytes_);
  Run(1s, 1e6);
  EXPECT_NEAR(meter_.rate(), 1e6, 1e3);
  EXPECT_NEAR(EtaSeconds(), 10, 0.1);
}

}  // namespace
}  // namespace p2pcp::cmd
