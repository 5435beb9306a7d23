// A relay and a client that attaches to it, over a real socket: what the owner
// of the one connection says arrives, and the other way round.

#include "net/signaling/mqtt_relay.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/signaling/broker_url.h"
#include "net/signaling/mqtt_client.h"

namespace p2pcp::signaling {
namespace {

constexpr TimePoint kNow(1s);
constexpr char kTopic[] = "tttttttttttttttttttttttttttttttt";

Broker At(std::uint16_t port) {
  Broker broker;
  broker.host = "127.0.0.1";
  broker.port = port;
  return broker;
}

class MqttRelayTest : public testing::Test {
 protected:
  MqttRelayTest() {
    auto ends = MqttRelay::Create();
    relay_ = std::move(ends->first);
    client_ = *MqttClient::Attach(kNow, ends->second, {At(1), At(2)});
  }
  template <typename Event>
  std::optional<Event> Next() {
    client_->HandleReadable(kNow);
    const auto event = client_->PollEvent();
    if (!event || !std::holds_alternative<Event>(*event)) return std::nullopt;
    return std::get<Event>(*event);
  }

  std::unique_ptr<MqttRelay> relay_;
  std::unique_ptr<MqttClient> client_;
};

TEST_F(MqttRelayTest, AClientIsUpOnceItIsToldSoForItsTopics) {
  client_->SetTopics({kTopic});
  EXPECT_TRUE(relay_->HandleReadable());
  EXPECT_EQ(relay_->topics(), std::vector<std::string>{kTopic});
  relay_->SendUp(1);
  const auto up = Next<MqttClient::BrokerUp>();
  ASSERT_TRUE(up);
  EXPECT_EQ(up->broker, 1u);
  EXPECT_EQ(client_->up_count(), 1u);
  relay_->SendDown(1, "it is gone");
  const auto down = Next<MqttClient::BrokerDown>();
  ASSERT_TRUE(down);
  EXPECT_NE(down->error.message.find("it is gone"), std::string::npos);
}

TEST_F(MqttRelayTest, AWordAboutOlderTopicsIsNone) {
  client_->SetTopics({kTopic});
  relay_->HandleReadable();
  client_->SetTopics({std::string(kTopic) + "2"});
  relay_->SendUp(0);  // It does not know of the new ones yet.
  EXPECT_FALSE(Next<MqttClient::BrokerUp>());
  EXPECT_TRUE(relay_->HandleReadable());
  relay_->SendUp(0);
  EXPECT_TRUE(Next<MqttClient::BrokerUp>());
}

TEST_F(MqttRelayTest, MessagesGoBothWaysAndOnlyThoseSubscribedTo) {
  client_->SetTopics({kTopic});
  client_->Publish("other", AsBytes("hello"));
  relay_->HandleReadable();
  const auto publish = relay_->Poll();
  ASSERT_TRUE(publish);
  EXPECT_EQ(publish->topic, "other");
  EXPECT_EQ(publish->payload, ToBytes(AsBytes("hello")));
  EXPECT_FALSE(relay_->Poll());
  relay_->SendMessage("somebody else's", AsBytes("no"));
  relay_->SendMessage(kTopic, AsBytes("yes"));
  const auto message = Next<MqttClient::Message>();
  ASSERT_TRUE(message);
  EXPECT_EQ(message->payload, ToBytes(AsBytes("yes")));
}

TEST_F(MqttRelayTest, WhatAClientSaidLastArrivesAlthoughItIsGone) {
  client_->Publish(kTopic, AsBytes("bye"));
  // The client waits for the other end to close, a third of a second at most.
  client_.reset();
  while (!relay_->closed()) relay_->HandleReadable();
  const auto publish = relay_->Poll();
  ASSERT_TRUE(publish);
  EXPECT_EQ(publish->payload, ToBytes(AsBytes("bye")));
}

TEST_F(MqttRelayTest, AnOwnerThatIsGoneIsBrokersThatAreDownForGood) {
  relay_.reset();
  EXPECT_TRUE(Next<MqttClient::BrokerDown>());
  EXPECT_TRUE(Next<MqttClient::BrokerDown>());
  EXPECT_FALSE(client_->PollTimeout());
  client_->Publish(kTopic, AsBytes("nobody hears it"));
}

TEST_F(MqttRelayTest, WhatNobodyPollsIsBounded) {
  for (int i = 0; i < 1000; ++i) {
    client_->Publish(kTopic, AsBytes(std::to_string(i)));
    relay_->HandleReadable();
  }
  std::size_t count = 0;
  std::string last;
  while (const auto publish = relay_->Poll()) {
    ++count;
    last.assign(reinterpret_cast<const char*>(publish->payload.data()),
                publish->payload.size());
  }
  EXPECT_LE(count, 64u);
  EXPECT_EQ(last, "999");
}

}  // namespace
}  // namespace p2pcp::signaling
