#include "net/signaling/mqtt_link.h"

#include <malloc.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/signaling/mqtt_failure.h"
#include "net/signaling/mqtt_tls_error.h"

namespace p2pcp::signaling {
namespace {

// Notices a dead connection within twice this time; below the 60 s after which
// home routers forget idle TCP connections at the earliest.
constexpr int kKeepaliveSeconds = 20;
// Between attempts to reach a broker: the first and the longest wait.
constexpr Duration kMinDelay = 1s;
constexpr Duration kMaxDelay = 30s;
// From the TCP connection to CONNACK and SUBACK, TLS included.
constexpr Duration kSetupTime = 15s;
// A dial that lasts longer is interrupted, which makes the library go on to
// the host's next address.
constexpr Duration kDialPatience = 5s;
// MQTT 5: how long a broker may keep our messages, and the longest packet we
// take (binding for honest brokers; RLIMIT_DATA is for the others).
constexpr std::uint32_t kMessageExpirySeconds = 60;
constexpr std::uint32_t kMaxPacket = 8192;
// Published and not yet written to the socket; what is beyond is dropped. A
// broker that has taken nothing for kSetupTime is given up.
constexpr std::size_t kMaxUnsent = 32;
// Every message of the rendezvous is repeated until it is answered, so QoS 1
// would add nothing but its PUBACK: and where a broker has Nagle's algorithm
// on, the peer's message then waits behind that for our delayed ACK, which
// costs a round trip and 45 ms each time (measured with mosquitto).
constexpr int kQos = 0;
constexpr int kMaxPayload = 4096;
constexpr std::size_t kMaxTopic = 128;
// What one broker may send us a second. Beyond, its socket is left alone, so
// that TCP tells it to wait: neither it nor who floods our topics gets more of
// this machine's time.
constexpr double kMessagesPerSecond = 200;
constexpr double kMessagesBurst = 256;
// What the library may hold for one connection; TLS takes some 0.4 MiB.
constexpr std::int64_t kMaxMemory = 2 * 1024 * 1024;
constexpr int kReceiveBuffer = 64 * 1024;

std::int64_t MemoryInUse() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<std::int64_t>(info.uordblks + info.hblkhd);
}

}  // namespace

// Charges what the library allocates within a scope to the link. Dials of
// other links may add some; the limit leaves room for that.
class MqttLink::Account {
 public:
  explicit Account(MqttLink& link) : link_(link), before_(MemoryInUse()) {}
  ~Account() { link_.memory_ += MemoryInUse() - before_; }

 private:
  MqttLink& link_;
  const std::int64_t before_;
};

MqttLink::MqttLink(std::size_t index, Broker broker, Owner& owner,
                   Random& random, int wake_fd)
    : index_(index),
      broker_(std::move(broker)),
      owner_(owner),
      random_(random),
      wake_fd_(wake_fd),
      delay_(kMinDelay),
      tokens_(kMessagesBurst) {}

MqttLink::~MqttLink() {
  // A thread that still dials keeps its handle.
  if (state_ != State::kDialling) DropHandle();
}

void MqttLink::SetTopics(TimePoint now,
                         const std::vector<std::string>& topics) {
  subscriptions_.Want(topics);
  if (state_ != State::kSubscribing && state_ != State::kUp) return;
  bool sent = false;
  {
    const Account account(*this);
    sent = Subscribe();
  }
  if (!sent) return Fail(now, "the connection was lost");
  Check(now, MOSQ_ERR_SUCCESS);
}

void MqttLink::Publish(TimePoint now, std::string_view topic,
                       ByteSpan payload) {
  if (!been_up_) return;
  if (unsent_ == 0) progress_at_ = now;
  if (unsent_ >= kMaxUnsent) {
    if (now >= progress_at_ + kSetupTime) {
      Fail(now, "the broker takes nothing");
    }
    return;
  }
  int result = MOSQ_ERR_SUCCESS;
  {
    const Account account(*this);
    mosquitto_property* properties = nullptr;
    if (version5_) {
      mosquitto_property_add_int32(&properties,
                                   MQTT_PROP_MESSAGE_EXPIRY_INTERVAL,
                                   kMessageExpirySeconds);
    }
    const std::string name(topic);
    const int size = static_cast<int>(payload.size());
    // The callback that tells of its end may come from inside the call.
    ++unsent_;
    result = mosquitto_publish_v5(handle_, nullptr, name.c_str(), size,
                                  payload.data(), kQos, /*retain=*/false,
                                  properties);
    if (result != MOSQ_ERR_SUCCESS && unsent_ > 0) --unsent_;
    mosquitto_property_free_all(&properties);
  }
  // The broker's limit on packets is the broker's loss.
  if (result == MOSQ_ERR_OVERSIZE_PACKET) return;
  Check(now, result);
}

