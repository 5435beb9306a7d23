#include "cmd/text.h"

#include "gtest/gtest.h"

namespace p2pcp::cmd {
namespace {

TEST(Escape, LeavesOrdinaryNamesAlone) {
  for (const char* name :
       {"photo.jpg", "\u00c4rger \u65e5\u672c.txt", "a b", "cur/1:2,S"}) {
    EXPECT_EQ(Escape(name), name);
  }
}

TEST(Escape, TakesTheForceOutOfTerminalSequences) {
  EXPECT_EQ(Escape("a\x1b[2Kb"), "a\\x1b[2Kb");
  EXPECT_EQ(Escape("a\r\nb\x7f"), "a\\x0d\\x0ab\\x7f");
  EXPECT_EQ(Escape("\u009b2K"), "\\u{009b}2K") << "the one-character CSI";
  EXPECT_EQ(Escape("gpj.\u202eexe"), "gpj.\\u{202e}exe");
  EXPECT_EQ(Escape("\\x1b"), "\\\\x1b") << "an escape cannot be forged";
}

TEST(Escape, ShowsInvalidUtf8AsBytes) {
  EXPECT_EQ(Escape("\xff\xc0\xaf"), "\\xff\\xc0\\xaf");
  EXPECT_EQ(Escape("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(Escape("\xe6\x97"), "\\xe6\\x97") << "cut short";
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("\u65e5\u672c"), 4u);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1u);
  EXPECT_EQ(DisplayWidth("\U0001f600"), 2u);
}

TEST(Ellipsize, NeverExceedsTheColumnsGiven) {
  const std::string name = "\u65e5\u672c\u8a9e-a-rather-long-name.tar.gz";
  for (std::size_t columns = 1; columns <= 40; ++columns) {
    EXPECT_LE(DisplayWidth(Ellipsize(name, columns)), columns) << columns;
  }
  EXPECT_EQ(Ellipsize("abcdefghij", 5), "ab\u2026ij");
  EXPECT_EQ(Ellipsize("abc", 3), "abc");
}

TEST(Format, SizesRatesAndTimes) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(1023), "1023 B");
  EXPECT_EQ(FormatSize(1024), "1.0 KiB");
  EXPECT_EQ(FormatSize((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(FormatSize(256u << 20), "256.0 MiB");
  EXPECT_EQ(FormatSize(~std::uint64_t{0}), "16.0 EiB");
  EXPECT_EQ(FormatRate(-1), "0 B/s");
  EXPECT_EQ(FormatDuration(59s), "59 s");
  EXPECT_EQ(FormatDuration(125s), "2 min 05 s");
  EXPECT_EQ(FormatDuration(3720s), "1 h 02 min");
  EXPECT_EQ(FormatDuration(76h), "3 d 4 h");
  EXPECT_EQ(FormatLatency(410us), "0.41 ms");
  EXPECT_EQ(FormatLatency(23ms), "23 ms");
  EXPECT_EQ(FormatLatency(1200ms), "1.2 s");
}

TEST(Nearest, FindsWhatWasMeantAndNothingElse) {
  EXPECT_EQ(Nearest("brokr", {"bind", "broker", "stun"}), "broker");
  EXPECT_EQ(Nearest("bbo", {"alice", "bob"}), "bob");
  EXPECT_EQ(Nearest("zebra", {"alice", "bob"}), std::nullopt);
}

TEST(FormatBitRate, IsDecimalWithTwoDigits) {
  EXPECT_EQ(FormatBitRate(0), "0.0 kbit/s");
  EXPECT_EQ(FormatBitRate(80'000), "640 kbit/s");
  EXPECT_EQ(FormatBitRate(124'999.9), "1.0 Mbit/s");
  EXPECT_EQ(FormatBitRate(1'175'000), "9.4 Mbit/s");
  EXPECT_EQ(FormatBitRate(11'750'000), "94 Mbit/s");
  EXPECT_EQ(FormatBitRate(1.55e9), "12 Gbit/s");
}

TEST(Text, SizesAreReadWithPowersOf1024) {
  EXPECT_EQ(ParseSize("0"), 0u);
  EXPECT_EQ(ParseSize("1500"), 1500u);
  EXPECT_EQ(ParseSize("10k"), 10'240u);
  EXPECT_EQ(ParseSize("10K"), 10'240u);
  EXPECT_EQ(ParseSize("1.5M"), 1'572'864u);
  EXPECT_EQ(ParseSize("2G"), std::uint64_t{2} << 30);
  for (const char* text : {"", "k", "M1", "1T", "1kk", "-1", "+1", "1 k", "0x1",
                           "1e3", "nan", "inf", "9999999999G", "1,5M"}) {
    EXPECT_EQ(ParseSize(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace p2pcp::cmd
