#include "net/signaling/mqtt_subscriptions.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace p2pcp::signaling {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(MqttSubscriptions, TellsOnlyWhatIsNew) {
  MqttSubscriptions subscriptions;
  subscriptions.Want({"today", "yesterday"});
  MqttSubscriptions::Change change = subscriptions.TakeChange();
  EXPECT_THAT(change.drop, IsEmpty());
  EXPECT_THAT(change.batches, ElementsAre(ElementsAre("today", "yesterday")));

  subscriptions.Want({"tomorrow", "today"});
  change = subscriptions.TakeChange();
  EXPECT_THAT(change.drop, ElementsAre("yesterday"));
  EXPECT_THAT(change.batches, ElementsAre(ElementsAre("tomorrow")));

  change = subscriptions.TakeChange();
  EXPECT_THAT(change.drop, IsEmpty());
  EXPECT_THAT(change.batches, IsEmpty());
}

TEST(MqttSubscriptions, PutsNoMoreThanEightIntoOneSubscribe) {
  MqttSubscriptions subscriptions;
  std::vector<std::string> topics;
  for (char name = 'a'; name < 'a' + 17; ++name) topics.emplace_back(1, name);
  subscriptions.Want(topics);
  EXPECT_THAT(subscriptions.TakeChange().batches,
              ElementsAre(SizeIs(8), SizeIs(8), SizeIs(1)));
}

TEST(MqttSubscriptions, WaitsForTheAnswersToItsOwn) {
  MqttSubscriptions subscriptions;
  EXPECT_FALSE(subscriptions.pending());
  subscriptions.AddPending(1);
  subscriptions.AddPending(2);
  EXPECT_FALSE(subscriptions.TakePending(3));
  EXPECT_TRUE(subscriptions.TakePending(2));
  EXPECT_FALSE(subscriptions.TakePending(2));
  EXPECT_TRUE(subscriptions.pending());
  EXPECT_TRUE(subscriptions.TakePending(1));
  EXPECT_FALSE(subscriptions.pending());
}

TEST(MqttSubscriptions, TellsTheNextConnectionAllThatIsWanted) {
  MqttSubscriptions subscriptions;
  subscriptions.Want({"a", "b"});
  subscriptions.TakeChange();
  subscriptions.AddPending(1);
  subscriptions.HandleLost();
  EXPECT_FALSE(subscriptions.pending());
  EXPECT_THAT(subscriptions.TakeChange().batches,
              ElementsAre(ElementsAre("a", "b")));
}

}  // namespace
}  // namespace p2pcp::signaling
