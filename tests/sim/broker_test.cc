#include "tests/sim/broker.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace p2pcp::sim {
namespace {

class BrokerTest : public testing::Test {
 protected:
  struct Client {
    Broker::ClientId id;
    int subscribed = 0;
    std::vector<std::string> heard;
  };

  void Join(Client& client, std::vector<std::string> topics) {
    client.id = broker.Connect(
        {.on_subscribed = [&client] { ++client.subscribed; },
         .on_message =
             [&client](std::string_view topic, ByteSpan payload) {
               client.heard.push_back(std::string(topic) + "=" +
                                      std::string(AsText(payload)));
             }});
    broker.Subscribe(client.id, std::move(topics));
  }
  void Publish(Client& client, std::string_view text) {
    broker.Publish(client.id, "t", ToBytes(AsBytes(text)));
  }

  Simulator simulator{1};
  Broker broker{simulator, {.delay = 10ms}};
  Client a;
  Client b;
};

TEST_F(BrokerTest, AcknowledgesSubscriptionsAfterARoundTrip) {
  Join(a, {"t"});
  simulator.RunFor(19ms);
  EXPECT_EQ(a.subscribed, 0);
  simulator.RunFor(1ms);
  EXPECT_EQ(a.subscribed, 1);
}

TEST_F(BrokerTest, ForwardsToThoseWhoAreSubscribedWhenItArrives) {
  Join(a, {"other"});
  Join(b, {"t"});
  Publish(a, "early");  // Arrives with b's subscription, after it.
  simulator.RunFor(1s);
  EXPECT_EQ(b.heard, std::vector<std::string>{"t=early"});
  broker.Subscribe(b.id, {"u"});
  simulator.RunFor(1s);
  Publish(a, "unheard");
  simulator.RunFor(1s);
  EXPECT_EQ(b.heard.size(), 1u);
  EXPECT_TRUE(a.heard.empty());
}

TEST_F(BrokerTest, JudgeDropsDoublesAndDelaysChosenMessages) {
  Join(a, {});
  Join(b, {"t"});
  simulator.RunFor(1s);
  broker.set_judge([](std::size_t index, const Broker::Message& message) {
    EXPECT_EQ(message.topic, "t");
    switch (index) {
      case 0:
        return Broker::Fate{.copies = 0};
      case 1:
        return Broker::Fate{.copies = 2};
      case 2:
        return Broker::Fate{.delay = 5s};
      default:
        return Broker::Fate{};
    }
  });
  for (const char* text : {"0", "1", "2", "3"}) Publish(a, text);
  simulator.RunFor(1s);
  EXPECT_EQ(b.heard, (std::vector<std::string>{"t=1", "t=1", "t=3"}));
  simulator.RunFor(5s);
  EXPECT_EQ(b.heard.back(), "t=2");
  EXPECT_EQ(broker.transcript().size(), 4u);
}

TEST_F(BrokerTest, LosesAndDoublesByChance) {
  Join(a, {});
  Join(b, {"t"});
  simulator.RunFor(1s);
  broker.options().loss = 1;
  Publish(a, "lost");
  simulator.RunFor(1s);
  broker.options().loss = 0;
  broker.options().duplicate = 1;
  Publish(a, "two");
  simulator.RunFor(1s);
  EXPECT_EQ(b.heard, (std::vector<std::string>{"t=two", "t=two"}));
}

TEST_F(BrokerTest, ReplaysAndInvents) {
  Join(a, {});
  Join(b, {"t"});
  simulator.RunFor(1s);
  Publish(a, "1");
  simulator.RunFor(1s);
  broker.Replay(0);
  broker.Inject("t", AsBytes("2"));
  simulator.RunFor(1s);
  EXPECT_EQ(b.heard, (std::vector<std::string>{"t=1", "t=1", "t=2"}));
}

TEST_F(BrokerTest, DisconnectedClientsHearAndSayNothing) {
  Join(a, {"t"});
  Join(b, {"t"});
  simulator.RunFor(1s);
  broker.Disconnect(b.id);
  Publish(a, "1");
  Publish(b, "2");
  simulator.RunFor(1s);
  EXPECT_TRUE(b.heard.empty());
  EXPECT_EQ(a.heard, std::vector<std::string>{"t=1"});
}

}  // namespace
}  // namespace p2pcp::sim