MqttLink::Interest MqttLink::Wanted(TimePoint now) {
  if (handle_ == nullptr || state_ == State::kDialling ||
      state_ == State::kIdle) {
    return {-1, 0};
  }
  const double elapsed =
      std::chrono::duration<double>(now - tokens_at_).count();
  tokens_ = std::min(kMessagesBurst, tokens_ + elapsed * kMessagesPerSecond);
  tokens_at_ = now;
  short events = 0;
  if (tokens_ >= 1) events |= POLLIN;
  if (mosquitto_want_write(handle_)) events |= POLLOUT;
  return {mosquitto_socket(handle_), events};
}

void MqttLink::HandleReady(TimePoint now, short revents) {
  if (handle_ == nullptr || state_ == State::kDialling) return;
  if ((revents & (POLLOUT | POLLERR | POLLHUP)) != 0) {
    int result = MOSQ_ERR_SUCCESS;
    const std::size_t before = unsent_;
    {
      const Account account(*this);
      result = mosquitto_loop_write(handle_, 1);
    }
    if (unsent_ < before) progress_at_ = now;
    Check(now, result);
    // It may have gone, or be dialled anew by another thread.
    if (handle_ == nullptr || state_ == State::kDialling) return;
  }
  if ((revents & (POLLIN | POLLERR | POLLHUP)) != 0) {
    int result = MOSQ_ERR_SUCCESS;
    {
      const Account account(*this);
      result = mosquitto_loop_read(handle_, 1);
    }
    // A broker with Nagle's algorithm (mosquitto's default) holds the answer
    // back until we acknowledge what came before: 40 ms, were it not at once.
    constexpr int kOn = 1;
    setsockopt(mosquitto_socket(handle_), IPPROTO_TCP, TCP_QUICKACK, &kOn,
               sizeof(kOn));
    Check(now, result);
  }
  // While TLS is set up the library takes a connection that broke for one that
  // has nothing to read.
  if (state_ == State::kConnecting && (revents & (POLLERR | POLLHUP)) != 0) {
    Check(now, MOSQ_ERR_CONN_LOST);
  }
}

void MqttLink::HandleTimer(TimePoint now) {
  if (closed_) return;
  switch (state_) {
    case State::kIdle:
      if (now >= next_dial_) StartDial(now);
      return;
    case State::kDialling:
      if (dial_->done()) {
        FinishDial(now);
      } else if (now >= deadline_) {
        dial_->Interrupt();
        deadline_ = now + kDialPatience;
        owner_.OnDown(index_, "no answer so far");
      }
      return;
    case State::kConnecting:
    case State::kSubscribing:
      if (now >= deadline_) return Fail(now, "the broker does not answer");
      break;
    case State::kUp:
      break;
  }
  const int result = mosquitto_loop_misc(handle_);
  Check(now, result);
}

void MqttLink::Redial(TimePoint now) {
  if (closed_) return;
  if (state_ != State::kIdle && state_ != State::kDialling) {
    Fail(now, "this machine has slept");
  }
  delay_ = kMinDelay;
  next_dial_ = now;
}

bool MqttLink::Flushed() const {
  if (state_ != State::kUp && state_ != State::kSubscribing) return true;
  return unsent_ == 0 && !mosquitto_want_write(handle_);
}

void MqttLink::Disconnect() {
  closed_ = true;
  if (state_ == State::kDialling) return;
  if (handle_ != nullptr) {
    mosquitto_disconnect(handle_);
    mosquitto_loop_write(handle_, 1);
  }
  DropHandle();
  state_ = State::kIdle;
}

