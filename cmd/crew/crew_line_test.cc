#include "cmd/crew/crew_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace p2pcp::cmd {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::size_t kColumns = 120;
constexpr TimePoint kBegin{100s};

constexpr char kHalf[] =
    R"({"event":"progress","phase":"transferring","bytes":1000000,)"
    R"("bytes_total":2000000,"files":1,"files_total":3,"complete":true,)"
    R"("bytes_per_second":1048576.0,"eta_seconds":4.0,"rtt_ms":null})";
constexpr char kNone[] =
    R"({"event":"progress","phase":"transferring","bytes":0,)"
    R"("bytes_total":2000000,"files":0,"files_total":1,"complete":true,)"
    R"("bytes_per_second":1048576.0,"eta_seconds":9.0,"rtt_ms":null})";

class CrewLineTest : public ::testing::Test {
 protected:
  CrewLineTest() { line_.Begin(kBegin); }

  std::string Text(Duration after = {}, std::size_t columns = kColumns) const {
    return PlainText(line_.Render(kBegin + after, columns));
  }

  CrewLine line_{"waiting for alice, bob"};
};

TEST_F(CrewLineTest, TellsWhatIsWaitedFor) {
  EXPECT_THAT(Text(), HasSubstr("waiting for alice, bob"));
  line_.HandleBegan(kBegin, 1, "alice");
  EXPECT_THAT(Text(), HasSubstr("alice: connecting"));
  line_.HandleEnded(kBegin + 60s, 1);
  EXPECT_THAT(Text(75s),
              AllOf(HasSubstr("waiting for alice, bob"), HasSubstr("15 s")));
}

TEST_F(CrewLineTest, AddsUpWhatIsUnderWay) {
  line_.HandleBegan(kBegin, 1, "alice");
  line_.HandleBegan(kBegin, 2, "bob");
  line_.HandleOutput(1, kHalf);
  EXPECT_THAT(Text(), AllOf(HasSubstr("alice, bob"), HasSubstr(" 50 %")));
  line_.HandleOutput(2, kNone);
  EXPECT_THAT(Text(), AllOf(HasSubstr("alice, bob"), HasSubstr(" 25 %"),
                            HasSubstr("1/4 files"), HasSubstr("2.0 MiB/s"),
                            HasSubstr("ETA 9 s")));
  line_.HandleEnded(kBegin, 1);
  EXPECT_THAT(Text(), AllOf(Not(HasSubstr("alice")), HasSubstr("bob")));
}

TEST_F(CrewLineTest, KeepsToAnyWidth) {
  line_.HandleBegan(kBegin, 1, "alice");
  for (std::size_t columns = 1; columns < 200; ++columns) {
    EXPECT_LE(Text({}, columns).size(), columns * 4);
  }
  line_.HandleOutput(1, kHalf);
  EXPECT_THAT(Text({}, 20), HasSubstr("50 %"));
}

// The process of a transfer is where a peer's bytes are read.
TEST_F(CrewLineTest, TakesNothingElseForProgress) {
  line_.HandleBegan(kBegin, 1, "alice");
  line_.HandleOutput(1, kHalf);
  const std::string before = Text();
  for (const std::string& line :
       {std::string(), std::string("{"), std::string("[]"),
        std::string(R"({"event":"progress",)"),
        std::string(R"({"event":"file","bytes":7})"),
        R"({"event":"progress",)" + std::string(100'000, ' ') + "}"}) {
    line_.HandleOutput(1, line);
    EXPECT_EQ(Text(), before) << line;
  }
  line_.HandleOutput(7, kNone);
  EXPECT_EQ(Text(), before);
}

TEST_F(CrewLineTest, StandsNumbersThatNoTransferHas) {
  line_.HandleBegan(kBegin, 1, "alice");
  line_.HandleBegan(kBegin, 2, "bob");
  const std::string most =
      R"({"event":"progress","bytes":18446744073709551615,)"
      R"("bytes_total":18446744073709551615,"files":-1,"files_total":"x",)"
      R"("complete":7,"bytes_per_second":1e300,"eta_seconds":1e300})";
  line_.HandleOutput(1, most);
  line_.HandleOutput(2, most);
  EXPECT_THAT(Text(), AllOf(HasSubstr("100 %"), Not(HasSubstr("ETA")),
                            Not(HasSubstr("files"))));
}

}  // namespace
}  // namespace p2pcp::cmd
