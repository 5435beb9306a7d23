#include "net/crypto/contact_rules.h"

#include "gtest/gtest.h"

namespace p2pcp::crypto {
namespace {

TEST(ContactRules, NoFlagsAreNoRules) {
  EXPECT_EQ(ContactRules::Parse(""), ContactRules());
  EXPECT_EQ(ContactRules().ToString(), "");
}

TEST(ContactRules, RoundTripsWhatTheUserHasLaidDown) {
  ContactRules rules;
  rules.ask = true;
  rules.max_size = 10'737'418'240;
  rules.folder = "/home/b\xc3\xb6\x62/my files,50%";
  rules.knows_old_key = true;
  rules.others = {"later", "x=y"};
  const std::string text = rules.ToString();
  EXPECT_EQ(text,
            "ask,max=10737418240,out=/home/b%C3%B6b/my%20files%2C50%25,old-key,"
            "later,x=y");
  EXPECT_EQ(ContactRules::Parse(text), rules);
}

TEST(ContactRules, ARuleThatIsNotUnderstoodIsAnError) {
  for (const char* text :
       {"max=", "max=x", "max=1k", "max=-1", "max=99999999999999999999",
        "out=", "out=a b", "out=%2", "out=%zz", "out=%2f", "out=%00", ",",
        "ask,", ",ask", "ask,,max=1"}) {
    EXPECT_FALSE(ContactRules::Parse(text)) << text;
  }
}

}  // namespace
}  // namespace p2pcp::crypto
