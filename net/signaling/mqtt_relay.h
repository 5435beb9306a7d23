// One MQTT connection for several processes: the owner of the MqttClient holds
// a relay for each process that attaches to it (MqttClient::Attach), and is to
// that process what the child with libmosquitto is to the owner itself.
//
// The owner carries: topics() belong to what its own client is subscribed to,
// what Poll() gives is to be published, and SendUp(), SendDown() and
// SendMessage() tell the process what brokers say.

#ifndef P2PCP_NET_SIGNALING_MQTT_RELAY_H_
#define P2PCP_NET_SIGNALING_MQTT_RELAY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/result.h"

namespace p2pcp::signaling {

// Not thread-safe. Never blocks, and keeps a bounded amount: what the process
// does not take is lost, as on any network.
class MqttRelay {
 public:
  // A relay, and the descriptor of the other end, which the caller hands to
  // the process and closes (both are close-on-exec).
  static Result<std::pair<std::unique_ptr<MqttRelay>, int>> Create();
  ~MqttRelay();
  MqttRelay(const MqttRelay&) = delete;
  MqttRelay& operator=(const MqttRelay&) = delete;

  // Readable whenever HandleReadable() has something to do.
  int fd() const { return socket_; }
  // True if topics() has changed or the process has just attached: it waits
  // for SendUp() then.
  bool HandleReadable();
  // The process has no more to say, or is gone; Poll() may still have some.
  bool closed() const { return closed_; }

  // What the process is subscribed to; none before it has attached.
  const std::vector<std::string>& topics() const { return topics_; }

  struct Publish {
    std::string topic;
    Bytes payload;
  };
  std::optional<Publish> Poll();

  // The broker is connected and has acknowledged topics().
  void SendUp(std::size_t broker);
  void SendDown(std::size_t broker, std::string reason);
  // One of topics(), or none of this process's concern: that is dropped.
  void SendMessage(std::string_view topic, ByteSpan payload);

 private:
  explicit MqttRelay(int socket);
  void Send(ByteSpan frame);

  const int socket_;
  bool closed_ = false;
  std::uint32_t version_ = 0;
  std::vector<std::string> topics_;
  std::deque<Publish> publishes_;
  Bytes buffer_;  // One frame.
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MQTT_RELAY_H_
