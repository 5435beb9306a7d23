#include "net/signaling/mqtt_wire.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "net/base/bytes.h"
#include "net/signaling/broker_url.h"

namespace p2pcp::signaling {
namespace {

template <typename Frame>
Frame RoundTrip(const Bytes& bytes) {
  const auto decoded = MqttFrame::Decode(bytes);
  EXPECT_TRUE(decoded.has_value());
  return std::get<Frame>(*decoded);
}

TEST(MqttWire, CarriesEveryFrame) {
  const Broker broker = {true,    "broker.example", 8883,
                         "alice", "secret",         "/ca"};
  Bytes bytes = MqttFrame::Encode(MqttFrame::AddBroker{broker});
  EXPECT_EQ(RoundTrip<MqttFrame::AddBroker>(bytes).broker, broker);

  bytes = MqttFrame::Encode(MqttFrame::Start{});
  RoundTrip<MqttFrame::Start>(bytes);

  bytes = MqttFrame::Encode(MqttFrame::Topics{7, {"one", "two"}});
  EXPECT_EQ(RoundTrip<MqttFrame::Topics>(bytes).version, 7u);
  EXPECT_EQ(RoundTrip<MqttFrame::Topics>(bytes).topics,
            (std::vector<std::string>{"one", "two"}));

  const Bytes payload(1024, std::byte{5});
  bytes = MqttFrame::Encode(MqttFrame::Publish{"topic", payload});
  EXPECT_EQ(RoundTrip<MqttFrame::Publish>(bytes).topic, "topic");
  EXPECT_EQ(ToBytes(RoundTrip<MqttFrame::Publish>(bytes).payload), payload);

  bytes = MqttFrame::Encode(MqttFrame::Up{3, 9});
  EXPECT_EQ(RoundTrip<MqttFrame::Up>(bytes).broker, 3);
  EXPECT_EQ(RoundTrip<MqttFrame::Up>(bytes).version, 9u);

  bytes = MqttFrame::Encode(MqttFrame::Down{3, "refused"});
  EXPECT_EQ(RoundTrip<MqttFrame::Down>(bytes).reason, "refused");

  bytes = MqttFrame::Encode(MqttFrame::Message{"topic", payload});
  EXPECT_EQ(ToBytes(RoundTrip<MqttFrame::Message>(bytes).payload), payload);
}

TEST(MqttWire, FitsTheMostAndLongestTopics) {
  const std::vector<std::string> topics(240, std::string(128, 't'));
  const Bytes bytes = MqttFrame::Encode(MqttFrame::Topics{1, topics});
  EXPECT_EQ(RoundTrip<MqttFrame::Topics>(bytes).topics, topics);
}

TEST(MqttWire, RefusesWhatIsCutShortOrTooLong) {
  for (const MqttFrame::Any& frame : std::vector<MqttFrame::Any>{
           MqttFrame::AddBroker{{false, "h", 1883, "u", "p", "c"}},
           MqttFrame::Topics{7, {"one", "two"}}, MqttFrame::Up{3, 9},
           MqttFrame::Down{3, "refused"}}) {
    Bytes bytes = MqttFrame::Encode(frame);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(MqttFrame::Decode(ByteSpan(bytes).first(size)).has_value());
    }
    bytes.push_back(std::byte{0});
    EXPECT_FALSE(MqttFrame::Decode(bytes).has_value());
  }
  EXPECT_FALSE(MqttFrame::Decode(Bytes{std::byte{99}}).has_value());
}

}  // namespace
}  // namespace p2pcp::signaling
