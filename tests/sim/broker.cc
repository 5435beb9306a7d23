#include "tests/sim/broker.h"

#include <utility>

#include "net/base/check.h"

namespace p2pcp::sim {

Broker::ClientId Broker::Connect(Client client) {
  clients_.push_back({.client = std::move(client), .topics = {}});
  return static_cast<ClientId>(clients_.size() - 1);
}

void Broker::Disconnect(ClientId client) {
  clients_.at(static_cast<std::size_t>(client)).connected = false;
}

void Broker::Subscribe(ClientId client, std::vector<std::string> topics) {
  const std::size_t index = static_cast<std::size_t>(client);
  simulator_.ScheduleIn(Delay(), [this, index, topics = std::move(topics)] {
    State& state = clients_.at(index);
    if (!state.connected) return;
    state.topics = {topics.begin(), topics.end()};
    simulator_.ScheduleIn(Delay(), [this, index] {
      const State& subscriber = clients_.at(index);
      if (subscriber.connected) subscriber.client.on_subscribed();
    });
  });
}

void Broker::Publish(ClientId client, std::string topic, Bytes payload) {
  if (!clients_.at(static_cast<std::size_t>(client)).connected) return;
  simulator_.ScheduleIn(
      Delay(), [this, message = Message{client, std::move(topic),
                                        std::move(payload)}]() mutable {
        Arrive(std::move(message));
      });
}

void Broker::Replay(std::size_t index) {
  P2PCP_CHECK(index < transcript_.size());
  Distribute(transcript_[index], Duration::zero());
}

void Broker::Inject(const std::string& topic, ByteSpan payload) {
  Distribute({static_cast<ClientId>(clients_.size()), topic, ToBytes(payload)},
             Duration::zero());
}

Duration Broker::Delay() {
  if (options_.jitter <= Duration::zero()) return options_.delay;
  return options_.delay +
         Duration(static_cast<std::int64_t>(simulator_.random().Below(
             static_cast<std::uint64_t>(options_.jitter.count()) + 1)));
}

void Broker::Arrive(Message message) {
  const std::size_t index = transcript_.size();
  transcript_.push_back(std::move(message));
  // Distribute may be answered by further messages only later, so the
  // reference holds.
  const Message& arrived = transcript_.back();
  Fate fate;
  if (judge_) fate = judge_(index, arrived);
  if (options_.loss > 0 && simulator_.random().NextDouble() < options_.loss) {
    fate.copies = 0;
  }
  if (fate.copies > 0 && options_.duplicate > 0 &&
      simulator_.random().NextDouble() < options_.duplicate) {
    ++fate.copies;
  }
  for (int i = 0; i < fate.copies; ++i) Distribute(arrived, fate.delay);
}

void Broker::Distribute(const Message& message, Duration extra) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const State& state = clients_[i];
    if (!state.connected || !state.topics.contains(message.topic)) continue;
    simulator_.ScheduleIn(Delay() + extra, [this, i, topic = message.topic,
                                            payload = message.payload] {
      const State& receiver = clients_[i];
      if (receiver.connected) receiver.client.on_message(topic, payload);
    });
  }
}

}  // namespace p2pcp::sim
