// An MQTT broker as its clients see it: topics, SUBACK, publications that
// arrive some time later or never; and as an attacker would run it: messages
// dropped, doubled, held back, replayed, invented.

#ifndef P2PCP_TESTS_SIM_BROKER_H_
#define P2PCP_TESTS_SIM_BROKER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/time.h"
#include "tests/sim/simulator.h"

namespace p2pcp::sim {

struct BrokerOptions {
  // From a client to the broker or back; each way takes it.
  Duration delay = std::chrono::milliseconds(20);
  // Up to this much more, each message for itself: order is not kept.
  Duration jitter{};
  double loss = 0;  // Of a publication, for all who would get it.
  double duplicate = 0;
};

class Broker {
 public:
  enum class ClientId : std::size_t {};
  struct Message {
    ClientId from;
    std::string topic;
    Bytes payload;
  };
  // What becomes of a publication, counted from 0 in the order of arrival at
  // the broker.
  struct Fate {
    int copies = 1;  // 0: it is lost.
    Duration delay{};
  };
  using Judge = std::function<Fate(std::size_t index, const Message& message)>;

  struct Client {
    // The broker has acknowledged a subscription (SUBACK).
    std::function<void()> on_subscribed = {};
    std::function<void(std::string_view topic, ByteSpan payload)> on_message =
        {};
  };

  Broker(Simulator& simulator, const BrokerOptions& options)
      : simulator_(simulator), options_(options) {}

  BrokerOptions& options() { return options_; }
  void set_judge(Judge judge) { judge_ = std::move(judge); }

  ClientId Connect(Client client);
  // The client hears nothing any more, and what it sends is lost.
  void Disconnect(ClientId client);
  // Replaces what the client is subscribed to.
  void Subscribe(ClientId client, std::vector<std::string> topics);
  void Publish(ClientId client, std::string topic, Bytes payload);

  // Everything that ever arrived here, lost or not.
  const std::vector<Message>& transcript() const { return transcript_; }
  // Sends a message of the transcript once more to all subscribers.
  void Replay(std::size_t index);
  // Sends anything to anyone who listens on topic, in nobody's name.
  void Inject(const std::string& topic, ByteSpan payload);

 private:
  struct State {
    Client client;
    bool connected = true;
    std::set<std::string, std::less<>> topics;
  };

  Duration Delay();
  void Arrive(Message message);
  void Distribute(const Message& message, Duration extra);

  Simulator& simulator_;
  BrokerOptions options_;
  Judge judge_;
  std::vector<State> clients_;
  std::vector<Message> transcript_;
};

}  // namespace p2pcp::sim

#endif  // P2PCP_TESTS_SIM_BROKER_H_
