#include "cmd/trust/verify.h"

#include "gtest/gtest.h"

namespace p2pcp::cmd {
namespace {

TEST(LargeDigits, AreFiveLinesInTwoGroups) {
  EXPECT_EQ(LargeDigits("012789"),
            "    ###  #  ###    ### ### ###\n"
            "    # # ##    #      # # # # #\n"
            "    # #  #  ###      # ### ###\n"
            "    # #  #  #       #  # #   #\n"
            "    ### ### ###     #  ### ###\n");
}

}  // namespace
}  // namespace p2pcp::cmd
