// One MQTT connection, inside the child (mqtt_child.h): dial, subscribe, keep
// alive, dial again.
//
//         dial                 TCP up                 CONNACK
//   Idle ------> Dialling (own thread) -> Connecting ---------> Subscribing
//    ^                |                       |          SUBACKs |   ^ topics
//    |  1 s .. 30 s   v                       v                  v   | change
//    +------------ failed, lost, refused, too slow, too big <-- Up --+
//
// Until the thread that dials (mqtt_dial.h) has ended nobody else touches the
// library's handle.

#ifndef P2PCP_NET_SIGNALING_MQTT_LINK_H_
#define P2PCP_NET_SIGNALING_MQTT_LINK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/base/bytes.h"
#include "net/base/random.h"
#include "net/base/time.h"
#include "net/signaling/broker_url.h"
#include "net/signaling/mqtt_dial.h"
#include "net/signaling/mqtt_subscriptions.h"

struct mosquitto;
struct mosquitto_message;
struct mqtt5__property;

namespace p2pcp::signaling {

class MqttLink {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // All topics are acknowledged.
    virtual void OnUp(std::size_t index) = 0;
    virtual void OnDown(std::size_t index, std::string reason) = 0;
    virtual void OnMessage(std::string_view topic, ByteSpan payload) = 0;
  };

  // wake_fd is an eventfd that is written to when a dialling thread has ended;
  // the owner then calls HandleTimer().
  MqttLink(std::size_t index, Broker broker, Owner& owner, Random& random,
           int wake_fd);
  ~MqttLink();
  MqttLink(const MqttLink&) = delete;
  MqttLink& operator=(const MqttLink&) = delete;

  void SetTopics(TimePoint now, const std::vector<std::string>& topics);
  // Dropped unless the link has been up since it connected: who answers should
  // be heard.
  void Publish(TimePoint now, std::string_view topic, ByteSpan payload);

  // What to poll for; fd is -1 where there is no socket.
  struct Interest {
    int fd;
    short events;
  };
  Interest Wanted(TimePoint now);
  void HandleReady(TimePoint now, short revents);
  // To be called at least once a second.
  void HandleTimer(TimePoint now);

  // Gives up the connection, if any, and dials at once: after a suspend.
  void Redial(TimePoint now);
  // All that was published has been handed to the kernel.
  bool Flushed() const;
  // Says goodbye; the link does nothing more.
  void Disconnect();

 private:
  enum class State { kIdle, kDialling, kConnecting, kSubscribing, kUp };
  class Account;

  static void OnConnect(mosquitto*, void* self, int reason, int flags,
                        const mqtt5__property*);
  static void OnSubscribe(mosquitto*, void* self, int mid, int count,
                          const int* granted);
  static void OnMessage(mosquitto*, void* self, const mosquitto_message*);
  static void OnPublish(mosquitto*, void* self, int mid);
  static void OnLog(mosquitto*, void* self, int level, const char* text);

  void StartDial(TimePoint now);
  void FinishDial(TimePoint now);
  // To be called after every call into the library that talks: finds out
  // whether the connection has survived.
  void Check(TimePoint now, int result);
  void Fail(TimePoint now, std::string reason);
  void DropHandle();
  // Subscribes to what is missing and drops what is no longer wanted.
  bool Subscribe();
  bool SubscribeBatch(const std::vector<std::string>& topics);

  const std::size_t index_;
  const Broker broker_;
  Owner& owner_;
  Random& random_;
  const int wake_fd_;

  State state_ = State::kIdle;
  bool closed_ = false;
  mosquitto* handle_ = nullptr;
  std::unique_ptr<MqttDial> dial_;
  TimePoint next_dial_;
  TimePoint deadline_;  // Of the state that we are in.
  Duration delay_;      // Before the next attempt but one.
  // MQTT 5 unless the broker does not speak it.
  bool version5_ = true;
  bool tried_other_version_ = false;

  bool been_up_ = false;  // Since it connected.
  MqttSubscriptions subscriptions_;
  std::size_t unsent_ = 0;  // Published and not yet written.
  TimePoint progress_at_;   // The last time that one of them was.

  // Set by callbacks, acted on after the library has returned.
  std::optional<int> connack_;
  bool refused_subscription_ = false;
  std::string log_;

  // How many messages may still be taken from this broker now.
  double tokens_;
  TimePoint tokens_at_;
  // What the library has allocated for this connection.
  std::int64_t memory_ = 0;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MQTT_LINK_H_
