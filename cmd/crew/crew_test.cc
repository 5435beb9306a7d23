#include "cmd/crew/crew.h"

#include <gtest/gtest.h>

#include "cmd/exit_code.h"

namespace p2pcp::cmd {
namespace {

TEST(Crew, TheWorstOfSeveralCodesIsTheOneOfAll) {
  using enum ExitCode;
  EXPECT_EQ(Worst({}), kVerified);
  EXPECT_EQ(Worst({kVerified, kVerified}), kVerified);
  EXPECT_EQ(Worst({kVerified, kPeerNeverAppeared, kNoPath}),
            kPeerNeverAppeared);
  EXPECT_EQ(Worst({kPeerNeverAppeared, kKeptBack}), kKeptBack);
  EXPECT_EQ(Worst({kKeptBack, kSourceUnreadable}), kSourceUnreadable);
  EXPECT_EQ(Worst({kSourceUnreadable, kCannotWrite}), kCannotWrite);
  EXPECT_EQ(Worst({kCannotWrite, kIntegrity, kVerified}), kIntegrity);
}

}  // namespace
}  // namespace p2pcp::cmd