void MqttLink::StartDial(TimePoint now) {
  // A client id of its own for each connection: nobody who has seen one can
  // take it over (MQTT 3.1.1 section 3.1.4).
  handle_ = mosquitto_new(Hex(random_.Array<16>()).c_str(),
                          /*clean_session=*/true, this);
  if (handle_ == nullptr) return Fail(now, "out of memory");
  mosquitto_connect_v5_callback_set(handle_, OnConnect);
  mosquitto_subscribe_callback_set(handle_, OnSubscribe);
  mosquitto_message_callback_set(handle_, OnMessage);
  mosquitto_publish_callback_set(handle_, OnPublish);
  mosquitto_log_callback_set(handle_, OnLog);
  mosquitto_int_option(handle_, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_int_option(handle_, MOSQ_OPT_PROTOCOL_VERSION,
                       version5_ ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311);
  if (!broker_.user.empty()) {
    mosquitto_username_pw_set(
        handle_, broker_.user.c_str(),
        broker_.password.empty() ? nullptr : broker_.password.c_str());
  }
  if (broker_.tls) {
    // Certificate and name are verified by default.
    const int result =
        broker_.ca_file.empty()
            ? mosquitto_int_option(handle_, MOSQ_OPT_TLS_USE_OS_CERTS, 1)
            : mosquitto_tls_set(handle_, broker_.ca_file.c_str(), nullptr,
                                nullptr, nullptr, nullptr);
    if (result != MOSQ_ERR_SUCCESS) {
      return Fail(now,
                  "cannot use the authorities in '" + broker_.ca_file + "'");
    }
  }

  connack_.reset();
  refused_subscription_ = false;
  log_.clear();

  dial_ = MqttDial::Start({.handle = handle_,
                           .host = broker_.host,
                           .port = broker_.port,
                           .keepalive_seconds = kKeepaliveSeconds,
                           .max_packet = version5_ ? kMaxPacket : 0,
                           .wake_fd = wake_fd_});
  if (dial_ == nullptr) return Fail(now, "cannot start a thread");
  state_ = State::kDialling;
  deadline_ = now + kDialPatience;
}

void MqttLink::FinishDial(TimePoint now) {
  const MqttDial::Outcome dialled = dial_->Join();
  dial_.reset();
  state_ = State::kConnecting;
  if (dialled.result != MOSQ_ERR_SUCCESS) {
    return Fail(now, DescribeFailure(broker_, dialled.result, dialled.os_errno,
                                     log_, /*greeted=*/false));
  }
  // Bounds what the kernel holds for a broker that we don't listen to.
  setsockopt(mosquitto_socket(handle_), SOL_SOCKET, SO_RCVBUF, &kReceiveBuffer,
             sizeof(kReceiveBuffer));
  deadline_ = now + kSetupTime;
  tokens_ = kMessagesBurst;
  tokens_at_ = now;
  // Right behind CONNECT, without waiting for its answer (MQTT 3.1.1 section
  // 3.1.4): saves a round trip.
  bool sent = false;
  {
    const Account account(*this);
    sent = Subscribe();
  }
  // A broker that hangs up on CONNECT may do so before this is written.
  if (!sent) Check(now, MOSQ_ERR_CONN_LOST);
}

void MqttLink::Check(TimePoint now, int result) {
  const int os_errno = errno;
  if (handle_ == nullptr || state_ == State::kIdle) return;

  const bool lost = result != MOSQ_ERR_SUCCESS || mosquitto_socket(handle_) < 0;
  const bool refused = connack_.has_value() && *connack_ != 0;
  if (state_ == State::kConnecting && (lost || refused)) {
    // A broker that knows only MQTT 3.1.1 says so, or just hangs up.
    const bool other_version =
        !tried_other_version_ &&
        (refused ? *connack_ == CONNACK_REFUSED_PROTOCOL_VERSION ||
                       *connack_ == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION
                 : result == MOSQ_ERR_CONN_LOST || result == MOSQ_ERR_PROTOCOL);
    if (other_version) {
      tried_other_version_ = true;
      version5_ = !version5_;
      DropHandle();
      state_ = State::kIdle;
      return StartDial(now);
    }
  }
  if (refused) {
    return Fail(now, DescribeRefusal(broker_, version5_, *connack_));
  }
  if (lost) {
    return Fail(now, DescribeFailure(broker_, result, os_errno, log_,
                                     connack_.has_value()));
  }
  if (refused_subscription_) return Fail(now, "the broker refuses our topics");
  if (memory_ > kMaxMemory) {
    return Fail(now, "the broker sends more than any honest one would");
  }

  if (state_ == State::kConnecting && connack_.has_value()) {
    state_ = State::kSubscribing;
    tried_other_version_ = false;
    if (!Subscribe()) return Fail(now, "the connection was lost");
    deadline_ = now + kSetupTime;
  }
  if (state_ == State::kUp && subscriptions_.pending()) {
    state_ = State::kSubscribing;
    deadline_ = now + kSetupTime;
  }
  if (state_ == State::kSubscribing && !subscriptions_.pending()) {
    state_ = State::kUp;
    been_up_ = true;
    delay_ = kMinDelay;
    owner_.OnUp(index_);
  }
}

void MqttLink::Fail(TimePoint now, std::string reason) {
  DropHandle();
  state_ = State::kIdle;
  tried_other_version_ = false;
  // Up to a quarter later, so that the clients of a broker that restarts don't
  // come back all at once.
  next_dial_ =
      now + delay_ +
      Duration(random_.Below(static_cast<std::uint64_t>((delay_ / 4).count())));
  delay_ = std::min(delay_ * 2, kMaxDelay);
  owner_.OnDown(index_, std::move(reason));
}

void MqttLink::DropHandle() {
  if (handle_ != nullptr) mosquitto_destroy(handle_);
  handle_ = nullptr;
  dial_.reset();
  memory_ = 0;
  been_up_ = false;
  subscriptions_.HandleLost();
  unsent_ = 0;
  connack_.reset();
  refused_subscription_ = false;
}

bool MqttLink::Subscribe() {
  const MqttSubscriptions::Change change = subscriptions_.TakeChange();
  for (const std::string& topic : change.drop) {
    mosquitto_unsubscribe(handle_, nullptr, topic.c_str());
  }
  for (const std::vector<std::string>& batch : change.batches) {
    if (!SubscribeBatch(batch)) return false;
  }
  // Known to be up with these topics: say so at once.
  if (state_ == State::kUp && !subscriptions_.pending()) {
    owner_.OnUp(index_);
  }
  return true;
}

bool MqttLink::SubscribeBatch(const std::vector<std::string>& topics) {
  std::vector<char*> names;
  for (const std::string& topic : topics) {
    names.push_back(const_cast<char*>(topic.c_str()));
  }
  int id = 0;
  // Nothing that the broker kept from before: that is no news of the peer.
  const int options = version5_ ? MQTT_SUB_OPT_SEND_RETAIN_NEVER : 0;
  const int result =
      mosquitto_subscribe_multiple(handle_, &id, static_cast<int>(names.size()),
                                   names.data(), kQos, options, nullptr);
  if (result != MOSQ_ERR_SUCCESS) return false;
  subscriptions_.AddPending(id);
  return true;
}

void MqttLink::OnConnect(mosquitto*, void* self, int reason, int,
                         const mosquitto_property*) {
  static_cast<MqttLink*>(self)->connack_ = reason;
}

void MqttLink::OnSubscribe(mosquitto*, void* self, int id, int count,
                           const int* granted) {
  MqttLink& link = *static_cast<MqttLink*>(self);
  if (!link.subscriptions_.TakePending(id)) return;
  // MQTT 3.1.1 section 3.9.3: 0x80 and above is failure.
  if (count < 1 || std::any_of(granted, granted + count,
                               [](int qos) { return qos >= 0x80; })) {
    link.refused_subscription_ = true;
  }
}

void MqttLink::OnMessage(mosquitto*, void* self,
                         const mosquitto_message* message) {
  MqttLink& link = *static_cast<MqttLink*>(self);
  link.tokens_ -= 1;
  if (message->retain || message->payloadlen <= 0 ||
      message->payloadlen > kMaxPayload || message->topic == nullptr) {
    return;
  }
  const std::string_view topic = message->topic;
  if (topic.size() > kMaxTopic) return;
  link.owner_.OnMessage(topic, {static_cast<const std::byte*>(message->payload),
                                static_cast<std::size_t>(message->payloadlen)});
}

void MqttLink::OnPublish(mosquitto*, void* self, int) {
  std::size_t& unsent = static_cast<MqttLink*>(self)->unsent_;
  if (unsent > 0) --unsent;
}

void MqttLink::OnLog(mosquitto*, void* self, int level, const char* text) {
  // Only what explains a failure, which TLS alone does not do by its result.
  if (level != MOSQ_LOG_ERR || text == nullptr) return;
  std::string& log = static_cast<MqttLink*>(self)->log_;
  // What comes after it is but its consequence.
  if (IsTlsCause(log)) return;
  log = std::string(text).substr(0, 160);
}

}  // namespace p2pcp::signaling
