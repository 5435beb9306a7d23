#include "cmd/remedy.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace p2pcp::cmd {
namespace {

constexpr Circumstances kSender = {.sends = true};
constexpr Circumstances kReceiver = {.receives = true};

std::string For(ErrorCode code, int os_errno, const Circumstances& around) {
  return std::string(RemedyFor(Error{code, "what", os_errno}, around));
}

TEST(Remedy, FitsWhatKeepsAPlaceFromBeingWritten) {
  const auto write = [](int os_errno) {
    return For(ErrorCode::kCannotWrite, os_errno, kReceiver);
  };
  EXPECT_EQ(write(ENOSPC), "Make room there, or name another place.");
  EXPECT_EQ(write(ENOENT), "Make that folder first, or name another place.");
  EXPECT_EQ(write(EACCES),
            "Get the right to write there, or name another place.");
  EXPECT_EQ(write(EEXIST), "It is left as it is: name another file.");
  // Who reads standard output has gone: there is no place to be mended.
  EXPECT_EQ(write(EPIPE), "");
  EXPECT_EQ(write(EIO),
            "Make room and give the right to write there, or name another "
            "place.");
}

TEST(Remedy, TellsASenderWhatTheOtherSideHasToDo) {
  EXPECT_TRUE(For(ErrorCode::kCannotWrite, 0, kSender).starts_with("Let there"))
      << "the receiver's disk";
  EXPECT_EQ(For(ErrorCode::kCannotWrite, EEXIST, kSender),
            "It is left as it is: name another file.")
      << "the sender's receipt";
}

TEST(Remedy, OfASourceDependsOnTheSideAndOnWhatIsWrong) {
  const auto read = [](int os_errno, const Circumstances& around) {
    return For(ErrorCode::kSourceUnreadable, os_errno, around);
  };
  EXPECT_EQ(read(ENOENT, kSender), "") << "a name that was mistyped";
  EXPECT_EQ(read(0, kSender), "") << "a device";
  EXPECT_EQ(read(EACCES, kSender),
            "Let this user be able to read it, and run the command again.");
  EXPECT_TRUE(read(0, {.sends = true, .can_go_on = true})
                  .starts_with("Let this user be able to read what the lines"));
  EXPECT_TRUE(read(0, kReceiver).starts_with("The sender is told which"));
}

TEST(Remedy, BlamesTheNetworkOnlyWhereItWasUsed) {
  EXPECT_EQ(For(ErrorCode::kOther, 0, kSender), "");
  EXPECT_EQ(For(ErrorCode::kOther, 0, {.sends = true, .looked = true}),
            "-v tells each step, 'p2pcp doctor' what the network allows.");
  EXPECT_EQ(For(ErrorCode::kDeclined, 0, {}), "") << "a pairing";
}

}  // namespace
}  // namespace p2pcp::cmd
