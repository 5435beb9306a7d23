#include "net/signaling/mqtt_dial.h"

#include <arpa/inet.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace p2pcp::signaling {
namespace {

// Nobody else sends it, and it does nothing by default.
constexpr int kInterruptDial = SIGURG;
// getaddrinfo and TLS set-up need less than half of it (measured: 90 KiB).
constexpr std::size_t kDialStack = 256 * 1024;

void IgnoreSignal(int) {}

}  // namespace

struct MqttDial::State {
  Call call;
  // Written by the thread, to be read once done is set.
  Outcome outcome;
  std::atomic<bool> done = false;
};

void MqttDial::InitLibrary(bool with_tls) {
  struct sigaction action = {};
  action.sa_handler = IgnoreSignal;  // And no SA_RESTART: it must interrupt.
  sigaction(kInterruptDial, &action, nullptr);
  mosquitto_lib_init();
  if (!with_tls) return;
  // The library sets TLS up at the first connection that wants it and does not
  // guard that against a second thread. So here is a first connection, to a
  // listener of our own that never answers.
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (listener >= 0 &&
      bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
      listen(listener, 1) == 0 &&
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) ==
          0) {
    mosquitto* const handle = mosquitto_new("p", /*clean_session=*/true,
                                            /*obj=*/nullptr);
    if (handle != nullptr) {
      mosquitto_int_option(handle, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
      mosquitto_connect(handle, "127.0.0.1", ntohs(address.sin_port),
                        /*keepalive=*/60);
      mosquitto_destroy(handle);
    }
  }
  if (listener >= 0) close(listener);
}

std::unique_ptr<MqttDial> MqttDial::Start(Call call) {
  std::unique_ptr<MqttDial> dial(new MqttDial());
  dial->state_ = std::make_shared<State>();
  dial->state_->call = std::move(call);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kDialStack);
  auto shared = std::make_unique<std::shared_ptr<State>>(dial->state_);
  const int error =
      pthread_create(&dial->thread_, &attributes, Run, shared.get());
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    dial->joined_ = true;
    return nullptr;
  }
  shared.release();
  return dial;
}

MqttDial::~MqttDial() {
  if (!joined_) pthread_detach(thread_);
}

void* MqttDial::Run(void* argument) {
  const std::unique_ptr<std::shared_ptr<State>> owned(
      static_cast<std::shared_ptr<State>*>(argument));
  State& state = **owned;
  const Call& call = state.call;
  mosquitto_property* properties = nullptr;
  if (call.max_packet > 0) {
    mosquitto_property_add_int32(&properties, MQTT_PROP_MAXIMUM_PACKET_SIZE,
                                 call.max_packet);
  }
  errno = 0;
  state.outcome.result =
      mosquitto_connect_bind_v5(call.handle, call.host.c_str(), call.port,
                                call.keepalive_seconds, nullptr, properties);
  state.outcome.os_errno = errno;
  mosquitto_property_free_all(&properties);
  state.done.store(true, std::memory_order_release);
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written =
      write(call.wake_fd, &one, sizeof(one));
  return nullptr;
}

bool MqttDial::done() const {
  return state_->done.load(std::memory_order_acquire);
}

void MqttDial::Interrupt() { pthread_kill(thread_, kInterruptDial); }

MqttDial::Outcome MqttDial::Join() {
  pthread_join(thread_, nullptr);
  joined_ = true;
  return state_->outcome;
}

}  // namespace p2pcp::signaling
