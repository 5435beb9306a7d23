// A hub between two attached clients and the test, which is the child that
// speaks with the brokers.

#include "cmd/crew/broker_hub.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"
#include "net/base/time.h"
#include "net/signaling/broker_url.h"
#include "net/signaling/mqtt_client.h"
#include "net/signaling/mqtt_relay.h"
#include "net/udp/event_loop.h"
#include "net/udp/file_descriptor.h"

namespace p2pcp::cmd {
namespace {

using signaling::MqttClient;
using signaling::MqttRelay;

std::vector<signaling::Broker> Brokers() {
  signaling::Broker broker;
  broker.host = "127.0.0.1";
  broker.port = 1;
  return {broker};
}

class BrokerHubTest : public testing::Test {
 protected:
  BrokerHubTest() : loop_(*udp::EventLoop::Create()) {
    auto ends = MqttRelay::Create();
    child_ = std::move(ends->first);
    hub_ = std::make_unique<BrokerHub>(
        loop_.get(), *MqttClient::Attach(loop_->Now(), ends->second, Brokers()),
        1,
        BrokerHub::Handler{[this](std::size_t) { ++up_; },
                           [this](std::size_t, const Error&) { ++down_; },
                           [this](std::string_view topic, ByteSpan) {
                             heard_.emplace_back(topic);
                           }});
  }
  std::unique_ptr<MqttClient> Client(
      unsigned number, std::optional<BrokerHub::Message> first = {}) {
    Result<udp::FileDescriptor> line = hub_->Attach(number, std::move(first));
    return *MqttClient::Attach(loop_->Now(), dup(line->get()), Brokers());
  }
  // What there is to do now.
  void Run() {
    for (int i = 0; i < 20; ++i) {
      if (child_->HandleReadable()) ++subscribes_;
      loop_->RunOnce(TimePoint());
    }
  }
  void Acknowledge() {
    Run();
    child_->SendUp(0);
    Run();
  }
  static std::vector<std::string> Events(MqttClient& client) {
    client.HandleReadable(TimePoint());
    std::vector<std::string> events;
    while (const auto event = client.PollEvent()) {
      if (const auto* message = std::get_if<MqttClient::Message>(&*event)) {
        events.push_back(message->topic);
      } else {
        events.push_back(std::holds_alternative<MqttClient::BrokerUp>(*event)
                             ? "up"
                             : "down");
      }
    }
    return events;
  }

  std::unique_ptr<udp::EventLoop> loop_;
  std::unique_ptr<MqttRelay> child_;
  std::unique_ptr<BrokerHub> hub_;
  int up_ = 0;
  int down_ = 0;
  int subscribes_ = 0;
  std::vector<std::string> heard_;
};

using Names = std::vector<std::string>;

TEST_F(BrokerHubTest, SubscribesToWhatAnybodyWantsAndTellsEachItsOwn) {
  hub_->SetTopics({"own"});
  const auto a = Client(1);
  const auto b = Client(2);
  a->SetTopics({"a", "both"});
  b->SetTopics({"b", "both"});
  Run();
  EXPECT_EQ(child_->topics(), (Names{"a", "b", "both", "own"}));
  Acknowledge();
  EXPECT_EQ(up_, 1);
  for (const char* topic : {"own", "a", "b", "both", "nobody's"}) {
    child_->SendMessage(topic, {});
  }
  Run();
  EXPECT_EQ(heard_, Names{"own"});
  EXPECT_EQ(Events(*a), (Names{"up", "a", "both"}));
  EXPECT_EQ(Events(*b), (Names{"up", "b", "both"}));
  child_->SendDown(0, "gone");
  Run();
  EXPECT_EQ(down_, 1);
  EXPECT_EQ(Events(*a), Names{"down"});
}

TEST_F(BrokerHubTest, WhoWantsWhatIsHeardAlreadyIsUpAtOnce) {
  hub_->SetTopics({"a", "b"});
  Acknowledge();
  const int before = subscribes_;
  const auto client = Client(1, BrokerHub::Message{"a", {}});
  client->SetTopics({"a"});
  Run();
  EXPECT_EQ(Events(*client), (Names{"up", "a"}));
  EXPECT_EQ(subscribes_, before);
}

TEST_F(BrokerHubTest, WhatAClientSaysGoesOutWhileItLivesAndAsItEnds) {
  hub_->SetTopics({"own"});
  Acknowledge();
  auto client = Client(1);
  client->Publish("topic", AsBytes("first"));
  Run();
  EXPECT_TRUE(child_->Poll());
  client->Publish("topic", AsBytes("last"));
  // Its owner is told of its end before its line has been read.
  hub_->Detach(1);
  Run();
  const auto last = child_->Poll();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->payload, ToBytes(AsBytes("last")));
  hub_->Detach(1);
}

}  // namespace
}  // namespace p2pcp::cmd
