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

TEST(DisplayWidth, KnowsMarksAndWideCharactersOfAllScripts) {
  // Hangul syllables, and the same spelt by conjoining letters.
  EXPECT_EQ(DisplayWidth("\ud55c\uae00"), 4u);
  EXPECT_EQ(DisplayWidth("\u1112\u1161\u11ab"), 2u);
  // Thai, Hebrew, Devanagari and Arabic marks.
  EXPECT_EQ(DisplayWidth("\u0e17\u0e35\u0e48"), 1u);
  EXPECT_EQ(DisplayWidth("\u05e9\u05c1"), 1u);
  EXPECT_EQ(DisplayWidth("\u0928\u0941"), 1u);
  EXPECT_EQ(DisplayWidth("\u0628\u0651"), 1u);
  // Fullwidth and halfwidth forms.
  EXPECT_EQ(DisplayWidth("\uff21"), 2u);
  EXPECT_EQ(DisplayWidth("\uff71"), 1u);
  // Emoji outside of the emoji blocks, and what is none inside.
  EXPECT_EQ(DisplayWidth("\u231a\u26a1\u2705"), 6u);
  EXPECT_EQ(DisplayWidth("\U0001f321"), 1u);
  // Planes of ideographs, and the ends of the tables.
  EXPECT_EQ(DisplayWidth("\U00020000\U0003fffd"), 4u);
  EXPECT_EQ(DisplayWidth("\u10ff\u1100\u115f"), 5u);
  // Terminals differ here: what the widest of them gives.
  EXPECT_EQ(DisplayWidth("\u2764\ufe0f"), 2u);
  EXPECT_EQ(DisplayWidth("\U0001f1e9\U0001f1ea"), 4u);
}

TEST(RowsOf, CountsRowsAndBreaksNoWideCharacter) {
  EXPECT_EQ(RowsOf("", 10), 1u);
  EXPECT_EQ(RowsOf("0123456789", 10), 1u);
  EXPECT_EQ(RowsOf("0123456789a", 10), 2u);
  EXPECT_EQ(RowsOf("0123456789a", 1), 11u);
  EXPECT_EQ(RowsOf("\u65e5\u672c\u8a9e", 5), 2u);
  EXPECT_EQ(RowsOf("\u65e5\u672c\u8a9e", 3), 3u);
}

TEST(Ellipsize, NeverExceedsTheColumnsGiven) {
  const std::string name = "\u65e5\u672c\u8a9e-a-rather-long-name.tar.gz";
  for (std::size_t columns = 1; columns <= 40; ++columns) {
    EXPECT_LE(DisplayWidth(Ellipsize(name, columns)), columns) << columns;
    EXPECT_LE(DisplayWidth(CutOff(name, columns)), columns) << columns;
  }
  EXPECT_EQ(Ellipsize("abcdefghij", 5), "ab\u2026ij");
  EXPECT_EQ(Ellipsize("abc", 3), "abc");
  EXPECT_EQ(CutOff("abcdefghij", 5), "abcd\u2026");
  EXPECT_EQ(CutOff("abc", 3), "abc");
}

TEST(Format, SizesRatesAndTimes) {
  EXPECT_EQ(FormatCount(0, "file"), "0 files");
  EXPECT_EQ(FormatCount(1, "file"), "1 file");
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
  EXPECT_EQ(FormatRemaining(59s), "59 s");
  EXPECT_EQ(FormatRemaining(127s), "2 min 05 s");
  EXPECT_EQ(FormatRemaining(629s), "10 min");
  EXPECT_EQ(FormatRemaining(3599s), "1 h 00 min");
  EXPECT_EQ(FormatRemaining(3870s), "1 h 05 min");
  EXPECT_EQ(FormatRemaining(76h), "3 d 4 h");
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
