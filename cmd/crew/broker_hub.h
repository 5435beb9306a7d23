// The one connection to the brokers of a command that carries several
// transfers: its own rendezvous and those of its workers share it.

#ifndef P2PCP_CMD_CREW_BROKER_HUB_H_
#define P2PCP_CMD_CREW_BROKER_HUB_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

class BrokerHub {
 public:
  struct Handler {
    // The brokers hear us, and what the owner is subscribed to comes from here
    // on; again for each broker and each change.
    std::function<void(std::size_t broker)> on_up;
    std::function<void(std::size_t broker, const Error&)> on_down;
    // Of one of the owner's topics.
    std::function<void(std::string_view topic, ByteSpan payload)> on_message;
  };
  // loop must outlive it. The handler is called from inside the loop, and may
  // call anything here but the destructor.
  BrokerHub(udp::EventLoop* loop, std::unique_ptr<signaling::MqttClient> mqtt,
            std::size_t broker_count, Handler handler);
  ~BrokerHub();
  BrokerHub(const BrokerHub&) = delete;
  BrokerHub& operator=(const BrokerHub&) = delete;

  // What the owner itself wants to hear.
  void SetTopics(std::vector<std::string> topics);
  void Publish(std::string_view topic, ByteSpan payload) {
    mqtt_->Publish(topic, payload);
  }

  // As MqttClient's: this host has moved.
  void Redial(TimePoint now) { mqtt_->Redial(now); }

  // A message that the owner has heard already.
  struct Message {
    std::string topic;
    Bytes payload;
  };
  // A line of its own for a worker, under any number that is free: the
  // descriptor to hand to it. `first` is what it hears first.
  Result<udp::FileDescriptor> Attach(unsigned number,
                                     std::optional<Message> first);
  // The worker has ended; what it said last goes out.
  void Detach(unsigned number);

  std::optional<TimePoint> PollTimeout() const { return mqtt_->PollTimeout(); }
  void HandleTimeout(TimePoint now);

 private:
  struct Line {
    std::unique_ptr<signaling::MqttRelay> relay;
    std::optional<Message> first;
  };

  void HandleMqtt();
  void HandleLine(unsigned number);
  void Drain(Line& line);
  // Subscribes to what anybody wants to hear.
  void Subscribe();
  bool Subscribed(const std::vector<std::string>& topics) const;
  void TellUp(Line& line);

  udp::EventLoop* const loop_;
  const std::unique_ptr<signaling::MqttClient> mqtt_;
  const Handler handler_;
  std::vector<bool> up_;
  std::vector<std::string> own_topics_;
  std::vector<std::string> topics_;  // Everybody's, sorted.
  std::map<unsigned, Line> lines_;
};

}  // namespace p2pcp::cmd

#endif  // P2PCP_CMD_CREW_BROKER_HUB_H_
