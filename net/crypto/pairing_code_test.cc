#include "net/crypto/pairing_code.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>

#include "net/base/random.h"
#include "net/base/result.h"
#include "net/crypto/code_words.h"

namespace p2pcp::crypto {
namespace {

std::string Parsed(std::string_view text) {
  const Result<PairingCode> code = PairingCode::Parse(text);
  return code.ok() ? code->ToString() : "none: " + code.error().message;
}

TEST(CodeWords, AreSortedDistinctAndOfThreeToFiveLetters) {
  for (std::size_t i = 0; i < kCodeWordCount; ++i) {
    const std::string_view word = CodeWord(i);
    EXPECT_TRUE(word.size() >= 3 && word.size() <= 5) << word;
    for (const char c : word) EXPECT_TRUE(c >= 'a' && c <= 'z') << word;
    if (i > 0) {
      EXPECT_LT(CodeWord(i - 1), word);
    }
    EXPECT_EQ(FindCodeWord(word), i) << word;
  }
}

TEST(CodeWords, ShortFormsNameTheOnlyWordThatBeginsLikeThem) {
  EXPECT_EQ(FindCodeWord("zeb"), FindCodeWord("zebra"));
  EXPECT_EQ(FindCodeWord("ki"), std::nullopt);  // kick, kilt, ...
  EXPECT_EQ(FindCodeWord("x"), std::nullopt);   // xerox, but too short
  EXPECT_EQ(FindCodeWord("xe"), FindCodeWord("xerox"));
  EXPECT_EQ(FindCodeWord("zzz"), std::nullopt);
  EXPECT_EQ(FindCodeWord(""), std::nullopt);
  EXPECT_EQ(FindCodeWord("zebras"), std::nullopt);
}

TEST(PairingCode, IsReadBackAsItIsShown) {
  SeededRandom random(1);
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const PairingCode code = PairingCode::Generate(random);
    const std::string text = code.ToString();
    const Result<PairingCode> again = PairingCode::Parse(text);
    ASSERT_TRUE(again.ok()) << text;
    EXPECT_EQ(*again, code);
    EXPECT_EQ(text, code.nameplate() + "-" + code.Secret());
    EXPECT_EQ(code.nameplate().size(), PairingCode::kNameplateSize);
    seen.insert(text);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(PairingCode, DrawsEveryPart) {
  SeededRandom random(2);
  std::set<std::string> nameplates, words;
  for (int i = 0; i < 20'000; ++i) {
    const PairingCode code = PairingCode::Generate(random);
    nameplates.insert(code.nameplate());
    const std::string secret = code.Secret();
    words.insert(secret.substr(0, secret.find('-')));
    words.insert(secret.substr(secret.rfind('-') + 1));
  }
  EXPECT_GT(nameplates.size(), 8000u);
  EXPECT_EQ(words.size(), kCodeWordCount);
}

TEST(PairingCode, IsTypedAsPeopleType) {
  const std::string code = "0821-acid-bagel-crumb";
  for (const char* text :
       {"0821-acid-bagel-crumb", "  0821 acid bagel crumb\n",
        "0821 ACID Bagel cRUMB", "0821-acid-bagel-crumb.",
        "0821acid,bagel,crumb", "0821  -  acid -- bagel - crumb",
        "0821-acid-bage-crum"}) {
    EXPECT_EQ(Parsed(text), code) << text;
  }
}

TEST(PairingCode, SaysWhatIsWrongWithoutRepeatingIt) {
  EXPECT_NE(Parsed("4821-acid-beagle-crumb").find("the second word"),
            std::string::npos);
  EXPECT_NE(Parsed("4821-acd-bagel-crumb").find("the first word"),
            std::string::npos);
  EXPECT_NE(Parsed("4821-acid-bagel-c").find("the third word"),
            std::string::npos);
  EXPECT_EQ(Parsed("4821-acid-beagle-crumb").find("beagle"), std::string::npos);
  for (const char* text :
       {"", "4821", "4821-acid", "4821-acid-bagel", "acid-bagel-crumb",
        "482-acid-bagel-crumb", "48211-acid-bagel-crumb",
        "4821-acid-bagel-crumb-acid", "4821-acid-bagel-crumb-1",
        "acid-4821-bagel-crumb"}) {
    EXPECT_NE(Parsed(text).find("four digits and three words"),
              std::string::npos)
        << text;
  }
  EXPECT_FALSE(PairingCode::Parse(std::string(1 << 20, 'a')).ok());
}

TEST(PairingCode, IsNoCodeWhenCutShort) {
  const std::string code = "4821-acid-bagel-crumb";
  // "crum" still names the last word; "cru" could be crush or crust.
  const std::size_t enough = code.size() - 1;
  for (std::size_t size = 0; size < enough; ++size) {
    EXPECT_FALSE(PairingCode::Parse(code.substr(0, size)).ok()) << size;
  }
  EXPECT_EQ(Parsed(code.substr(0, enough)), code);
}

}  // namespace
}  // namespace p2pcp::crypto
