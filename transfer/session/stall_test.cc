// A peer that is there and does nothing: the channel lives, so only the session
// can tell that nothing will come of it.

#include <gtest/gtest.h>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "transfer/file/test_folder.h"
#include "transfer/session/session_pair.h"

namespace p2pcp {
namespace {

// Packets that carry more than a few frames: those with bytes of files.
bool IsLarge(ByteSpan payload) { return payload.size() > 500; }

TEST(Stall, APeerThatNeverFinishesIsGivenUp) {
  SessionPair pair;
  pair.Add("a", file::RandomText(2'000'000, 1));
  pair.Start();
  int passed = 0;
  pair.link().filter = [&](int from, ByteSpan payload) {
    return from == 1 || !IsLarge(payload) || ++passed < 50;
  };
  ASSERT_FALSE(pair.Run(590s));
  ASSERT_TRUE(pair.Run(60s));
  EXPECT_NE(pair.Outcome(0), std::nullopt);
  EXPECT_NE(pair.Outcome(1), std::nullopt);
  // One of them has given up, and told the other.
  EXPECT_TRUE(pair.Outcome(0) == ErrorCode::kConnectionLost ||
              pair.Outcome(1) == ErrorCode::kConnectionLost);
  EXPECT_TRUE(pair.out.Names().empty());
}

TEST(Stall, APeerThatGetsOnHoweverSlowlyIsWaitedFor) {
  SessionPair pair;
  pair.Add("a", file::RandomText(20'000, 1));
  pair.Start();
  TimePoint next = pair.now() + 1s;
  pair.link().filter = [&](int from, ByteSpan payload) {
    if (from == 1 || !IsLarge(payload)) return true;
    if (pair.now() < next) return false;
    next = pair.now() + 60s;
    return true;
  };
  ASSERT_TRUE(pair.Run(4h));
  EXPECT_EQ(pair.Outcome(0), std::nullopt);
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
}

TEST(Stall, AnOfferThatDoesNotComeIsGivenUpInAMinute) {
  SessionPair pair;
  pair.Add("a", "content");
  pair.Start();
  // Nothing of the sender's control stream passes.
  pair.link().filter = [](int from, ByteSpan) { return from == 1; };
  ASSERT_TRUE(pair.RunUntil([&] { return pair.Over(1); }, 70s));
  EXPECT_GE(pair.elapsed(), 60s);
  EXPECT_EQ(pair.Outcome(1), ErrorCode::kConnectionLost);
}

TEST(Stall, AUserWhoIsAskedMayTakeHours) {
  SessionPair pair({.ask = true});
  pair.Add("a", "content");
  pair.Start();
  ASSERT_TRUE(
      pair.RunUntil([&] { return pair.Find<Offered>(1) != nullptr; }, 5s));
  pair.RunUntil([] { return false; }, 5h);
  ASSERT_FALSE(pair.Over(0) || pair.Over(1));
  pair.receiver().Decide(pair.now(), true);
  ASSERT_TRUE(pair.Run());
  EXPECT_EQ(pair.Outcome(1), std::nullopt);
}

}  // namespace
}  // namespace p2pcp
