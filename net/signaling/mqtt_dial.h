// One call of a broker, up to the TCP connection. libmosquitto resolves and
// dials while its caller waits, so it does that on a short-lived thread: a dead
// name server or a silent host delays no other broker.

#ifndef P2PCP_NET_SIGNALING_MQTT_DIAL_H_
#define P2PCP_NET_SIGNALING_MQTT_DIAL_H_

#include <pthread.h>

#include <cstdint>
#include <memory>
#include <string>

struct mosquitto;

namespace p2pcp::signaling {

class MqttDial {
 public:
  struct Call {
    mosquitto* handle = nullptr;
    std::string host;
    int port = 0;
    int keepalive_seconds = 0;
    // MQTT 5: the longest packet we take, in bytes; 0: says nothing of it.
    std::uint32_t max_packet = 0;
    // An eventfd that is written to when the call is done.
    int wake_fd = -1;
  };
  struct Outcome {
    int result = 0;  // MOSQ_ERR_*
    int os_errno = 0;
  };

  // One-time set-up of the library, before the first call of all. with_tls:
  // some broker wants TLS.
  static void InitLibrary(bool with_tls);

  // Null if there is no thread to be had. Else nobody may touch the handle
  // until done() is true; it stays the caller's to destroy then.
  static std::unique_ptr<MqttDial> Start(Call call);
  // A call that is not done goes on by itself, and its handle is never freed.
  ~MqttDial();
  MqttDial(const MqttDial&) = delete;
  MqttDial& operator=(const MqttDial&) = delete;

  bool done() const;
  // Gives up the address that is being tried; the library goes on to the
  // host's next.
  void Interrupt();
  // REQUIRES: done(), and was not called before.
  Outcome Join();

 private:
  struct State;

  MqttDial() = default;
  static void* Run(void* state);

  std::shared_ptr<State> state_;  // Shared with the thread.
  pthread_t thread_{};
  bool joined_ = false;
};

}  // namespace p2pcp::signaling

#endif  // P2PCP_NET_SIGNALING_MQTT_DIAL_H_
